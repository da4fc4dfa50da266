//! Seeded randomness that does not depend on the order in which unrelated things happen.

use std::collections::BTreeMap;

/// Draws numbers by stream: the n-th draw of a stream is always the same for a seed, whatever was drawn elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    seed: u64,
    counts: BTreeMap<String, u64>,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counts: BTreeMap::new() }
    }

    /// The next 64 bits of `stream`.
    pub(crate) fn bits(&mut self, stream: &str) -> u64 {
        let n = self.counts.entry(stream.to_owned()).or_default();
        *n += 1;
        // FNV-1a over the stream's name, then splitmix64's finaliser: cheap, and good enough for delays and ids.
        let name = stream.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut z = self.seed ^ name.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self, stream: &str) -> f64 {
        (self.bits(stream) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from the triangular distribution with these bounds and this mode.
    pub(crate) fn triangular(&mut self, stream: &str, (low, mode, high): (f64, f64, f64)) -> f64 {
        let u = self.unit(stream);
        let cut = if high > low { (mode - low) / (high - low) } else { 0.0 };
        if u < cut { low + (u * (high - low) * (mode - low)).sqrt() } else { high - ((1.0 - u) * (high - low) * (high - mode)).sqrt() }
    }

    /// `digits` lower-case hexadecimal digits, as AWS's resource ids end in.
    pub(crate) fn hex(&mut self, stream: &str, digits: usize) -> String {
        let mut text = String::new();
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.bits(stream)));
        }
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_do_not_disturb_each_other() {
        let mut alone = Draw::new(7);
        let expected = (alone.bits("a"), alone.bits("a"));
        let mut mixed = Draw::new(7);
        let first = mixed.bits("a");
        mixed.bits("b");
        assert_eq!((first, mixed.bits("a")), expected);
    }

    #[test]
    fn triangular_stays_in_bounds() {
        let mut draw = Draw::new(1);
        for _ in 0..1_000 {
            let x = draw.triangular("t", (340.0, 390.0, 480.0));
            assert!((340.0..=480.0).contains(&x), "{x}");
        }
    }
}
