//! Lists that end.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// So many pages hold a hundred thousand things at least; no account that we could work on has as many of what we ask for.
const MOST: u32 = 1_000;
/// What a page's token is called: EC2, CloudFormation, Auto Scaling, EKS and SSM; IAM and Elastic Load Balancing; and so on.
const TOKENS: [&str; 5] = ["NextToken", "nextToken", "Marker", "NextMarker", "PageToken"];
/// Tokens that are remembered at least; a list is followed as long as no more than these come between two of its pages.
const REMEMBERED: usize = 5_000;

/// Ends a list whose every page tells of one more: the SDK's paginators notice a token that comes twice in a row, and would follow ever new
/// ones for ever. A thousand pages on, the call fails before it is sent.
///
/// A list is followed by its tokens: whoever asks with the token that the tenth page told asks for the eleventh. So lists of the same things
/// at once, by one client, each have a count of their own.
///
/// Every client of these crates has one ([`crate::sdk_client`]).
#[derive(Debug, Default)]
pub struct PageLimit {
    told: Mutex<Told>,
}

/// Which page a token is for, by list and token. Of two generations, so that what nobody asks for any more is forgotten.
#[derive(Debug, Default)]
struct Told {
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
}

/// A page that was asked for: of which list, and the how manyth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    list: u64,
    number: u32,
}

impl Storable for Page {
    type Storer = StoreReplace<Self>;
}

/// A list went on for a thousand pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("each of {MOST} pages told of one more; a proxy or an endpoint that is not AWS's may answer")]
#[non_exhaustive]
pub struct EndlessPages;

impl PageLimit {
    /// Which page a request asks for, by its URI and body.
    fn asked(&self, uri: &str, headers: &str, body: &[u8]) -> Result<Page, EndlessPages> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let (mut hasher, mut token) = (DefaultHasher::new(), None);
        (path, headers).hash(&mut hasher);
        let text = String::from_utf8_lossy(body);
        let json = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).ok();
        // Parameters of query strings and forms.
        let form = if json.is_some() { "" } else { &*text };
        for piece in query.split('&').chain(form.split('&')).filter(|piece| !piece.is_empty()) {
            match piece.split_once('=').filter(|(name, _)| TOKENS.contains(name)) {
                Some((_, value)) => token = Some(essence(value)),
                None => piece.hash(&mut hasher),
            }
        }
        for (name, value) in json.iter().flatten() {
            match value.as_str().filter(|_| TOKENS.contains(&name.as_str())) {
                Some(value) => token = Some(essence(value)),
                None => (name, value.to_string()).hash(&mut hasher),
            }
        }
        let list = hasher.finish();
        let Some(token) = token else { return Ok(Page { list, number: 1 }) };
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let at = place(list, &token);
        let number = told.young.get(&at).or_else(|| told.old.get(&at)).copied().unwrap_or(2);
        if number > MOST { Err(EndlessPages) } else { Ok(Page { list, number }) }
    }

    /// Takes note of what an answer tells of the next page.
    fn answered(&self, page: Page, body: &[u8]) {
        let Some(token) = next(&String::from_utf8_lossy(body)) else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.young.len() >= REMEMBERED {
            told.old = std::mem::take(&mut told.young);
        }
        told.young.insert(place(page.list, &token), page.number + 1);
    }
}

fn place(list: u64, token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (list, token).hash(&mut hasher);
    hasher.finish()
}

/// The token of the next page in XML or JSON.
fn next(body: &str) -> Option<String> {
    TOKENS.into_iter().flat_map(|name| body.match_indices(name)).find_map(|(at, name)| {
        let (before, after) = (body[..at].chars().next_back()?, &body[at + name.len()..]);
        let value = match before {
            '<' => after.strip_prefix('>')?.split('<').next()?,
            '"' => {
                let value = after.strip_prefix('"')?.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
                let mut escaped = false;
                let end = value.find(|character| {
                    let ends = character == '"' && !escaped;
                    escaped = character == '\\' && !escaped;
                    ends
                })?;
                &value[..end]
            }
            _ => return None,
        };
        Some(essence(value)).filter(|token| !token.is_empty())
    })
}

/// What is the same of a token in a form, in XML and in JSON: its letters and digits, without what is escaped in any of them.
fn essence(token: &str) -> String {
    let (mut essence, mut rest) = (String::new(), token.chars());
    while let Some(character) = rest.next() {
        match character {
            '%' => _ = rest.nth(1),
            '&' => _ = rest.find(|character| *character == ';'),
            '\\' => {
                let digits = if rest.next() == Some('u') { 4 } else { 0 };
                rest.by_ref().take(digits).for_each(drop);
            }
            character if character.is_ascii_alphanumeric() => essence.push(character),
            _ => {}
        }
    }
    essence
}

impl Intercept for PageLimit {
    fn name(&self) -> &'static str {
        "PageLimit"
    }

    /// Before attempts begin, so that a repeated one is no other page.
    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let page = self.asked(&format!("{} {}", request.method(), request.uri()), target, request.body().bytes().unwrap_or_default())?;
        config.interceptor_state().store_put(page);
        Ok(())
    }

    /// By then the answer has been read to its end.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(page), Some(body)) = (config.load::<Page>(), context.response().body().bytes()) {
            self.answered(*page, body);
        }
        Ok(())
    }
}

/// A client of an SDK crate, whose lists end: `sdk_client!(aws_sdk_ec2, &patient)`.
#[macro_export]
macro_rules! sdk_client {
    ($sdk:ident, $config:expr) => {
        $sdk::Client::from_conf($sdk::config::Builder::from($config).interceptor($crate::aws::PageLimit::default()).build())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// URI, body and answer by the number of the page.
    type Protocol = fn(u32) -> (String, String, String);

    /// Requests of four protocols with a token that each of them writes in its own way, and the answers that tell it.
    fn protocols() -> [Protocol; 4] {
        [
            |page| {
                let body = format!("Action=DescribeVpcs&Version=2016-11-15&NextToken=t%2B{page}%3D&MaxResults=5");
                ("POST https://ec2/".to_owned(), body, format!("<r><vpcSet/><nextToken>t+{}=</nextToken></r>", page + 1))
            },
            |page| {
                let uri = format!("GET https://eks/clusters?maxResults=100&nextToken=t%2F{page}");
                (uri, String::new(), format!(r#"{{"clusters": [], "nextToken": "t/{}"}}"#, page + 1))
            },
            |page| {
                let body = serde_json::json!({"NextToken": format!("{{\"n\":{page},\"a\":\"x\"}}"), "Path": "/aws"}).to_string();
                let answer = serde_json::json!({"NextToken": format!("{{\"n\":{},\"a\":\"x\"}}", page + 1)}).to_string();
                ("POST https://ssm/".to_owned(), body, answer)
            },
            |page| {
                let body = format!("Action=ListRoles&Marker={page}%26");
                ("POST https://iam/".to_owned(), body, format!("<Marker>{}&amp;</Marker>", page + 1))
            },
        ]
    }

    #[test]
    fn a_thousand_pages_and_no_more() {
        for page in protocols() {
            let limit = PageLimit::default();
            let ask = |number: u32| {
                let (uri, body, answer) = page(number);
                let asked = limit.asked(&uri, "", body.as_bytes())?;
                limit.answered(asked, answer.as_bytes());
                Ok(asked.number)
            };
            for number in 2..=MOST {
                assert_eq!(ask(number), Ok(number));
            }
            assert_eq!(ask(MOST + 1), Err(EndlessPages));
            assert_eq!(ask(5 * MOST), Ok(2), "another list of the same things");
        }
    }

    /// As many stacks of CloudFormation are listed when many owners are looked at.
    #[test]
    fn lists_at_once_are_counted_each_by_itself() {
        let limit = PageLimit::default();
        let body = |list: u32, page: u32| match page {
            1 => "Action=DescribeStacks".to_owned(),
            page => format!("Action=DescribeStacks&NextToken=l{list}p{page}"),
        };
        let turn = |list: u32, page: u32| {
            let asked = limit.asked("POST https://cloudformation/", "", body(list, page).as_bytes())?;
            limit.answered(asked, format!("<NextToken>l{list}p{}</NextToken>", page + 1).as_bytes());
            Ok(asked.number)
        };
        for page in 1..=20 {
            for list in 0..50 {
                assert_eq!(turn(list, page), Ok(page), "list {list}");
            }
        }
        // One that does not end does, whoever else begins and ends lists meanwhile.
        for page in 21..=MOST {
            assert_eq!((turn(7, page), turn(8, 1), turn(8, 2)), (Ok(page), Ok(1), Ok(2)));
        }
        assert_eq!(turn(7, MOST + 1), Err(EndlessPages));
        assert_eq!(turn(8, 3), Ok(3));
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_forgotten() {
        let limit = PageLimit::default();
        for list in 0..4 * REMEMBERED {
            let body = format!("Action=DescribeVpcs&VpcId.1=vpc-{list}");
            let asked = limit.asked("POST https://ec2/", "", body.as_bytes()).unwrap();
            limit.answered(asked, b"<nextToken>more</nextToken>");
        }
        let told = limit.told.lock().unwrap();
        assert!(told.young.len() + told.old.len() <= 2 * REMEMBERED);
    }

    #[test]
    fn a_last_page_tells_of_no_other() {
        for body in ["", "<nextToken/>", "<nextToken></nextToken>", r#"{"nextToken":null}"#, r#"{"nextToken":""}"#, "a nextToken", "é"] {
            assert_eq!(next(body), None, "{body}");
        }
    }
}
