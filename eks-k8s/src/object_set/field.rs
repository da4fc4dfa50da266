//! Paths of fields: `status.loadBalancer.ingress[0].hostname`, `metadata.annotations["a.b/c"]`.

use serde_json::Value;

enum Segment {
    Key(String),
    Index(usize),
}

fn parse(path: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut rest = path.strip_prefix('.').unwrap_or(path);
    loop {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]")?;
            segments.push(Segment::Key(key.to_owned()));
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            segments.push(Segment::Index(index.parse().ok()?));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() || key.contains([']', '"']) {
                return None;
            }
            segments.push(Segment::Key(key.to_owned()));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(segments),
            None if rest.starts_with('[') => {}
            None => return None,
        }
    }
}

/// Whether a path can be read.
pub(super) fn is_path(path: &str) -> bool {
    parse(path).is_some()
}

/// Whether a path begins in one of these members.
pub(super) fn begins_in(path: &str, members: &[&str]) -> bool {
    matches!(parse(path).unwrap_or_default().first(), Some(Segment::Key(key)) if members.contains(&key.as_str()))
}

/// The value at a path.
pub(super) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    parse(path)?.iter().try_fold(object, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths() {
        let object = json!({"a": {"b.c/d": [{"e": 1}]}});
        for path in ["a[\"b.c/d\"][0].e", ".a[\"b.c/d\"][0].e"] {
            assert_eq!(at(&object, path), Some(&json!(1)), "{path}");
        }
        assert_eq!((at(&object, "a.b"), at(&object, "a[\"b.c/d\"][1]")), (None, None));
        for wrong in ["", ".", "a..b", "a[", "a[x]", "a]b", "a[0]b", "a[\"b]"] {
            assert!(!is_path(wrong), "{wrong:?}");
        }
    }
}
