//! What all Describe actions share: ids, filters with wildcards, pages.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Reply, State, ids::Kind, invalid};
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

/// The upper bound of MaxResults where the API reference tells none.
pub(super) const ANY: i64 = i64::MAX;

/// The most that EC2 returns at once.
const MOST: usize = 1_000;

/// The most values that the filters of one call may have together.
const FILTER_VALUES: usize = 200;

impl Listing {
    /// The reply to a call: those of `items` that its ids, filters and page ask for.
    pub(super) fn reply(&self, args: &Args, items: Vec<Value>) -> Reply {
        let page = self.page.map(|bounds| Page::of(args, bounds)).transpose()?;
        let mut items = self.select(args, items)?;
        let mut reply = json!({});
        if let Some(next) = page.and_then(|page| page.cut(self.key, &mut items)) {
            reply["nextToken"] = json!(next);
        }
        reply[self.set] = Value::Array(items);
        Ok(reply)
    }

    /// Whether a call may ask for this resource, by its ids and filters for tags. What it does not ask for need not be rendered: an account
    /// has the resources of a hundred environments, and a call asks for those of one. Of what is asked for by id everything is, whatever its
    /// tags are: an id that exists is no error, even if filters then leave nothing.
    pub(super) fn wants(&self, state: &State, args: &Args, id: &str) -> bool {
        let ids = self.ids.map_or(&[][..], |(parameter, _)| args.list(parameter));
        if !ids.is_empty() {
            return ids.iter().any(|wanted| wanted == id);
        }
        let has = |filter: &Value| {
            let Some(key) = filter["Name"].as_str().and_then(|name| name.strip_prefix("tag:")) else { return true };
            let value = state.tags.get(id).and_then(|tags| tags.get(key));
            let patterns = filter["Value"].as_array().into_iter().flatten().filter_map(Value::as_str);
            value.is_some_and(|value| patterns.clone().any(|pattern| matches(pattern, value)))
        };
        args.list("Filter").iter().all(has)
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
        let filters = args.nested("Filter");
        if filters.iter().map(|filter| filter.list("Value").len()).sum::<usize>() > FILTER_VALUES {
            let message = format!("The maximum number of filter values specified on a single call is {FILTER_VALUES}");
            return Err(ApiError::new("FilterLimitExceeded", message));
        }
        for filter in filters {
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

/// The page that a call asks for.
struct Page {
    /// The key of the last item that was told before.
    after: Option<String>,
    size: usize,
}

impl Page {
    /// Refuses sizes out of the API reference's "Valid Range", and tokens that no call answered.
    fn of(args: &Args, (low, high): (i64, i64)) -> Result<Self, ApiError> {
        let size = match args.int("MaxResults") {
            None => usize::MAX,
            Some(size) if size < low => {
                let rule = format!("Expecting a value greater than or equal to {low}.");
                return Err(invalid(format!("Value ( {size} ) for parameter maxResults is invalid. {rule}")));
            }
            Some(size) if size > high => {
                let rule = format!("Expecting a value smaller than or equal to {high}.");
                return Err(invalid(format!("Value ( {size} ) for parameter maxResults is invalid. {rule}")));
            }
            Some(size) => usize::try_from(size).unwrap_or(MOST).min(MOST),
        };
        let refused = || ApiError::new("InvalidNextToken", "The specified NextToken is not valid.");
        let decode = |token| STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let token = args.str("NextToken").filter(|token| !token.is_empty());
        Ok(Self { after: token.map(|token| decode(token).ok_or_else(refused)).transpose()?, size })
    }

    /// Cuts `items`, in the order of their key, to the page; tells the token of the next one.
    fn cut(self, key: &str, items: &mut Vec<Value>) -> Option<String> {
        let key_of = |item: &Value| values(item, key).into_iter().next().unwrap_or_default();
        items.sort_by_cached_key(key_of);
        if let Some(after) = self.after {
            items.retain(|item| key_of(item) > after);
        }
        if items.len() <= self.size {
            return None;
        }
        items.truncate(self.size);
        items.last().map(|last| STANDARD.encode(key_of(last)))
    }
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
    enum Part {
        Any,
        One,
        Literal(char),
    }
    let mut characters = pattern.chars();
    let mut parts = Vec::new();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Literal(characters.next().unwrap_or('\\')),
            other => Part::Literal(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Behind the last `*`, and what it has taken so far: if the rest does not fit, it takes one more.
    let (mut part, mut at, mut star) = (0, 0, None);
    loop {
        match parts.get(part) {
            Some(Part::Any) => {
                part += 1;
                star = Some((part, at));
                continue;
            }
            Some(Part::One) if at < text.len() => {}
            Some(Part::Literal(literal)) if text.get(at) == Some(literal) => {}
            None if at == text.len() => return true,
            _ => match star {
                Some((behind, taken)) if taken < text.len() => {
                    (part, at, star) = (behind, taken + 1, Some((behind, taken + 1)));
                    continue;
                }
                _ => return false,
            },
        }
        (part, at) = (part + 1, at + 1);
    }
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
    fn many_wildcards_end_soon() {
        let text = "a".repeat(2_000);
        assert!(!matches(&"*a".repeat(50), &format!("{text}b")));
        assert!(matches(&"*a".repeat(50), &text));
    }

    #[test]
    fn pages_follow_one_another() {
        let all: Vec<_> = (0..12).map(|n| json!({"vpcId": format!("vpc-{n:08}")})).collect();
        let (mut seen, mut args) = (0, Args(json!({"MaxResults": "5"})));
        loop {
            let mut items = all.clone();
            let next = Page::of(&args, (5, 1000)).expect("page").cut("vpcId", &mut items);
            seen += items.len();
            let Some(next) = next else { break };
            args.0["NextToken"] = json!(next);
        }
        assert_eq!(seen, 12);
    }

    #[test]
    fn sizes_have_bounds() {
        let refused = |size: &str, bounds| Page::of(&Args(json!({"MaxResults": size})), bounds).err().map(|error| error.code);
        assert_eq!(refused("4", (5, 1000)).as_deref(), Some("InvalidParameterValue"));
        assert_eq!(refused("1001", (5, 1000)).as_deref(), Some("InvalidParameterValue"));
        assert_eq!(refused("1000", (5, 1000)), None);
        assert_eq!(refused("5000", (5, ANY)), None);
    }
}
