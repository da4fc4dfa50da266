//! Templates by address: CloudFormation reads `TemplateURL` from S3. The account has no S3, only what was put there for it.

use super::parameters::invalid;
use crate::{error::ApiError, world::World};

/// Quotas: "Template body size in an Amazon S3 object".
const LIMIT: usize = 1_000_000;

pub(crate) fn serve(world: &mut World, url: String, body: String) {
    world.cloudformation.served.insert(url, body);
}

/// API Reference, "CreateStack": the address "must start with `https://`" and point to an S3 bucket; a query (a version, a signature) is
/// no part of the object's name.
pub(super) fn fetch<'a>(world: &'a World, url: &str) -> Result<&'a str, ApiError> {
    if !(1..=5_120).contains(&url.len()) {
        return Err(invalid(
            "1 validation error detected: Value at 'templateURL' failed to satisfy constraint: Member must have length less than or equal to 5120",
        ));
    }
    let plain = url.split('?').next().unwrap_or_default();
    if !in_s3(plain) {
        return Err(invalid("TemplateURL must be a supported URL."));
    }
    match world.cloudformation.served.get(plain) {
        Some(body) if body.len() > LIMIT => Err(invalid(format!("Template may not exceed {LIMIT} bytes in size."))),
        Some(body) => Ok(body),
        // S3 does not tell a stranger whether an object exists ("Error responses").
        None => Err(invalid(
            "S3 error: Access Denied\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html",
        )),
    }
}

fn in_s3(url: &str) -> bool {
    let Some((host, key)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let named = host
        .strip_suffix(".amazonaws.com")
        .is_some_and(|name| name.split('.').any(|label| label == "s3" || (label.starts_with("s3-") && !label.starts_with("s3-website"))));
    named && !key.is_empty()
}

#[cfg(test)]
mod tests {
    use super::in_s3;

    #[test]
    fn addresses_in_s3() {
        for url in [
            "https://s3.us-west-2.amazonaws.com/amazon-eks/cloudformation/2025-11-26/amazon-eks-nodegroup.yaml",
            "https://amazon-eks.s3-us-west-2.amazonaws.com/cloudformation/2018-12-10/amazon-eks-nodegroup.yaml",
            "https://b.s3.cn-north-1.amazonaws.com.cn/t.yaml",
        ] {
            assert!(in_s3(url), "{url}");
        }
        for url in
            ["http://s3.amazonaws.com/b/t", "https://example.com/t", "https://s3.amazonaws.com/", "https://b.s3-website.amazonaws.com/t"]
        {
            assert!(!in_s3(url), "{url}");
        }
    }
}
