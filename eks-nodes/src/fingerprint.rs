//! A short name for a template, put into a tag of its stack, so that a change is noticed without reading the template back.

/// Tag that holds the fingerprint of a stack's template.
pub const TEMPLATE_TAG: &str = "eks-rs/template";

/// FNV-1a, 128 bit: it notices changes, it guards nothing.
pub(crate) fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable() {
        // FNV's published test vector for the empty text.
        assert_eq!(fingerprint(""), "6c62272e07bb014262b821756295c58d");
        assert_ne!(fingerprint("a"), fingerprint("b"));
    }
}
