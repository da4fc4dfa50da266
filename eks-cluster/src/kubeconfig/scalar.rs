//! YAML scalars.

/// A text as a YAML scalar: plain where no reader could take it for anything else, else in double quotes, as JSON.
pub(super) fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') || (text.starts_with("--") && text.len() > 3);
    let consists = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._:@=+-".contains(c));
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].iter().any(|word| word.eq_ignore_ascii_case(text));
    if begins && consists && !text.ends_with(':') && !word { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_where_it_can_be() {
        for plain in ["arn:aws:eks:us-east-1:123456789012:cluster/x", "https://1.2.3.4:443", "--region", "LS0tLS1CRUdJTi==", "/usr/bin/aws"]
        {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in
            [("", "\"\""), ("yes", "\"yes\""), ("12:30", "\"12:30\""), ("-i", "\"-i\""), ("a b", "\"a b\""), ("---", "\"---\"")]
        {
            assert_eq!(scalar(text), quoted);
        }
    }

    proptest! {
        #[test]
        fn it_reads_back(text in any::<String>()) {
            let yaml = format!("- a: {}\n", scalar(&text));
            let read: Vec<std::collections::BTreeMap<String, String>> = serde_yaml_ng::from_str(&yaml).expect("YAML");
            prop_assert_eq!(&read[0]["a"], &text);
        }
    }
}
