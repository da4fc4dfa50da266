//! The query protocols (EC2's and the older services'): form parameters into a tree.

use bytes::Bytes;
use http::Request;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::call::Args;

/// How many segments the name of a parameter may have.
const DEEPEST: usize = 64;

/// Decoded `key=value` pairs of a query string or form body.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// Action and parameters of a request, from the body or (GET) the query string. `Version` stays among the parameters: it tells
/// the two load-balancing APIs apart.
pub(super) fn decode(request: &Request<Bytes>) -> (String, Args) {
    let body = std::str::from_utf8(request.body()).unwrap_or_default();
    let text = if body.is_empty() { request.uri().query().unwrap_or_default() } else { body };
    let mut action = String::new();
    let mut root = Node::default();
    for (key, value) in pairs(text) {
        match key.as_str() {
            "Action" => action = value,
            _ if key.starts_with("X-Amz-") => {}
            // An assumption: no shape of a service model is as deep, and the tree is walked by recursion.
            _ if key.split('.').count() > DEEPEST => {}
            _ => root.insert(key.split('.').filter(|segment| *segment != "member"), value),
        }
    }
    (action, Args(root.into_value()))
}

#[derive(Default)]
struct Node {
    text: Option<String>,
    children: Vec<(String, Self)>,
}

impl Node {
    fn insert<'a>(&mut self, mut path: impl Iterator<Item = &'a str>, value: String) {
        let Some(head) = path.next() else {
            self.text = Some(value);
            return;
        };
        let index = self.children.iter().position(|(name, _)| name == head).unwrap_or_else(|| {
            self.children.push((head.to_owned(), Self::default()));
            self.children.len() - 1
        });
        self.children[index].1.insert(path, value);
    }

    fn into_value(self) -> Value {
        if self.children.is_empty() {
            return self.text.map_or(Value::Object(Map::new()), Value::String);
        }
        let numbers: Option<Vec<u64>> = self.children.iter().map(|(name, _)| name.parse().ok()).collect();
        match numbers {
            Some(numbers) => {
                let mut items: Vec<_> = numbers.into_iter().zip(self.children).collect();
                items.sort_by_key(|(number, _)| *number);
                Value::Array(items.into_iter().map(|(_, (_, node))| node.into_value()).collect())
            }
            None => Value::Object(self.children.into_iter().map(|(name, node)| (name, node.into_value())).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_and_structures_nest() {
        let body = "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=tag%3Aa&Filter.1.Value.1=x+y&Filter.1.Value.2=z&VpcId.1=vpc-1";
        let request = Request::new(Bytes::from_static(body.as_bytes()));
        let (action, args) = decode(&request);
        assert_eq!(action, "DescribeVpcs");
        assert_eq!(args.0, json!({"Version": "2016-11-15", "Filter": [{"Name": "tag:a", "Value": ["x y", "z"]}], "VpcId": ["vpc-1"]}));
    }

    #[test]
    fn names_without_an_end_do_no_harm() {
        let (action, args) = decode(&Request::new(Bytes::from(format!("Action=X&a{}=b&c=d", ".a".repeat(1_000_000)))));
        assert_eq!((action.as_str(), args.0), ("X", json!({"c": "d"})));
    }

    #[test]
    fn member_is_dropped_and_order_is_by_number() {
        let items = (1..=11).rev().map(|n| format!("Tags.member.{n}.Key=k{n}")).collect::<Vec<_>>().join("&");
        let (_, args) = decode(&Request::new(Bytes::from(format!("Action=X&{items}"))));
        let keys: Vec<_> = args.nested("Tags").iter().map(|tag| tag.str("Key").unwrap_or_default().to_owned()).collect();
        assert_eq!(keys, (1..=11).map(|n| format!("k{n}")).collect::<Vec<_>>());
    }
}
