//! How a launch template of Amazon's is told its image and its root volume.

use std::collections::BTreeMap;

use eks_core::{AmiId, Problems};

use crate::{
    image::{Family, is_parameter_name},
    request::Argument,
    spec::WorkersSpec,
};

/// Kind of root volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VolumeType {
    /// `gp2`.
    Gp2,
    /// `gp3`, cheaper and no slower.
    #[default]
    Gp3,
}

impl VolumeType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
        }
    }
}

/// What a launch template of Amazon's is told of its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) release: Option<String>,
    pub(super) image: Option<AmiId>,
    pub(super) image_parameter: Option<String>,
    pub(super) volume_type: VolumeType,
    pub(super) imds_v1: bool,
}

/// Setters of both templates that have a launch template.
macro_rules! launch_template {
    ($type:ident, $family:literal, $release:literal) => {
        impl $type {
            #[doc = concat!("Pins a release of ", $family, ", such as `", $release, "`. Default: as AWS recommends it.")]
            #[must_use]
            pub fn release(mut self, release: impl Into<String>) -> Self {
                self.machine.release = Some(release.into());
                self
            }

            /// An image of your own (`NodeImageId`), which overrides any other.
            #[must_use]
            pub fn image(mut self, image: eks_core::AmiId) -> Self {
                self.machine.image = Some(image);
                self
            }

            /// The SSM parameter that names the image (`NodeImageIdSSMParam`). Default: AWS's, for the cluster's version and the
            /// instance type's architecture and accelerator.
            #[must_use]
            pub fn image_parameter(mut self, name: impl Into<String>) -> Self {
                self.machine.image_parameter = Some(name.into());
                self
            }

            /// Kind of the root volume (`NodeVolumeType`). Default gp3.
            #[must_use]
            pub fn volume_type(mut self, kind: crate::VolumeType) -> Self {
                self.machine.volume_type = kind;
                self
            }

            /// Leaves version 1 of the instance metadata service on (`DisableIMDSv1`), as the template does by itself. Default off.
            #[must_use]
            pub fn imds_v1(mut self, on: bool) -> Self {
                self.machine.imds_v1 = on;
                self
            }

            pub(super) fn image_floats(&self) -> bool {
                self.machine.image_floats()
            }
        }
    };
}
pub(super) use launch_template;

impl Machine {
    /// Whether the image is the one that AWS publishes for the cluster.
    fn is_published(&self) -> bool {
        self.image.is_none() && self.image_parameter.is_none()
    }

    /// Whether CloudFormation finds the image out anew in each update.
    pub(super) fn image_floats(&self) -> bool {
        self.image.is_none() && self.release.is_none()
    }

    pub(super) fn check(&self, spec: &WorkersSpec, family: &Family, problems: &mut Problems) {
        if let Some(name) = &self.image_parameter
            && !is_parameter_name(name)
        {
            let rule = "must be an absolute path of letters, digits and / . - _";
            problems.add("image-parameter", format!("SSM parameter {name:?}"), rule, "give the path of a parameter that holds an AMI id");
        }
        let told = [self.release.is_some(), self.image.is_some(), self.image_parameter.is_some()];
        if told.into_iter().filter(|told| *told).count() > 1 {
            let rule = "release(), image() and image_parameter() exclude one another";
            problems.add("image-twice", "image of the template", rule, "use one of them");
        }
        family.check(&spec.kubelet, problems);
        if self.is_published() {
            family.check_published(spec.target(), problems);
        }
    }

    pub(super) fn arguments(&self, spec: &WorkersSpec, family: &Family) -> BTreeMap<&'static str, Argument> {
        let parameter = self.image_parameter.clone().or_else(|| self.is_published().then(|| family.parameter(spec.target())));
        let mut arguments = BTreeMap::from([
            ("DisableIMDSv1", Argument::known((!self.imds_v1).to_string())),
            ("NodeVolumeType", Argument::known(self.volume_type.as_str())),
        ]);
        arguments.extend(parameter.map(|name| ("NodeImageIdSSMParam", Argument::known(name))));
        arguments.extend(self.image.as_ref().map(|id| ("NodeImageId", Argument::known(id.to_string()))));
        arguments
    }
}
