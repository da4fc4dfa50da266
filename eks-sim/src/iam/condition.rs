//! Condition operators (IAM user guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys").

use super::document::like;

/// Whether a condition holds; `supplied` are the values of its key, if the request has it.
///
/// A key that is missing meets negated operators, those that end in `IfExists`, and `ForAllValues`. An operator that is not simulated
/// (dates, addresses, binaries) counts as not met.
pub(super) fn is_met(operator: &str, wanted: &[String], supplied: Option<&[String]>) -> bool {
    let (set, rest) = match operator.split_once(':') {
        Some((set, rest)) => (Some(set), rest),
        None => (None, operator),
    };
    if rest == "Null" {
        return wanted.iter().any(|wanted| wanted == if supplied.is_none_or(<[_]>::is_empty) { "true" } else { "false" });
    }
    let (base, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |base| (base, true));
    let (base, negated) = positive(base);
    let Some(test) = test(base) else { return false };
    let Some(values) = supplied.filter(|values| !values.is_empty()) else { return if_exists || negated || set == Some("ForAllValues") };
    let one = |value: &String| wanted.iter().any(|wanted| test(wanted, value)) != negated;
    match set {
        Some("ForAllValues") => values.iter().all(one),
        None | Some("ForAnyValue") => values.iter().any(one),
        Some(_) => false,
    }
}

/// The operator without its negation.
fn positive(operator: &str) -> (&str, bool) {
    match operator {
        "StringNotEquals" => ("StringEquals", true),
        "StringNotEqualsIgnoreCase" => ("StringEqualsIgnoreCase", true),
        "StringNotLike" => ("StringLike", true),
        "ArnNotEquals" | "ArnNotLike" => ("ArnLike", true),
        "NumericNotEquals" => ("NumericEquals", true),
        other => (other, false),
    }
}

fn test(operator: &str) -> Option<fn(&str, &str) -> bool> {
    fn number(wanted: &str, value: &str, meets: fn(f64, f64) -> bool) -> bool {
        matches!((wanted.parse(), value.parse()), (Ok(wanted), Ok(value)) if meets(value, wanted))
    }
    Some(match operator {
        "StringEquals" => |wanted, value| wanted == value,
        "StringEqualsIgnoreCase" | "Bool" => |wanted, value| wanted.eq_ignore_ascii_case(value),
        "StringLike" => like,
        // "Each of the six colon-delimited components of the ARN is checked separately."
        "ArnEquals" | "ArnLike" => |wanted, value| {
            let (wanted, value): (Vec<_>, Vec<_>) = (wanted.splitn(6, ':').collect(), value.splitn(6, ':').collect());
            wanted.len() == value.len() && wanted.iter().zip(&value).all(|(wanted, value)| like(wanted, value))
        },
        "NumericEquals" => |wanted, value| number(wanted, value, |value, wanted| value == wanted),
        "NumericLessThan" => |wanted, value| number(wanted, value, |value, wanted| value < wanted),
        "NumericLessThanEquals" => |wanted, value| number(wanted, value, |value, wanted| value <= wanted),
        "NumericGreaterThan" => |wanted, value| number(wanted, value, |value, wanted| value > wanted),
        "NumericGreaterThanEquals" => |wanted, value| number(wanted, value, |value, wanted| value >= wanted),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(operator: &str, wanted: &[&str], supplied: Option<&[&str]>) -> bool {
        let own = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        let supplied = supplied.map(own);
        is_met(operator, &own(wanted), supplied.as_deref())
    }

    /// Rows of "Condition operators", with the evaluation of missing keys and of several values.
    #[test]
    fn operators() {
        for (operator, wanted, supplied, expected) in [
            ("StringEquals", &["a", "b"][..], Some(&["b"][..]), true),
            ("StringEquals", &["a*"], Some(&["ab"]), false),
            ("StringLike", &["a*"], Some(&["ab"]), true),
            ("StringEquals", &["a"], None, false),
            ("StringNotEquals", &["a"], None, true),
            ("StringNotEquals", &["a"], Some(&["a"]), false),
            ("StringEqualsIfExists", &["a"], None, true),
            ("StringEqualsIfExists", &["a"], Some(&["b"]), false),
            ("StringEqualsIgnoreCase", &["A"], Some(&["a"]), true),
            ("Bool", &["true"], Some(&["true"]), true),
            ("Null", &["true"], None, true),
            ("Null", &["true"], Some(&["x"]), false),
            ("Null", &["false"], Some(&["x"]), true),
            ("ForAllValues:StringEquals", &["a", "b"], Some(&["a", "b"]), true),
            ("ForAllValues:StringEquals", &["a"], Some(&["a", "b"]), false),
            ("ForAllValues:StringEquals", &["a"], None, true),
            ("ForAnyValue:StringEquals", &["a"], Some(&["a", "b"]), true),
            ("ForAnyValue:StringEquals", &["a"], None, false),
            ("ArnLike", &["arn:aws:ec2:*:1:vpc/*"], Some(&["arn:aws:ec2:eu-west-1:1:vpc/vpc-1"]), true),
            ("ArnLike", &["arn:aws:ec2:*:vpc/*"], Some(&["arn:aws:ec2:eu-west-1:1:vpc/vpc-1"]), false),
            ("NumericLessThanEquals", &["3600"], Some(&["900"]), true),
            ("IpAddress", &["10.0.0.0/8"], Some(&["10.1.1.1"]), false),
        ] {
            assert_eq!(met(operator, wanted, supplied), expected, "{operator} {wanted:?} {supplied:?}");
        }
    }
}
