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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::{
        Family, Kubelet, Purchase,
        image::NodeSettings,
        template::{GroupShape, ImageSource, ScalingShape, base, group},
    };

    fn text(yaml: &str) -> Value {
        serde_yaml_ng::from_str::<serde_yaml_ng::Value>(yaml).map(untagged).expect("a template")
    }

    /// What stands behind a short form is of no interest here.
    fn untagged(value: serde_yaml_ng::Value) -> Value {
        match value {
            serde_yaml_ng::Value::Mapping(members) => {
                members.into_iter().map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), untagged(value))).collect()
            }
            serde_yaml_ng::Value::Sequence(items) => items.into_iter().map(untagged).collect(),
            serde_yaml_ng::Value::Tagged(tagged) => untagged(tagged.value),
            other => serde_json::to_value(other).expect("plain"),
        }
    }

    fn names(of: &Value) -> BTreeSet<&str> {
        of.as_object().expect("a section").keys().map(String::as_str).collect()
    }

    /// The stand-ins of the tests have just what the tables say.
    #[test]
    fn templates_declare_what_the_tables_say() {
        let stand_ins = [
            (&OF_2018, include_str!("../../tests/amazon/2018-12-10.yaml")),
            (&OF_2022, include_str!("../../tests/amazon/2022-12-23.yaml")),
            (&OF_2025, include_str!("../../tests/amazon/2025-11-26.yaml")),
        ];
        for (generation, yaml) in stand_ins {
            let template = text(yaml);
            let declared: BTreeMap<_, _> = generation.parameters().map(|one| (one.name, (one.kind, one.required))).collect();
            assert_eq!(names(&template["Parameters"]), declared.keys().copied().collect(), "{}", generation.date);
            for (name, (kind, required)) in declared {
                let parameter = &template["Parameters"][name];
                assert_eq!((parameter["Type"].as_str(), parameter.get("Default").is_none()), (Some(kind), required), "{name}");
            }
            assert_eq!(names(&template["Outputs"]), generation.outputs.iter().copied().collect(), "{}", generation.date);
        }
    }

    /// Our own template, in its largest form.
    fn ours() -> [Value; 2] {
        let tags = [("eks-rs/owner".to_owned(), "o".to_owned())];
        let user_data =
            Family::default().user_data(NodeSettings { labels: &BTreeMap::new(), taints: &[], kubelet: &Kubelet::new(), max_pods: None });
        let types = ["t3.medium".to_owned()];
        let shape = |image| GroupShape {
            access_entry: Some("EC2_LINUX"),
            hop_limit: 1,
            image,
            key_pair: true,
            scaling: ScalingShape { hooks: &[], instance_types: &types, purchase: Purchase::OnDemand, warmup: None, zones: Vec::new() },
            system_device: None,
            tags: &tags,
            user_data: &user_data,
            volume_device: "/dev/xvda",
        };
        let value = |json: String| serde_json::from_str::<Value>(&json).expect("JSON");
        let mut group_of = value(group(&shape(ImageSource::Parameter)).to_json());
        let by_id = value(group(&shape(ImageSource::Id)).to_json());
        group_of["Parameters"]["NodeImageId"] = by_id["Parameters"]["NodeImageId"].clone();
        [value(base(true, &[]).to_json()), group_of]
    }

    /// What means the same is called the same and is of the same type; what is ours alone is listed here.
    #[test]
    fn our_own_template_speaks_amazons_words() {
        // Given from the first of our two stacks to the second, where Amazon's template has one; and what Amazon's has not.
        const OURS: [&str; 4] = ["KeepDesiredCapacity", "NodeInstanceProfile", "NodeInstanceRole", "NodeSecurityGroup"];
        let stacks = ours();
        let mut ours_alone = BTreeSet::new();
        let mut said = BTreeSet::new();
        for stack in &stacks {
            for (name, parameter) in stack["Parameters"].as_object().expect("a section") {
                let kinds: Vec<_> =
                    ALL.iter().flat_map(|one| one.parameters()).filter(|one| one.name == name).map(|one| one.kind).collect();
                match kinds[..] {
                    [] => drop(ours_alone.insert(name.as_str())),
                    _ => assert!(kinds.contains(&parameter["Type"].as_str().expect("a type")), "{name}: {kinds:?}"),
                }
                said.insert(name.as_str());
            }
        }
        assert_eq!(ours_alone, BTreeSet::from(OURS));
        // Of today's template we leave out what user data, metadata options and the access entry say in our own.
        let left_out: Vec<_> = OF_2025.parameters().map(|one| one.name).filter(|name| !said.contains(name)).collect();
        assert_eq!(left_out, ["AuthenticationMode", "DisableIMDSv1", "NodeVolumeType"]);
        for output in ALL.iter().flat_map(|one| one.outputs) {
            assert!(stacks[1]["Outputs"].get(*output).is_some(), "{output}");
        }
        // Logical ids, too: events and policies name them.
        for id in [
            "NodeInstanceRole",
            "NodeInstanceProfile",
            "NodeSecurityGroup",
            "NodeSecurityGroupIngress",
            "ClusterControlPlaneSecurityGroupIngress",
        ] {
            assert!(stacks[0]["Resources"].get(id).is_some(), "{id}");
        }
        for id in ["NodeGroup", "NodeLaunchTemplate"] {
            assert!(stacks[1]["Resources"].get(id).is_some(), "{id}");
        }
    }
}
