//! What the three generations declare. Types and defaults: amazon-eks-ami, `amazon-eks-nodegroup.yaml` as of 2018-12-10 and 2022-05-09; EKS
//! User Guide, "Create self-managed Amazon Linux nodes".

/// A generation of Amazon's template.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Day in its address.
    pub(crate) date: &'static str,
    own: &'static [Declared],
    #[cfg(test)]
    pub(crate) outputs: &'static [&'static str],
}

/// A parameter that a template declares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with our own template's, in tests"))]
    pub(crate) kind: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the templates that the simulator serves, in tests"))]
    pub(crate) required: bool,
}

const fn required(name: &'static str, kind: &'static str) -> Declared {
    Declared { name, kind, required: true }
}

const fn optional(name: &'static str, kind: &'static str) -> Declared {
    Declared { name, kind, required: false }
}

const IMAGE_PARAMETER: &str = "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>";

const COMMON: [Declared; 11] = [
    required("ClusterControlPlaneSecurityGroup", "AWS::EC2::SecurityGroup::Id"),
    required("ClusterName", "String"),
    required("KeyName", "AWS::EC2::KeyPair::KeyName"),
    optional("NodeAutoScalingGroupDesiredCapacity", "Number"),
    optional("NodeAutoScalingGroupMaxSize", "Number"),
    optional("NodeAutoScalingGroupMinSize", "Number"),
    required("NodeGroupName", "String"),
    optional("NodeInstanceType", "String"),
    optional("NodeVolumeSize", "Number"),
    required("Subnets", "List<AWS::EC2::Subnet::Id>"),
    required("VpcId", "AWS::EC2::VPC::Id"),
];

/// With a launch configuration.
pub(crate) static OF_2018: Generation = Generation {
    date: "2018-12-10",
    own: &[optional("BootstrapArguments", "String"), required("NodeImageId", "AWS::EC2::Image::Id")],
    #[cfg(test)]
    outputs: &["NodeInstanceRole", "NodeSecurityGroup"],
};

/// With a launch template, for Amazon Linux 2.
pub(crate) static OF_2022: Generation = Generation {
    date: "2022-12-23",
    own: &[
        optional("BootstrapArguments", "String"),
        optional("DisableIMDSv1", "String"),
        optional("NodeImageId", "String"),
        optional("NodeImageIdSSMParam", IMAGE_PARAMETER),
        optional("NodeVolumeType", "String"),
    ],
    #[cfg(test)]
    outputs: &["NodeAutoScalingGroup", "NodeInstanceRole", "NodeSecurityGroup"],
};

/// With a launch template, for Amazon Linux 2023.
pub(crate) static OF_2025: Generation = Generation {
    date: "2025-11-26",
    own: &[
        required("ApiServerEndpoint", "String"),
        required("AuthenticationMode", "String"),
        required("CertificateAuthorityData", "String"),
        optional("DisableIMDSv1", "String"),
        optional("NodeImageId", "String"),
        optional("NodeImageIdSSMParam", IMAGE_PARAMETER),
        optional("NodeVolumeType", "String"),
        required("ServiceCidr", "String"),
    ],
    #[cfg(test)]
    outputs: &["NodeAutoScalingGroup", "NodeInstanceRole", "NodeSecurityGroup"],
};

/// From the oldest to the newest.
pub(crate) static ALL: [&Generation; 3] = [&OF_2018, &OF_2022, &OF_2025];

impl Generation {
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'static Declared> {
        COMMON.iter().chain(self.own)
    }

    pub(crate) fn declares(&self, name: &str) -> bool {
        self.parameters().any(|declared| declared.name == name)
    }

    /// Where AWS publishes it.
    pub(crate) fn url(&self) -> String {
        format!("https://s3.us-west-2.amazonaws.com/amazon-eks/cloudformation/{}/amazon-eks-nodegroup.yaml", self.date)
    }
}
