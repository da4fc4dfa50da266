//! Those who enter the cluster: administrators and viewers, each by a role of the account.

use std::time::Duration;

use eks_cluster::{KubernetesIdentity, who_am_i};
use eks_core::{ClusterAccess, ClusterName, ConfigMapAccess, Owner, RoleArn};
use eks_examples::{account::Account, environment::Failure, layers::Layers, program::say};
use eks_k8s::{AuthEdit, AwsAuth, Guard, Mapping, Principal};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

/// Two roles, and the cluster that they enter.
pub(crate) struct People {
    account: Account,
    access: ClusterAccess,
    administrators: RoleArn,
    viewers: RoleArn,
}

impl People {
    /// Makes the roles and puts them into aws-auth.
    pub(crate) async fn arrive(account: &Account, layers: &Layers, owner: &Owner, cluster: &ClusterName) -> Result<Self, Failure> {
        let access = layers.clusters.access(cluster).await?.ok_or("the cluster is not there")?;
        let (administrators, viewers) = (role(account, owner, "administrators").await?, role(account, owner, "viewers").await?);
        // IAM shows what is new late.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mapped = |role: &RoleArn, name: &str| Ok::<_, Failure>(Mapping::new(Principal::parse(role.as_str())?, name));
        let edits = [
            AuthEdit::Map(mapped(&administrators, "administrators")?.group("system:masters")),
            AuthEdit::Map(mapped(&viewers, "viewers")?.group("viewers")),
        ];
        layers.kubernetes.edit_aws_auth(owner, Some(&access), &edits, &Guard::default()).await?;
        Ok(Self { account: account.clone(), access, administrators, viewers })
    }

    pub(crate) fn administrators(&self) -> &str {
        self.administrators.as_str()
    }

    /// Who each is to the cluster; an administrator's identity is the answer.
    pub(crate) async fn say_who(&self) -> Result<KubernetesIdentity, Failure> {
        let admin = self.identity(&self.administrators).await?;
        for (role, who) in [(&self.administrators, &admin), (&self.viewers, &self.identity(&self.viewers).await?)] {
            let groups: Vec<_> = who.groups.iter().map(String::as_str).filter(|group| *group != "system:authenticated").collect();
            say(format!(
                "  {:<52} enters as {} in {}",
                role.as_str(),
                who.username,
                if groups.is_empty() { "no group, but by an access policy".into() } else { groups.join(", ") }
            ));
        }
        Ok(admin)
    }

    async fn identity(&self, role: &RoleArn) -> Result<KubernetesIdentity, Failure> {
        Ok(who_am_i(&self.account.assuming(role)?.connector().connect(&self.access)?).await?)
    }

    /// What aws-auth says now.
    pub(crate) async fn mapped(&self) -> Result<ConfigMapAccess, Failure> {
        let maps: Api<ConfigMap> = Api::namespaced(self.account.connector().connect(&self.access)?, "kube-system");
        Ok(AwsAuth::read(&serde_json::to_value(maps.get("aws-auth").await?)?)?.access())
    }

    /// Deletes the roles.
    pub(crate) async fn leave(self) -> Result<(), Failure> {
        let iam = aws_sdk_iam::Client::new(self.account.config());
        for role in [&self.administrators, &self.viewers] {
            iam.delete_role().role_name(role.as_str().rsplit('/').next().unwrap_or_default()).send().await?;
        }
        Ok(())
    }
}

/// A role that everybody of the account may assume whom IAM lets.
async fn role(account: &Account, owner: &Owner, name: &str) -> Result<RoleArn, Failure> {
    let iam = aws_sdk_iam::Client::new(account.config());
    // The cluster's role tells the account.
    let region = account.config().region().map_or("us-east-1", |region| region.as_ref());
    let ours = iam.get_role().role_name(format!("{owner}-cluster-{region}")).send().await?;
    let number = ours.role().and_then(|role| role.arn().split(':').nth(4)).ok_or("IAM told no account")?;
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{number}:root")}, "Action": "sts:AssumeRole"}]});
    let made = iam.create_role().role_name(format!("{owner}-{name}")).assume_role_policy_document(trust.to_string()).send().await?;
    Ok(made.role().ok_or("IAM told no role")?.arn().parse()?)
}
