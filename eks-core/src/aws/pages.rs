//! Lists that end.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// So many pages hold a hundred thousand things at least; no account that we could work on has as many of what we ask for.
const MOST: u32 = 1_000;
/// What a page's token is called: EC2, CloudFormation, Auto Scaling, EKS and SSM; IAM and Elastic Load Balancing; and so on.
const TOKENS: [&str; 4] = ["NextToken", "nextToken", "Marker", "PageToken"];

/// Ends a list whose every page tells of one more: the SDK's paginators notice a token that comes twice in a row, and would follow ever new
/// ones for ever. A thousand pages on, the call fails before it is sent.
///
/// Every client of these crates has one ([`crate::sdk_client`]).
#[derive(Debug, Default)]
pub struct PageLimit {
    /// Pages so far, by the request without its token.
    pages: Mutex<HashMap<u64, u32>>,
}

/// A list went on for a thousand pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("each of {MOST} pages told of one more; a proxy or an endpoint that is not AWS's may answer")]
#[non_exhaustive]
pub struct EndlessPages;

impl PageLimit {
    /// Takes note of a request by its URI and body.
    fn note(&self, uri: &str, headers: &str, body: &[u8]) -> Result<(), EndlessPages> {
        let body = String::from_utf8_lossy(body);
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let is_token = |part: &&str| {
            let name = part.trim_start_matches(['{', '"']).split(['=', '"']).next().unwrap_or_default();
            TOKENS.contains(&name)
        };
        // Parameters of query strings and forms are parted by `&`, members of JSON by commas.
        let pieces = || query.split('&').chain(body.split(['&', ',']));
        let mut hasher = DefaultHasher::new();
        (path, headers).hash(&mut hasher);
        pieces().filter(|piece| !is_token(piece)).map(|piece| piece.trim_matches(['{', '}'])).filter(|piece| !piece.is_empty()).for_each(
            |piece| {
                piece.hash(&mut hasher);
            },
        );
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let list = hasher.finish();
        if !pieces().any(|piece| is_token(&piece)) {
            pages.remove(&list);
            return Ok(());
        }
        let page = pages.entry(list).or_insert(1);
        *page += 1;
        if *page > MOST {
            pages.remove(&list);
            return Err(EndlessPages);
        }
        Ok(())
    }
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
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        Ok(self.note(&format!("{} {}", request.method(), request.uri()), target, request.body().bytes().unwrap_or_default())?)
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

    #[test]
    fn a_thousand_pages_and_no_more() {
        for page in [
            |token: u32| {
                ("POST https://ec2/".to_owned(), format!("Action=DescribeVpcs&Version=2016-11-15&NextToken=t{token}&MaxResults=5"))
            },
            |token: u32| (format!("GET https://eks/clusters?maxResults=100&nextToken=t{token}"), String::new()),
            |token: u32| ("POST https://ssm/".to_owned(), format!("{{\"NextToken\":\"t{token}\",\"Path\":\"/aws\"}}")),
            |token: u32| ("POST https://iam/".to_owned(), format!("Action=ListRoles&Marker={token}")),
        ] {
            let limit = PageLimit::default();
            let ask = |token: u32| {
                let (uri, body) = page(token);
                limit.note(&uri, "", body.as_bytes())
            };
            for token in 2..=MOST {
                assert_eq!(ask(token), Ok(()), "page {token}");
            }
            assert_eq!(ask(MOST + 1), Err(EndlessPages));
            assert_eq!(ask(MOST + 2), Ok(()), "another list of the same things");
        }
    }

    #[test]
    fn a_list_that_begins_anew_is_another_one() {
        let limit = PageLimit::default();
        for _ in 0..5 {
            limit.note("POST https://ec2/", "", b"Action=DescribeVpcs").unwrap();
            for page in 2..=MOST / 2 {
                limit.note("POST https://ec2/", "", format!("Action=DescribeVpcs&NextToken={page}").as_bytes()).unwrap();
            }
        }
        // And of other things are others.
        for page in 0..3 * MOST {
            limit
                .note("POST https://ec2/", "", format!("Action=DescribeVpcs&VpcId.1=vpc-{}&NextToken={page}", page % 4).as_bytes())
                .unwrap();
        }
    }
}
