//! Addresses that CloudFormation reads a template from.

/// CloudFormation's limit. API Reference, "CreateStack", `TemplateURL`.
const LIMIT: usize = 5_120;

/// What is wrong with an address; nothing if it names an object in S3.
///
/// S3 User Guide, "Methods for accessing a bucket": `s3.REGION.amazonaws.com/BUCKET/KEY`, `BUCKET.s3.REGION.amazonaws.com/KEY`, both with
/// `dualstack`, both without the Region, and both with the hyphen of old.
pub(super) fn fault(url: &str) -> Option<String> {
    if url.len() > LIMIT {
        return Some(format!("must have at most {LIMIT} characters"));
    }
    if !names_an_object(url) {
        return Some("must be the https:// address of an object in S3, which is all that CloudFormation reads".to_owned());
    }
    None
}

fn names_an_object(url: &str) -> bool {
    let plain = url.split('?').next().unwrap_or_default();
    let Some((host, path)) = plain.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'#' | b'\\'));
    let Some(service) = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn")) else { return false };
    if !visible(plain) || path.is_empty() || path.ends_with('/') {
        return false;
    }
    let labels: Vec<_> = service.split('.').collect();
    let Some(at) = labels.iter().position(|label| is_s3(label)) else { return false };
    let region = match labels[at + 1..] {
        [] => true,
        [region] | ["dualstack", region] if matches!(labels[at], "s3" | "s3-fips") => is_region(region),
        _ => false,
    };
    let bucket = labels[..at].iter().all(|label| !label.is_empty());
    // With the bucket in the path there are two segments at least.
    region && bucket && (at > 0 || path.split('/').filter(|segment| !segment.is_empty()).count() >= 2)
}

/// `s3`, `s3-fips`, or `s3-us-west-2`.
fn is_s3(label: &str) -> bool {
    matches!(label, "s3" | "s3-fips") || label.strip_prefix("s3-").is_some_and(is_region)
}

/// `us-gov-west-1`
fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let (Some(number), true) = (parts.last(), parts.len() >= 3) else { return false };
    parts[0].len() == 2
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && parts[..parts.len() - 1].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for url in [
            "https://s3.us-west-2.amazonaws.com/amazon-eks/cloudformation/2025-11-26/amazon-eks-nodegroup.yaml",
            "https://s3-us-west-2.amazonaws.com/amazon-eks/cloudformation/2018-12-10/amazon-eks-nodegroup.yaml",
            "https://amazon-eks.s3-us-west-2.amazonaws.com/cloudformation/2018-12-10/amazon-eks-nodegroup.yaml",
            "https://s3.amazonaws.com/bucket/template.yaml",
            "https://my.bucket.s3.eu-central-1.amazonaws.com/template.yaml?versionId=3sL4kqtJlcpXroDTDmJ",
            "https://s3.dualstack.us-gov-west-1.amazonaws.com/bucket/template.yaml",
            "https://bucket.s3.cn-north-1.amazonaws.com.cn/template.yaml",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
        for url in [
            "",
            "http://s3.amazonaws.com/bucket/template.yaml",
            "s3://bucket/template.yaml",
            "https://example.com/template.yaml",
            "https://raw.githubusercontent.com/awslabs/amazon-eks-ami/master/amazon-eks-nodegroup.yaml",
            "https://s3.amazonaws.com/template.yaml",
            "https://s3.amazonaws.com/bucket/",
            "https://bucket.s3.amazonaws.com/",
            "https://bucket.s3-website-us-east-1.amazonaws.com/template.yaml",
            "https://bucket.s3.nowhere.amazonaws.com/template.yaml",
            "https://bucket.s3.amazonaws.com/a template.yaml",
            "https://s3.amazonaws.com.evil.example/bucket/template.yaml",
        ] {
            assert!(fault(url).is_some(), "{url}");
        }
        let long = format!("https://s3.amazonaws.com/bucket/{}", "x".repeat(LIMIT));
        assert!(fault(&long).is_some_and(|fault| fault.contains("5120")));
    }
}
