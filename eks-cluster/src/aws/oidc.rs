//! The identity provider for the cluster's issuer, in IAM.

use std::collections::BTreeMap;

use aws_sdk_iam::types::Tag;
use eks_core::{Class, Error, Outputs, Owner, Ref, aws::failed, engine::StepContext};

use super::{Clusters, found, roles::tags};
use crate::{
    ObservedCluster, ObservedProvider, Scope,
    identity::{AUDIENCE, CLUSTER_TAG},
    observed::is_owned,
    plan::{broken, refused},
};

/// The ARN under which IAM keeps an issuer: IAM User Guide, "IAM identifiers".
fn provider_arn(cluster_arn: &str, issuer: &str) -> Option<String> {
    let mut parts = cluster_arn.split(':').skip(1);
    let (partition, account) = (parts.next()?, parts.nth(2)?);
    Some(format!("arn:{partition}:iam::{account}:oidc-provider/{}", issuer.strip_prefix("https://")?))
}

impl Clusters {
    /// The provider for the issuer of a cluster that exists. In a teardown whose cluster is gone already, ours by its tags.
    pub(super) async fn observe_provider(
        &self,
        owner: &Owner,
        scope: &Scope,
        cluster: Option<&ObservedCluster>,
    ) -> Result<Option<ObservedProvider>, Error> {
        if !scope.oidc_provider {
            return Ok(None);
        }
        match cluster.filter(|cluster| cluster.is_owned_by(owner)) {
            Some(cluster) => match cluster.issuer.as_ref().and_then(|issuer| provider_arn(&cluster.arn, issuer)) {
                Some(arn) => self.provider(&arn).await,
                None => Ok(None),
            },
            None if scope.all_roles => self.orphan_provider(owner, scope).await,
            None => Ok(None),
        }
    }

    pub(super) async fn provider(&self, arn: &str) -> Result<Option<ObservedProvider>, Error> {
        let sent = self.iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn).send().await;
        let answer = found(sent.map_err(|error| failed("iam:GetOpenIDConnectProvider", arn, error)))?;
        Ok(answer.map(|provider| ObservedProvider {
            arn: arn.to_owned(),
            audiences: provider.client_id_list().iter().cloned().collect(),
            tags: tags(provider.tags()),
        }))
    }

    /// Ours, for an issuer of this Region. Its tags name the cluster, as one owner may have several.
    async fn orphan_provider(&self, owner: &Owner, scope: &Scope) -> Result<Option<ObservedProvider>, Error> {
        let sent = self.iam.list_open_id_connect_providers().send().await;
        let listed = sent.map_err(|error| failed("iam:ListOpenIDConnectProviders", owner.as_str(), error))?;
        let of_region = |arn: &&str| arn.contains(":oidc-provider/oidc") && arn.contains(&format!(".{}.", scope.region));
        for arn in listed.open_id_connect_provider_list().iter().filter_map(|entry| entry.arn()).filter(of_region) {
            let Some(provider) = self.provider(arn).await? else { continue };
            let of_cluster = provider.tags.get(CLUSTER_TAG).is_some_and(|name| name == scope.cluster.as_str());
            if is_owned(&provider.tags, owner) && of_cluster {
                return Ok(Some(provider));
            }
        }
        Ok(None)
    }

    /// Makes the provider, or uses the one that is there.
    pub(super) async fn ensure_provider(
        &self,
        issuer: &Ref<String>,
        cluster_arn: &Ref<String>,
        may_exist: bool,
        cx: &StepContext,
    ) -> Result<Outputs, Error> {
        let (issuer, cluster_arn) = (cx.resolve(issuer)?, cx.resolve(cluster_arn)?);
        let arn = provider_arn(&cluster_arn, &issuer).ok_or_else(|| broken(format!("{issuer} of {cluster_arn} is no issuer")))?;
        let existing = if may_exist { self.provider(&arn).await? } else { None };
        let existing = match existing {
            Some(found) => found,
            None => match self.create_provider(&issuer, &cluster_arn, cx).await {
                Ok(()) => return Ok(outputs(arn)),
                Err(error) if error.code() == Some("EntityAlreadyExists") => {
                    self.provider(&arn).await?.ok_or_else(|| error.with_class(Class::Inconsistent))?
                }
                Err(error) => return Err(error),
            },
        };
        if !existing.audiences.contains(AUDIENCE) {
            if !existing.is_owned_by(cx.owner()) {
                let rule = format!("exists, is not ours, and does not accept tokens for {AUDIENCE}");
                return Err(refused(format!("identity provider {arn}"), rule, "have its owner add it, or remove it"));
            }
            let add = self.iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(&arn).client_id(AUDIENCE);
            add.send().await.map_err(|error| failed("iam:AddClientIDToOpenIDConnectProvider", &arn, error))?;
        }
        Ok(outputs(arn))
    }

    /// Without a thumbprint: IAM trusts the authorities behind EKS's issuers (API reference, CreateOpenIDConnectProvider).
    async fn create_provider(&self, issuer: &str, cluster_arn: &str, cx: &StepContext) -> Result<(), Error> {
        let mut create = self.iam_once.create_open_id_connect_provider().url(issuer).client_id_list(AUDIENCE);
        let cluster = cluster_arn.rsplit('/').next().unwrap_or_default().to_owned();
        let tags: BTreeMap<_, _> = cx.tags().into_iter().chain([(CLUSTER_TAG.to_owned(), cluster)]).collect();
        for (key, value) in tags {
            create = create.tags(Tag::builder().key(key).value(value).build().map_err(broken)?);
        }
        create.send().await.map(|_| ()).map_err(|error| failed("iam:CreateOpenIDConnectProvider", issuer, error))
    }

    /// Deletes the provider if it is ours.
    pub(super) async fn delete_provider(&self, arn: &str, cx: &StepContext) -> Result<(), Error> {
        let Some(provider) = self.provider(arn).await? else { return Ok(()) };
        if !provider.is_owned_by(cx.owner()) {
            return Err(refused(
                format!("identity provider {arn}"),
                "is not ours: it does not carry our tag any more",
                "remove it by hand if it is not wanted",
            ));
        }
        let sent = self.iam.delete_open_id_connect_provider().open_id_connect_provider_arn(arn).send().await;
        found(sent.map_err(|error| failed("iam:DeleteOpenIDConnectProvider", arn, error))).map(|_| ())
    }
}

fn outputs(arn: String) -> Outputs {
    [("id".to_owned(), arn.clone()), ("arn".to_owned(), arn)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_follow_from_cluster_and_issuer() {
        let arn = |cluster: &str, issuer: &str| provider_arn(cluster, issuer).unwrap_or_default();
        assert_eq!(
            arn("arn:aws:eks:us-east-1:123456789012:cluster/a", "https://oidc.eks.us-east-1.amazonaws.com/id/AB"),
            "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/AB"
        );
        assert_eq!(
            arn("arn:aws-cn:eks:cn-north-1:123456789012:cluster/a", "https://oidc.eks.cn-north-1.amazonaws.com.cn/id/AB"),
            "arn:aws-cn:iam::123456789012:oidc-provider/oidc.eks.cn-north-1.amazonaws.com.cn/id/AB"
        );
        assert_eq!(arn("arn:aws:eks:us-east-1:123456789012:cluster/a", "oidc"), "");
    }
}
