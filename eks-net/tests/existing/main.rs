//! Networks that others made, on the simulated EC2: surveyed, mended, used, adopted, and left as they were.

mod adopting;
mod faults;
#[path = "../foreigners/mod.rs"]
mod foreigners;
mod using;

use eks_core::{Owner, Plan, Verdict, engine::Engine};
use eks_net::{ExistingNetwork, ExistingNetworkBuilder, Networks, Survey};
use eks_sim::Sim;
use foreigners::{Failed, Foreigner, Theirs};

pub(crate) type Done = Result<(), Failed>;

pub(crate) fn owner() -> Owner {
    Owner::new("shop").expect("a fine name")
}

pub(crate) fn choice() -> ExistingNetworkBuilder {
    ExistingNetwork::builder(&owner()).cluster("shop")
}

/// A process of its own: nothing is remembered but what the account holds.
pub(crate) fn process(sim: &Sim) -> (Networks, Engine) {
    let networks = Networks::new(&sim.sdk_config());
    (networks.clone(), Engine::new().driver(networks))
}

pub(crate) fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

pub(crate) fn codes(survey: &Survey) -> Vec<(&'static str, bool)> {
    survey.gaps().iter().map(|gap| (gap.code, gap.blocks)).collect()
}

pub(crate) async fn tear_down(sim: &Sim) -> Result<Verdict, Failed> {
    let (networks, engine) = process(sim);
    Ok(networks.teardown(&owner()).await?.apply(&engine).await?.verdict)
}

pub(crate) async fn refusal(networks: &Networks, choice: ExistingNetworkBuilder) -> Result<String, Failed> {
    match networks.survey(&choice.build()?).await {
        Err(error @ eks_core::Error::Refused { .. }) => Ok(error.to_string()),
        other => Err(format!("it was not refused: {other:?}").into()),
    }
}

/// The default VPC of the account: public subnets only, all by the main route table.
pub(crate) async fn sim_default(sim: &Sim) -> Result<Theirs, Failed> {
    let them = Foreigner::new(sim, &[]);
    let vpcs = them.ec2.describe_vpcs().send().await?;
    let vpc = vpcs.vpcs().first().and_then(|vpc| vpc.vpc_id()).ok_or("every account has one")?;
    let mut subnets: Vec<(String, String)> = Vec::new();
    for subnet in them.ec2.describe_subnets().send().await?.subnets() {
        subnets.push((subnet.availability_zone().unwrap_or_default().to_owned(), subnet.subnet_id().unwrap_or_default().to_owned()));
    }
    subnets.sort();
    Ok(Theirs { vpc: vpc.to_owned(), public: subnets.into_iter().map(|(_, id)| id).collect(), ..Theirs::default() })
}
