//! From what exists now to one plan, and back.

use std::borrow::Cow;

use eks_cluster::{
    ClusterAccess,
    upgrade::{Upgrade, UpgradeError, UpgradePlan},
};
use eks_core::{
    Class, ClusterName, ClusterStanding, ClusterTrace, Error, Plan, SpecError, StackName, Teardown,
    engine::{ApplyError, Ending, Engine, Report},
};
use eks_k8s::Unanswered;
use eks_nodes::{
    WorkersSpec,
    replacement::{Replacement, ReplacementBuilder, ReplacementError, ReplacementPlan},
};

use super::Environments;
use crate::{Environment, Network, specs::Specs};

/// Why an environment was not applied or taken down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There was no plan to begin with; nothing was changed.
    #[error(transparent)]
    Plan(#[from] Error),
    /// The plan was refused, or steps of it failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Environments {
    /// One plan for all layers, from what exists now.
    ///
    /// # Errors
    /// If the environment is of another Region, a layer cannot be observed, or what exists contradicts what is wanted; [`Error::Spec`] if an existing network does not fit what
    /// is wanted on it.
    pub async fn plan(&self, environment: &Environment) -> Result<Plan, Error> {
        self.covers(environment)?;
        let workers = async |specs: &[WorkersSpec]| match specs {
            [] => Ok(None),
            some => Ok::<_, Error>(Some(self.workers.plan_all(&some.iter().collect::<Vec<_>>()).await?)),
        };
        // What the layers stand on is known beforehand, but for an existing network.
        let (network, specs, workers) = match &environment.network {
            Network::Existing(_) => {
                let (network, specs) = self.network(environment).await?;
                let workers = workers(&specs.workers).await?;
                (network, specs, workers)
            }
            _ => {
                let ((network, specs), workers) = tokio::try_join!(self.network(environment), workers(&environment.specs.workers))?;
                (network, specs, workers)
            }
        };
        let mut plans: Vec<Plan> = Vec::new();
        if let Some(spec) = &specs.cluster {
            // Over the network's plan, so that the control plane moves with its subnets.
            let spec = network.as_ref().map_or_else(|| spec.clone(), |network| spec.over(network));
            let (cluster, access) = tokio::try_join!(self.clusters.plan(&spec), self.access(environment))?;
            plans.push(cluster);
            plans.extend(workers);
            if let Some(spec) = &specs.objects {
                plans.push(self.objects.plan(spec, access).await?);
            }
        }
        let joined = Plan::join(network.into_iter().chain(plans));
        joined.map_err(|error| Error::Plan { subject: format!("environment {}", environment.owner), reason: error.to_string() })
    }

    /// The network's plan, and the layers over it. A given network has no plan.
    async fn network<'a>(&self, environment: &'a Environment) -> Result<(Option<Plan>, Cow<'a, Specs>), Error> {
        Ok(match &environment.network {
            Network::Made(spec) => (Some(self.networks.plan(spec).await?), Cow::Borrowed(&environment.specs)),
            Network::Existing(choice) => {
                let survey = self.networks.survey(choice).await?;
                (Some(survey.plan()?), Cow::Owned(environment.specs_over(&survey.refs())?))
            }
            Network::Given(_) => (None, Cow::Borrowed(&environment.specs)),
        })
    }

    /// Plans and applies all layers. To look at the plan first, [`plan`](Self::plan) it, and apply that.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and [`Plan::apply`].
    pub async fn apply(&self, environment: &Environment, engine: &Engine) -> Result<Report, RunError> {
        Ok(self.plan(environment).await?.apply(&self.drive(engine.clone())).await?)
    }

    /// What can be done now so that the control plane is of the environment's version.
    ///
    /// # Errors
    /// If the cluster cannot be observed, rules stand against it, or the environment has no cluster.
    pub async fn upgrade(&self, environment: &Environment) -> Result<UpgradePlan, UpgradeError> {
        self.covers(environment)?;
        let spec = environment.specs.cluster.as_ref().ok_or_else(|| lacks(environment, "cluster"))?;
        let upgrade = Upgrade::builder(&environment.owner, spec.name().clone(), environment.region.clone(), spec.version());
        self.clusters.upgrade(&(environment.upgrade.0)(upgrade).build()?).await
    }

    /// How the group of workers named `new` takes the place of those of another stack, from what exists now.
    ///
    /// # Errors
    /// If something cannot be observed, rules stand against it, or the environment has no such group.
    pub async fn replace(
        &self,
        environment: &Environment,
        old: &StackName,
        new: &StackName,
        settings: impl FnOnce(ReplacementBuilder) -> ReplacementBuilder + Send,
    ) -> Result<ReplacementPlan, ReplacementError> {
        self.covers(environment)?;
        let (network, specs) = self.network(environment).await?;
        let cluster = specs.cluster.as_ref().ok_or_else(|| lacks(environment, "cluster"))?;
        let group = specs.workers.iter().find(|group| group.name() == new).ok_or_else(|| lacks(environment, &format!("workers {new}")))?;
        let mut builder = Replacement::builder(&environment.owner, old.clone(), group.clone());
        // Nodes are drained through it, whether or not the environment has objects of its own.
        if let Some(access) = self.clusters.access(cluster.name()).await? {
            builder = builder.access(access);
        }
        let replacement = settings(builder).build()?;
        // The new workers stand on outputs of these.
        let cluster = self.clusters.plan(&network.as_ref().map_or_else(|| cluster.clone(), |network| cluster.over(network))).await?;
        let now = self.replacements.observe(&replacement).await?;
        replacement.plan_with(&now, network.into_iter().chain([cluster]))
    }

    /// The add-ons that the environment says shall not be there any more, to be removed: [`plan`](Self::plan) tells of them and leaves them.
    ///
    /// # Errors
    /// If the cluster or its network cannot be observed, or the environment has no cluster.
    pub async fn removals(&self, environment: &Environment) -> Result<Teardown, Error> {
        self.covers(environment)?;
        let (_, specs) = self.network(environment).await?;
        let cluster = specs.cluster.as_ref().ok_or_else(|| lacks(environment, "cluster"))?;
        self.clusters.removals(cluster).await
    }

    /// Everything of the owner's, to be removed, from the top: also of layers that the environment does not name (any more), as they are
    /// found by the owner. Only a [`Network::Given`] is left alone.
    ///
    /// # Errors
    /// If a layer cannot be observed; [`Error::Refused`] if another cluster of the owner's stands, which would lose its workers and network.
    pub async fn teardown(&self, environment: &Environment) -> Result<Teardown, Error> {
        self.covers(environment)?;
        let owner = &environment.owner;
        let (cluster, stands) = self.cluster_of(environment).await?;
        let mut teardowns = Vec::new();
        if let Some(name) = &cluster {
            let named = environment.specs.objects.is_some();
            let access = if stands || named { self.clusters.access(name).await? } else { None };
            if access.is_some() || named {
                teardowns.push(self.objects_of(environment, access).await?);
            }
        }
        // These are found by their owner alone.
        let (workers, replacements) = tokio::try_join!(self.workers.teardown(owner), self.replacements.teardown(owner))?;
        teardowns.extend([workers, replacements]);
        if let Some(name) = &cluster {
            teardowns.push(self.clusters.teardown(owner, name).await?);
        }
        if !matches!(environment.network, Network::Given(_)) {
            teardowns.push(self.networks.teardown(owner).await?);
        }
        let joined = Teardown::join(teardowns);
        joined.map_err(|error| Error::Plan { subject: format!("environment {owner}"), reason: error.to_string() })
    }

    /// The cluster that a teardown is of, and whether it stands as the owner's: the one that the environment names, or the only one that the
    /// account tells of.
    async fn cluster_of(&self, environment: &Environment) -> Result<(Option<ClusterName>, bool), Error> {
        let owner = &environment.owner;
        let named = environment.specs.cluster.as_ref().map(|spec| spec.name().clone());
        let traces = match self.clusters.traces(owner, named.clone()).await {
            // Who may not list clusters may still take down the one that is named.
            Err(error) if named.is_some() && error.class() == Class::Denied => return Ok((named, true)),
            traces => traces?,
        };
        let alike = |ours: bool| {
            let fits = move |trace: &&ClusterTrace| match trace.standing {
                ClusterStanding::Ours { .. } => ours,
                ClusterStanding::Gone => !ours,
                _ => false,
            };
            traces.iter().filter(fits).map(|trace| trace.name.clone()).collect::<Vec<_>>()
        };
        let standing = alike(true);
        let several = |names: &[ClusterName], rule: &str| {
            let names: Vec<&str> = names.iter().map(ClusterName::as_str).collect();
            Error::Refused {
                subject: format!("environment {owner}"),
                rule: format!("{rule}: {}", names.join(", ")),
                remedy:
                    "workers and network go by their owner: name one cluster, and take the others down alone first (Clusters::teardown)"
                        .to_owned(),
            }
        };
        if let Some(name) = named {
            let others: Vec<_> = standing.iter().filter(|other| **other != name).cloned().collect();
            return match others.is_empty() {
                true => Ok((Some(name.clone()), standing.contains(&name))),
                false => Err(several(&others, "clusters of this owner stand that it does not name")),
            };
        }
        let stands = !standing.is_empty();
        let names = if stands { standing } else { alike(false) };
        match names.as_slice() {
            [] => Ok((None, false)),
            [name] => Ok((Some(name.clone()), stands)),
            more => Err(several(more, "it names no cluster, and the account tells of several of this owner's")),
        }
    }

    /// What Kubernetes has of the owner's. Where the environment names no objects, an API server that does not answer is no hindrance: a
    /// finding tells that it was not looked through.
    async fn objects_of(&self, environment: &Environment, access: Option<ClusterAccess>) -> Result<Teardown, Error> {
        let owner = &environment.owner;
        match self.objects.teardown(owner, access.clone()).await {
            Err(Error::Call { .. }) if environment.specs.objects.is_none() => {
                self.objects.teardown_or(owner, access, Unanswered::leave_to_aws()).await
            }
            looked => looked,
        }
    }

    /// Plans and carries out a teardown; it ends in a verdict.
    ///
    /// # Errors
    /// As [`teardown`](Self::teardown), and [`Teardown::apply`].
    pub async fn tear_down(&self, environment: &Environment, engine: &Engine) -> Result<Ending, RunError> {
        Ok(self.teardown(environment).await?.apply(&self.drive(engine.clone())).await?)
    }

    /// How to reach the cluster's API server, if it exists and the environment has objects in it.
    ///
    /// # Errors
    /// If EKS cannot be asked.
    pub async fn access(&self, environment: &Environment) -> Result<Option<ClusterAccess>, Error> {
        self.covers(environment)?;
        match (&environment.specs.cluster, &environment.specs.objects) {
            (Some(cluster), Some(_)) => self.clusters.access(cluster.name()).await,
            _ => Ok(None),
        }
    }
}

fn lacks(environment: &Environment, what: &str) -> SpecError {
    let mut problems = eks_core::Problems::new();
    let rule = format!("it has no {what}");
    problems.add("environment-lacks", format!("environment {}", environment.owner), rule, format!("add the {what}"));
    match problems.finish(format!("environment {}", environment.owner), || ()) {
        Err(error) => error,
        Ok(()) => unreachable!("there is a problem"),
    }
}
