//! A cluster's ARN.

/// `arn:<partition>:eks:<region>:<account>:cluster/<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClusterArn<'a> {
    pub(super) region: &'a str,
    pub(super) name: &'a str,
}

impl<'a> ClusterArn<'a> {
    pub(super) fn parse(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "eks", region, account, resource] = parts.as_slice() else { return None };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let name = resource.strip_prefix("cluster/").filter(|name| !name.is_empty())?;
        (is_account && !region.is_empty()).then_some(Self { region, name })
    }
}
