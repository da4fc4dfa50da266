//! What all Describe actions share: ids, filters with wildcards, pages.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Reply, ids::Kind, invalid};
use crate::{call::Args, error::ApiError};

/// How one Describe action lists.
pub(super) struct Listing {
    /// The element that holds the list in the reply.
    pub(super) set: &'static str,
    /// The request parameter with ids, and their kind.
    pub(super) ids: Option<(&'static str, &'static Kind)>,
    /// Where an item has its id; items are told in its order.
    pub(super) key: &'static str,
    /// Filters and where their value is in an item, besides `tag:<key>` and `tag-key`.
    pub(super) filters: &'static [(&'static str, &'static str)],
    /// Bounds of MaxResults, where the action has pages.
    pub(super) page: Option<(i64, i64)>,
}

impl Listing {
    /// The reply to a call: those of `items` that its ids, filters and page ask for.
    pub(super) fn reply(&self, args: &Args, items: Vec<Value>) -> Reply {
        let mut items = self.select(args, items)?;
        let mut reply = json!({});
        if let Some(bounds) = self.page
            && let Some(next) = paginate(args, self.key, bounds, &mut items)?
        {
            reply["nextToken"] = json!(next);
        }
        reply[self.set] = Value::Array(items);
        Ok(reply)
    }

    /// Those of `items` that a call's ids and filters ask for.
    pub(super) fn select(&self, args: &Args, mut items: Vec<Value>) -> Result<Vec<Value>, ApiError> {
        if let Some((parameter, kind)) = self.ids {
            let ids = args.strings(parameter);
            for id in &ids {
                kind.check(id)?;
                if !items.iter().any(|item| item[self.key] == id.as_str()) {
                    return Err(kind.not_found(id));
                }
            }
            if !ids.is_empty() {
                items.retain(|item| item[self.key].as_str().is_some_and(|key| ids.iter().any(|id| id == key)));
            }
        }
        for filter in args.nested("Filter") {
            let name = filter.required("Name")?;
            let wanted = filter.strings("Value");
            let path = self.filters.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
            if path.is_none() && name != "tag-key" && !name.starts_with("tag:") {
                return Err(invalid(format!("The filter '{name}' is invalid")));
            }
            items.retain(|item| {
                let values = match (path, name.strip_prefix("tag:")) {
                    (Some(path), _) => values(item, path),
                    (None, Some(key)) => tag_values(item, key),
                    (None, None) => values(item, "tagSet.key"),
                };
                values.iter().any(|value| wanted.iter().any(|pattern| matches(pattern, value)))
            });
        }
        Ok(items)
    }
}

/// Refuses a page of named resources, where an action's MaxResults excludes its ids (API reference).
pub(super) fn ids_or_page(args: &Args, ids: &str) -> Result<(), ApiError> {
    if args.list(ids).is_empty() || args.get("MaxResults").is_none() {
        return Ok(());
    }
    let message = format!("The parameter {ids} cannot be used with the parameter maxResults");
    Err(ApiError::new("InvalidParameterCombination", message))
}

/// Cuts `items` to the page that a call asks for; tells the token of the next page.
fn paginate(args: &Args, key: &str, (low, high): (i64, i64), items: &mut Vec<Value>) -> Result<Option<String>, ApiError> {
    items.sort_by_cached_key(|item| values(item, key));
    if let Some(token) = args.str("NextToken").filter(|token| !token.is_empty()) {
        let after = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = after.ok_or_else(|| ApiError::new("InvalidNextToken", "The specified NextToken is not valid."))?;
        items.retain(|item| values(item, key).first().is_some_and(|key| *key > after));
    }
    let Some(size) = args.int("MaxResults") else { return Ok(None) };
    if size < low {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Value ( {size} ) for parameter maxResults is invalid. Expecting a value greater than or equal to {low}."),
        ));
    }
    // Too large a page is not an error: EC2 returns as many as it ever does.
    let size = usize::try_from(size.min(high)).unwrap_or(usize::MAX);
    if items.len() <= size {
        return Ok(None);
    }
    items.truncate(size);
    Ok(items.last().and_then(|item| values(item, key).into_iter().next()).map(|last| STANDARD.encode(last)))
}

/// The texts at a dotted path; lists on the way are gone through.
pub(super) fn values(item: &Value, path: &str) -> Vec<String> {
    match item {
        Value::Array(items) => items.iter().flat_map(|item| values(item, path)).collect(),
        Value::Null => Vec::new(),
        _ if path.is_empty() => vec![item.as_str().map_or_else(|| item.to_string(), str::to_owned)],
        _ => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            values(&item[head], rest)
        }
    }
}

fn tag_values(item: &Value, key: &str) -> Vec<String> {
    let tags = item["tagSet"].as_array().map_or(&[][..], Vec::as_slice);
    tags.iter().filter(|tag| tag["key"] == key).flat_map(|tag| values(tag, "value")).collect()
}

/// Whether `text` matches `pattern`: `*` is any text, `?` any character, a backslash takes away their meaning
/// ("List and filter your resources", EC2 user guide). Case matters.
fn matches(pattern: &str, text: &str) -> bool {
    fn go(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|skip| go(rest, &text[skip..])),
            ['?', rest @ ..] => !text.is_empty() && go(rest, &text[1..]),
            ['\\', literal, rest @ ..] | [literal, rest @ ..] => text.first() == Some(literal) && go(rest, &text[1..]),
        }
    }
    go(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("vpc-*", "vpc-1", true),
            ("*amazon*", "an amazon-eks image", true),
            ("t?.medium", "t3.medium", true),
            ("t?.medium", "t3a.medium", false),
            ("\\*amazon\\?\\\\", "*amazon?\\", true),
            ("Prod", "prod", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn pages_follow_one_another() {
        let all: Vec<_> = (0..12).map(|n| json!({"vpcId": format!("vpc-{n:08}")})).collect();
        let (mut seen, mut args) = (0, Args(json!({"MaxResults": "5"})));
        loop {
            let mut items = all.clone();
            let next = paginate(&args, "vpcId", (5, 1000), &mut items).expect("page");
            seen += items.len();
            let Some(next) = next else { break };
            args.0["NextToken"] = json!(next);
        }
        assert_eq!(seen, 12);
        let refused = paginate(&Args(json!({"MaxResults": "4"})), "vpcId", (5, 1000), &mut all.clone()).expect_err("too small");
        assert_eq!(refused.code, "InvalidParameterValue");
    }
}
