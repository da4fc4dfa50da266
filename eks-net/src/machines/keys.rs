//! Keys of the layer's steps.

use eks_core::StepKey;

use crate::keys::slug;

/// The layer.
pub(crate) const LAYER: &str = "ec2";

/// A key of this layer.
///
/// # Panics
/// Never: names go through [`slug`], and the rest is fixed.
fn key(kind: &str, name: &str) -> StepKey {
    StepKey::new([LAYER, kind, &slug(name)]).expect("fixed words and slugs")
}

pub(crate) fn key_pair(name: &str) -> StepKey {
    key("key-pair", name)
}

pub(crate) fn instance(name: &str) -> StepKey {
    key("instance", name)
}

pub(crate) fn volume(name: &str) -> StepKey {
    key("volume", name)
}

/// A volume's place at an instance.
pub(crate) fn attachment(volume: &str) -> StepKey {
    key("attachment", volume)
}

pub(crate) fn load_balancer(name: &str) -> StepKey {
    key("load-balancer", name)
}

/// The instances of a load balancer.
pub(crate) fn registration(balancer: &str) -> StepKey {
    key("registration", balancer)
}

/// Something of ours that no step of the spec makes, or makes twice.
pub(crate) fn leftover(id: &str) -> StepKey {
    key("leftover", id)
}

/// The name in a key of this layer: `public` of `ec2/instance/public`.
pub(crate) fn name(key: &StepKey) -> &str {
    key.as_str().rsplit('/').next().unwrap_or_default()
}

/// Whether a step makes a volume of its own.
pub(crate) fn is_volume(key: &StepKey) -> bool {
    key.as_str().starts_with("ec2/volume/")
}
