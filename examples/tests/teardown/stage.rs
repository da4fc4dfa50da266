//! An account with the chapter's environment in it, and what is read from a teardown of it.

use std::collections::BTreeSet;

use eks_core::{Teardown, engine::Ending};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    mess::People,
    owned::{Choices, Owned},
};
use eks_k8s::Unanswered;
use eks_sim::{Inventory, Sim};

pub(crate) const OWNER: &str = "shop";

pub(crate) type Tested = Result<(), Failure>;

pub(crate) fn variant() -> Variant {
    Variant { owner: OWNER.to_owned(), ..Variant::default() }
}

pub(crate) fn choices() -> Choices {
    Choices { unanswered: Unanswered::leave_to_aws(), ..Choices::default() }
}

pub(crate) struct Stage {
    pub(crate) sim: Sim,
    pub(crate) account: Account,
}

impl Stage {
    /// An account without anything of ours.
    pub(crate) fn empty() -> Self {
        // A new account's five vCPUs are the chapter's.
        let sim = Sim::builder().standard_vcpus(32).build();
        Self { account: Account::on(sim.clone()), sim }
    }

    /// The chapter's environment.
    pub(crate) async fn set() -> Result<Self, Failure> {
        let stage = Self::empty();
        let environment = Environment::new(&variant(), &stage.account)?;
        environment.plan().await?.apply(&environment.engine()).await?;
        Ok(stage)
    }

    pub(crate) async fn people(&self) -> Result<People, Failure> {
        People::of(&self.account, OWNER).await
    }

    pub(crate) async fn listed(&self) -> Result<Teardown, Failure> {
        Owned::find(&self.account, OWNER).await?.teardown(&choices()).await
    }

    /// What the tool does: finds everything anew, lists it, takes it down.
    pub(crate) async fn torn_down(&self) -> Result<Torn, Failure> {
        self.torn_down_from(&self.account).await
    }

    pub(crate) async fn torn_down_from(&self, account: &Account) -> Result<Torn, Failure> {
        let owned = Owned::find(account, OWNER).await?;
        let teardown = owned.teardown(&choices()).await?;
        let ending = teardown.apply(&owned.engine()).await?;
        Ok(Torn { teardown, ending })
    }

    /// Calls that change something, from a place in the log on.
    pub(crate) fn changes(&self, from: usize) -> Vec<String> {
        let log = self.sim.log();
        let reads = ["Describe", "Get", "List", "GET", "Simulate"];
        let calls = log.calls()[from..].iter().filter(|call| !reads.iter().any(|read| call.action.starts_with(read)));
        calls.map(|call| format!("{}:{}", call.service, call.action)).collect()
    }
}

/// A teardown and its end.
pub(crate) struct Torn {
    pub(crate) teardown: Teardown,
    pub(crate) ending: Ending,
}

impl Torn {
    /// What is left: kind, dollars a month, and id.
    pub(crate) fn left(&self) -> Vec<(String, String)> {
        let told = |usd: f64| format!("{usd:.2}");
        let survivors = self.ending.verdict.survivors().iter();
        let mut left: Vec<_> = survivors.map(|survivor| (survivor.kind.clone(), told(survivor.usd_per_month))).collect();
        left.sort();
        left
    }

    /// Why something of this kind is left, and what to do.
    pub(crate) fn told(&self, kind: &str) -> String {
        let survivors = self.ending.verdict.survivors().iter().filter(|survivor| survivor.kind == kind);
        survivors.map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.ending.verdict.survivors().iter().map(|survivor| survivor.id.clone()).collect()
    }
}

/// Kinds of what exists, once for each thing.
pub(crate) fn kinds(inventory: &Inventory) -> Vec<String> {
    inventory.items().iter().map(|item| item.kind.clone()).collect()
}

impl Stage {
    /// Somebody else takes down everything but the identity provider, cluster and roles first.
    pub(crate) async fn torn_down_but_for_the_provider(&self) -> Tested {
        let refuse = eks_sim::Fault::Refuse { status: 403, code: "AccessDenied".to_owned(), message: "not yours".to_owned() };
        let delete = eks_sim::When::Action { service: "iam".to_owned(), action: "DeleteOpenIDConnectProvider".to_owned(), nth: 1 };
        self.sim.inject(delete, refuse);
        let torn = self.torn_down().await?;
        assert_eq!(torn.left(), [("IAM identity provider".to_owned(), "0.00".to_owned())], "{}", torn.ending.verdict);
        assert_eq!(kinds(&self.sim.inventory()), ["iam/oidc-provider"]);
        Ok(())
    }
}
