//! Those who enter the cluster: administrators and viewers, each by a role of the account.

use std::time::Duration;

use aws_sdk_iam::types::{Role, Tag};
use eks_cluster::{KubernetesIdentity, who_am_i};
use eks_core::{ClusterAccess, ClusterName, ConfigMapAccess, OWNER_TAG, Owner, RoleArn};
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

/// What they are called, after the owner.
const NAMES: [&str; 2] = ["administrators", "viewers"];

impl People {
    /// What [`People::arrive`] will do, for a person who must agree.
    pub(crate) fn announce(owner: &Owner) {
        say("two IAM roles, which whoever has the permission sts:AssumeRole in this account may assume; both go at the end:");
        let [administrators, viewers] = NAMES;
        say(format!("  + {owner}-{administrators:<16} in aws-auth as system:masters: everything in the cluster"));
        say(format!("  + {owner}-{viewers:<16} in aws-auth as viewers"));
    }

    /// Makes the roles, or takes those that carry the owner's tag, and puts them into aws-auth.
    pub(crate) async fn arrive(account: &Account, layers: &Layers, owner: &Owner, cluster: &ClusterName) -> Result<Self, Failure> {
        let access = layers.clusters.access(cluster).await?.ok_or("the cluster is not there")?;
        let [administrators, viewers] = NAMES;
        let (administrators, viewers) = (role(account, owner, administrators).await?, role(account, owner, viewers).await?);
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
}

/// Deletes the roles, as far as they were made: those that carry the owner's tag.
pub(crate) async fn leave(account: &Account, owner: &Owner) -> Result<(), Failure> {
    let iam = aws_sdk_iam::Client::new(account.config());
    for name in NAMES {
        let name = format!("{owner}-{name}");
        if found(&iam, &name).await?.is_some_and(|role| is_of(&role, owner)) {
            iam.delete_role()
                .role_name(&name)
                .send()
                .await
                .map_err(|error| format!("the role {name} stays: {}", error.into_service_error()))?;
        }
    }
    Ok(())
}

/// A role that everybody of the account may assume whom IAM lets.
async fn role(account: &Account, owner: &Owner, name: &str) -> Result<RoleArn, Failure> {
    let iam = aws_sdk_iam::Client::new(account.config());
    let name = format!("{owner}-{name}");
    if let Some(role) = found(&iam, &name).await? {
        return match is_of(&role, owner) {
            true => Ok(role.arn().parse()?),
            false => Err(format!("the role {name} is somebody's, as it does not carry the tag {OWNER_TAG}: {owner}").into()),
        };
    }
    // The cluster's role tells partition and account.
    let region = account.config().region().map_or("us-east-1", |region| region.as_ref());
    let ours = found(&iam, &format!("{owner}-cluster-{region}")).await?.ok_or("the cluster's role is not there")?;
    let mut arn = ours.arn().split(':').skip(1);
    let (partition, number) = (arn.next().ok_or("IAM told no ARN")?, arn.nth(2).ok_or("IAM told no account")?);
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:{partition}:iam::{number}:root")}, "Action": "sts:AssumeRole"}]});
    let tag = Tag::builder().key(OWNER_TAG).value(owner.as_str()).build()?;
    let made = iam.create_role().role_name(name).assume_role_policy_document(trust.to_string()).tags(tag).send().await?;
    Ok(made.role().ok_or("IAM told no role")?.arn().parse()?)
}

async fn found(iam: &aws_sdk_iam::Client, name: &str) -> Result<Option<Role>, Failure> {
    match iam.get_role().role_name(name).send().await {
        Ok(told) => Ok(told.role),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_of(role: &Role, owner: &Owner) -> bool {
    role.tags().iter().any(|tag| tag.key() == OWNER_TAG && tag.value() == owner.as_str())
}

#[cfg(test)]
mod tests {
    use eks_sim::Sim;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn roles_of_others_are_neither_taken_nor_deleted() {
        let account = Account::on(Sim::new());
        let (owner, iam) = (Owner::new("shop").expect("a name"), aws_sdk_iam::Client::new(account.config()));
        for (name, tagged) in [("shop-cluster-us-east-1", false), ("shop-viewers", true), ("shop-administrators", false)] {
            let create = iam.create_role().role_name(name).assume_role_policy_document(TRUST);
            let tag = Tag::builder().key(OWNER_TAG).value("shop").build().expect("a tag");
            if tagged { create.tags(tag) } else { create }.send().await.expect("a role");
        }
        role(&account, &owner, "viewers").await.expect("it carries the owner's tag");
        let refused = role(&account, &owner, "administrators").await.expect_err("it is somebody's");
        assert!(refused.to_string().contains(OWNER_TAG), "{refused}");
        leave(&account, &owner).await.expect("what is ours goes");
        assert!(found(&iam, "shop-viewers").await.expect("IAM").is_none());
        assert!(found(&iam, "shop-administrators").await.expect("IAM").is_some());
    }

    const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
}
