//! What one process does to an account.

use std::{collections::BTreeSet, fmt};

use clap::ValueEnum;
use eks_cluster::{ClusterSpec, Clusters, KubernetesVersion};
use eks_core::{ClusterName, Owner, Plan, StackName, engine::ApplyError};
use eks_k8s::{
    Unanswered,
    drain::{Drain, OnBlocked},
};
use eks_net::{ExistingNetwork, Fix, Networks};
use eks_sim::{Sim, Snapshot};

use super::{foreign, portrait::Portrait};
use crate::{
    account::Account,
    environment::{Environment, Failure, Variant},
    owned::{Choices, Owned},
};

/// Whose everything of the flows is.
pub const OWNER: &str = "chap10";

/// A flow of the chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Flow {
    /// All four layers, joined, on an account that has none of them.
    Create,
    /// A rule, an add-on, a label of nodes, a worker and a StorageClass more.
    Change,
    /// The control plane from 1.35 to 1.36, then other workers in the place of the old ones.
    Upgrade,
    /// Everything is taken down, found from the owner's name alone.
    Teardown,
    /// A creation that is not gone on with: what it came to is taken down.
    Abandon,
    /// A cluster in the account's default VPC, which is given subnets and tags.
    Adopt,
    /// That is taken down, and the VPC stays as it was.
    Release,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.option())
    }
}

/// Where a flow begins.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Base {
    /// The account, with what earlier flows made.
    pub snapshot: Snapshot,
    /// Ids of what others have in it.
    pub others: BTreeSet<String>,
    /// How it was before any flow, but for what others made: the account's own VPC above all.
    pub settled: Portrait,
}

/// What a process came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Came {
    /// It did something; another look tells whether anything is left to do.
    Further,
    /// There was nothing left to do.
    ToTheEnd,
}

impl Flow {
    /// Its name on the command line.
    pub fn option(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it leaves the account as it was before anything was made.
    pub fn takes_down(self) -> bool {
        matches!(self, Self::Teardown | Self::Abandon | Self::Release)
    }

    /// The account that it begins on.
    ///
    /// # Errors
    /// If an earlier flow fails, which nothing disturbs.
    pub async fn base(self, seed: u64) -> Result<Base, Failure> {
        let sim = Sim::builder().seed(seed).standard_vcpus(32).quotas_times(2).build();
        foreign::settle(&sim).await?;
        let others = sim.inventory().items().iter().map(|item| item.id.clone()).collect();
        // Whoever looks at a copy is not seen.
        let settled = Portrait::of(&sim.snapshot().open(), &others).await?;
        let account = Account::on(sim.clone());
        match self {
            Self::Create | Self::Abandon | Self::Adopt => {}
            Self::Change | Self::Teardown => drop(Box::pin(make(&account, &Variant::default())).await?),
            Self::Upgrade => drop(Box::pin(make(&account, &older())).await?),
            Self::Release => drop(Box::pin(adopt(&account)).await?),
        }
        tokio::time::sleep(foreign::SETTLED).await;
        Ok(Base { snapshot: sim.snapshot(), others, settled })
    }

    /// The process that something befalls.
    ///
    /// # Errors
    /// If it does not get through.
    pub async fn first(self, account: &Account) -> Result<Came, Failure> {
        match self {
            Self::Abandon => Box::pin(make(account, &Variant::default())).await,
            _ => self.again(account).await,
        }
    }

    /// A later process, which knows nothing but the account.
    ///
    /// # Errors
    /// If it does not get through.
    pub async fn again(self, account: &Account) -> Result<Came, Failure> {
        match self {
            Self::Create => Box::pin(make(account, &Variant::default())).await,
            Self::Change => Box::pin(make(account, &Variant { nodes: 3, grown: true, ..Variant::default() })).await,
            Self::Upgrade => Box::pin(upgrade(account)).await,
            Self::Adopt => Box::pin(adopt(account)).await,
            Self::Teardown | Self::Abandon | Self::Release => Box::pin(take_down(account)).await,
        }
    }
}

fn older() -> Variant {
    Variant { version: KubernetesVersion::V1_35, ..Variant::default() }
}

async fn make(account: &Account, variant: &Variant) -> Result<Came, Failure> {
    let environment = Environment::new(variant, account)?;
    let plan = environment.plan().await?;
    if plan.is_noop() {
        return Ok(Came::ToTheEnd);
    }
    plan.apply(&environment.engine()).await?;
    Ok(Came::Further)
}

async fn upgrade(account: &Account) -> Result<Came, Failure> {
    let to = Variant { version: KubernetesVersion::V1_36, workers: "v36".to_owned(), ..older() };
    let environment = Environment::new(&to, account)?;
    let plane = environment.upgrade().await?;
    if !plane.is_done() {
        plane.plan().apply(&environment.engine()).await?;
    }
    let drain = || Drain::settings().delete_local_data().force().on_blocked(OnBlocked::Wait);
    let workers = environment.replacement(&StackName::new("chap10-worker")?, |builder| builder.drain(drain())).await?;
    if plane.is_done() && workers.is_done() {
        return Ok(Came::ToTheEnd);
    }
    if !workers.is_done() {
        workers.apply(&environment.engine()).await?;
    }
    Ok(Came::Further)
}

/// Removes whatever the owner has.
///
/// # Errors
/// If anything is left.
pub async fn take_down(account: &Account) -> Result<Came, Failure> {
    let owned = Owned::find(account, OWNER).await?;
    let choices = Choices { unanswered: Unanswered::leave_to_aws(), ..Choices::default() };
    let teardown = owned.teardown(&choices).await?;
    let ending = teardown.apply(&owned.engine()).await?;
    match ending.verdict.is_clean() {
        true if teardown.removals().is_empty() => Ok(Came::ToTheEnd),
        true => Ok(Came::Further),
        false => Err(ending.verdict.to_string().into()),
    }
}

async fn adopt(account: &Account) -> Result<Came, Failure> {
    let config = account.config();
    let (vpc, subnets) = foreign::default_network(config).await?;
    let (networks, clusters) = (Networks::new(config), Clusters::new(config));
    let owner = Owner::new(OWNER)?;
    let theirs = ExistingNetwork::builder(&owner).vpc(&vpc).add_private_subnets(24).cluster(OWNER).allow(Fix::Tags);
    let theirs = subnets.iter().fold(theirs, |theirs, id| theirs.public_subnet(id)).build()?;
    let survey = networks.survey(&theirs).await?;
    let cluster = ClusterSpec::builder(&owner, ClusterName::new(OWNER)?, KubernetesVersion::V1_36, survey.refs()).no_addons().build()?;
    let plan = Plan::join([survey.plan()?, clusters.plan(&cluster).await?])?;
    if plan.is_noop() {
        return Ok(Came::ToTheEnd);
    }
    plan.apply(&account.engine().driver(networks).driver(clusters)).await?;
    Ok(Came::Further)
}

/// Whether a process only says that what it saw is no longer so: planned again, it goes on.
pub fn is_overtaken(failure: &Failure) -> bool {
    matches!(failure.downcast_ref::<ApplyError>(), Some(ApplyError::Stale { .. }))
}

/// The refusal behind a failure, if what exists contradicts what is wanted: which things, and what to do about it.
pub fn refusal(failure: &Failure) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**failure);
    while let Some(error) = cause {
        if let Some(error @ eks_core::Error::Refused { .. }) = error.downcast_ref() {
            return Some(error.to_string());
        }
        cause = error.source();
    }
    None
}
