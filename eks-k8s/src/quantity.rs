//! Quantities, read as Kubernetes reads them (`resource.Quantity`).

use std::{fmt, str::FromStr};

/// An amount: `10Gi`, `500m`, `1e3`. Two spellings of one amount are equal.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    /// In thousandths, rounded up.
    milli: i128,
}

/// Text that is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a quantity: a decimal number, then nothing, a decimal suffix (n u m k M G T P E), a binary one (Ki Mi Gi Ti Pi Ei) or an exponent (e3)"
)]
#[expect(clippy::exhaustive_structs, reason = "the text is all there is to know")]
pub struct QuantityError(pub String);

impl Quantity {
    /// The amount in whole units (bytes), rounded up as Kubernetes does.
    pub fn value(&self) -> i128 {
        self.milli.div_euclid(1000) + i128::from(self.milli.rem_euclid(1000) > 0)
    }

    /// The amount in GiB, rounded up, as EBS volumes are sized.
    pub fn gib(&self) -> i128 {
        let (value, gib) = (self.value(), 1_i128 << 30);
        value.div_euclid(gib) + i128::from(value.rem_euclid(gib) > 0)
    }

    /// The amount in thousandths, rounded up.
    pub(crate) fn milli(&self) -> i128 {
        self.milli
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The factor of a suffix: a multiplier and a divisor.
fn factor(suffix: &str) -> Option<(i128, i128)> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let decimal = ["k", "M", "G", "T", "P", "E"];
    let power = |base: i128, at: usize| base.checked_pow(u32::try_from(at).ok()? + 1);
    match suffix {
        "" => return Some((1, 1)),
        "n" => return Some((1, 1_000_000_000)),
        "u" => return Some((1, 1_000_000)),
        "m" => return Some((1, 1000)),
        _ => {}
    }
    if let Some(at) = binary.iter().position(|known| *known == suffix) {
        return Some((power(1024, at)?, 1));
    }
    if let Some(at) = decimal.iter().position(|known| *known == suffix) {
        return Some((power(1000, at)?, 1));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok().filter(|e| (-18..=18).contains(e))?;
    let power = 10_i128.pow(exponent.unsigned_abs());
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

fn parse(text: &str) -> Option<i128> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 18 || whole.len() > 19 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let (times, over) = factor(suffix)?;
    let (top, bottom) = (digits.checked_mul(times)?.checked_mul(1000)?, scale.checked_mul(over)?);
    // Away from zero, as Kubernetes rounds what is finer than it can keep.
    Some(sign * (top / bottom + i128::from(top % bottom > 0)))
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let milli = parse(text).ok_or_else(|| QuantityError(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), milli })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.milli == other.milli
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.milli.cmp(&other.milli)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_amount_are_equal() {
        for (one, other) in [
            ("10Gi", "10240Mi"),
            ("1", "1000m"),
            ("1k", "1e3"),
            ("0.5Gi", "512Mi"),
            ("+2", "2.0"),
            (".5", "500m"),
            ("1E", "1000P"),
            ("5.", "5"),
        ] {
            assert_eq!(quantity(one), quantity(other), "{one} {other}");
        }
        assert!(quantity("10G") < quantity("10Gi"));
        assert_eq!((quantity("10Gi").gib(), quantity("10G").gib(), quantity("1").gib()), (10, 10, 1));
        assert_eq!((quantity("1500m").value(), quantity("-1500m").value(), quantity("1n").value()), (2, -1, 1));
    }

    #[test]
    fn other_text_is_refused() {
        for wrong in ["", "Gi", "10gi", "10 Gi", "10GB", "ten", "1.2.3", "1e", "1e+", "--1", "10GiB", "1e99", ".", "99999999999999999999Ei"]
        {
            assert!(wrong.parse::<Quantity>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whole_amounts_come_back(n in 0_i64..i64::MAX / 1024) {
            prop_assert_eq!(quantity(&n.to_string()).value(), i128::from(n));
            prop_assert_eq!(quantity(&format!("{n}Ki")).value(), i128::from(n) * 1024);
            prop_assert_eq!(quantity(&format!("{n}Gi")).gib(), i128::from(n));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
