//! Accounts for a sweep: always the same before a flow, and told by what they look like after it.

use std::{collections::BTreeSet, error::Error};

use eks_cluster::{ClusterSpecBuilder, Scope};
use eks_core::engine::{ApplyError, BoxFuture, Engine};
use eks_sim::Sim;

use super::SETTLED;
use crate::support::{Account, Tested};

type Make = fn(&Stage) -> ClusterSpecBuilder;

/// What is there, and what one process does about it.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    /// A cluster that exists, as this says.
    pub(crate) before: Option<Make>,
    /// What others do to it.
    pub(crate) tamper: Option<for<'a> fn(&'a Stage) -> BoxFuture<'a, Tested>>,
    pub(crate) act: Act,
}

#[derive(Clone, Copy)]
pub(crate) enum Act {
    Apply(Make),
    /// Removes what the spec says should go.
    Remove(Make),
    TearDown,
}

/// An account in which a flow runs.
pub(crate) struct Stage {
    pub(crate) account: Account,
    pub(crate) eks: aws_sdk_eks::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    /// Roles that others made: of nodes, of people, and of somebody who has nothing to do with us.
    pub(crate) nodes: String,
    pub(crate) admin: String,
    pub(crate) developers: String,
    theirs: String,
    flow: Flow,
}

impl Stage {
    pub(crate) async fn before(flow: Flow) -> Result<Self, Box<dyn Error>> {
        let account = Account::new(Sim::new()).await?;
        let config = account.sim.sdk_config();
        let (eks, iam) = (aws_sdk_eks::Client::new(&config), aws_sdk_iam::Client::new(&config));
        let mut roles = Vec::new();
        for name in ["nodes", "admin", "developers", "theirs"] {
            roles.push(account.role(name, "ec2.amazonaws.com").await?);
        }
        let [nodes, admin, developers, theirs] = <[String; 4]>::try_from(roles).map_err(|_| "four roles")?;
        // IAM's changes are everywhere.
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        let stage = Self { account, eks, iam, nodes, admin, developers, theirs, flow };
        if let Some(before) = flow.before {
            stage.apply(before).await?;
            stage.others().await?;
        }
        if let Some(tamper) = flow.tamper {
            tamper(&stage).await?;
        }
        Ok(stage)
    }

    /// What others have in our cluster: an add-on, and an entry where entries work.
    async fn others(&self) -> Tested {
        let name = self.account.name.as_str();
        self.eks.create_addon().cluster_name(name).addon_name("kube-proxy").tags("team", "theirs").send().await?;
        let entry = self.eks.create_access_entry().cluster_name(name).principal_arn(&self.theirs).kubernetes_groups("theirs");
        match entry.send().await.map_err(aws_sdk_eks::Error::from) {
            // Authentication mode CONFIG_MAP.
            Ok(_) | Err(aws_sdk_eks::Error::InvalidRequestException(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Polls are rare: each is a call to go through, and time costs nothing here.
    fn engine(&self) -> Engine {
        self.account.engine().speed(0.1)
    }

    async fn apply(&self, make: Make) -> Tested {
        let spec = make(self).build()?;
        match self.account.clusters.plan(&spec).await?.apply(&self.engine()).await {
            Ok(_) => Ok(()),
            Err(ApplyError::Incomplete { report }) => {
                let failures: Vec<_> = report.failures().map(|(key, error)| format!("{key}: {}", error.chain())).collect();
                Err(failures.join("\n").into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One process: it looks, plans and does.
    pub(crate) async fn run(&self) -> Tested {
        match self.flow.act {
            Act::Apply(make) => self.apply(make).await,
            Act::Remove(make) => {
                let removals = self.account.clusters.removals(&make(self).build()?).await?;
                let ending = removals.apply(&self.engine()).await?;
                if ending.verdict.is_clean() { Ok(()) } else { Err(ending.verdict.to_string().into()) }
            }
            Act::TearDown => self.tear_down().await,
        }
    }

    async fn tear_down(&self) -> Tested {
        let account = &self.account;
        let ending = account.clusters.teardown(&account.owner, &account.name).await?.apply(&self.engine()).await?;
        if ending.verdict.is_clean() { Ok(()) } else { Err(ending.verdict.to_string().into()) }
    }

    /// What the account looks like in the end; there is nothing left to do.
    pub(crate) async fn settled(&self) -> Result<Vec<String>, Box<dyn Error>> {
        tokio::time::sleep(SETTLED).await;
        if let Act::Apply(make) = self.flow.act {
            let again = self.account.clusters.plan(&make(self).build()?).await?;
            assert!(again.is_noop(), "{again}");
        }
        let inventory = self.account.sim.inventory();
        let item = |item: &eks_sim::Item| format!("{} {} {:?} {}", item.kind, item.id, item.tags, item.state);
        let mut portrait: Vec<String> = inventory.items().iter().map(item).collect();
        // What others have, as deep as we can look.
        let mut scope = Scope::everything(self.account.name.clone(), "us-east-1");
        scope.addons = BTreeSet::from(["kube-proxy".to_owned()]);
        scope.principals = BTreeSet::from([self.theirs.clone()]);
        let seen = self.account.clusters.observe(&self.account.owner, &scope).await?;
        portrait.push(format!("{:?}", seen.addons));
        portrait.extend(seen.access.into_iter().map(|mut entry| {
            entry.created = None;
            format!("{entry:?}")
        }));
        let mut portrait: Vec<String> = portrait.iter().map(|line| without_ids(line)).collect();
        portrait.sort();
        Ok(portrait)
    }

    /// The whole of ours goes, and nothing else.
    pub(crate) async fn torn_down(&self) -> Tested {
        self.tear_down().await?;
        assert_eq!(self.account.ours(), Vec::<String>::new());
        assert_eq!(self.account.sim.inventory().count("iam/role"), 4, "the roles of others stay");
        Ok(())
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> u64 {
        self.account.sim.log().len() as u64
    }

    /// A call of the log; one that never arrived is not in it.
    pub(crate) fn call(&self, number: u64) -> Option<String> {
        let log = self.account.sim.log();
        log.calls().iter().find(|call| call.number == number).map(|call| format!("{}:{}", call.service, call.action))
    }
}

/// The simulator draws ids in the order of calls, so they differ from run to run: what is long and hexadecimal becomes `#`, and so
/// do the parts of a UUID after its first.
fn without_ids(line: &str) -> String {
    let is_hex = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_hexdigit());
    let mut kept = String::new();
    for part in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = is_hex(word) && (kept.ends_with("#-") || (word.len() >= 8 && word.contains(|c: char| c.is_ascii_digit())));
        kept.push_str(if is_id { "#" } else { word });
        kept.push_str(&part[word.len()..]);
    }
    kept
}
