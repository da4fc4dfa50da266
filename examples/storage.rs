//! Storage and services: a StorageClass, a claim, the Pod that mounts it, and a Service of type LoadBalancer; what they cost, and how
//! they are let go.
//!
//! What Kubernetes makes in AWS (a volume, a load balancer) is priced in the plan and waited for in the teardown, before the nodes that
//! hold it go. A volume whose class says `Retain` stays, and the verdict tells what it costs.
//!
//! `cargo run --example storage` does it on the embedded simulator; see `--help` for the rest.

use std::process::ExitCode;

use clap::Parser;
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
    program::{Place, brief, clean, heading, say, telling},
    seeing,
};
use eks_k8s::{Claim, ObjectsSpecBuilder, Pod, Reclaim, Service, StorageClass};

/// Puts storage and services upon the chapter's cluster, and lets them go.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// The owner of everything; also the name of the cluster.
    #[arg(long, default_value = "shop")]
    owner: String,
    /// The volume stays when its claim goes.
    #[arg(long)]
    retain: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    options.place.run(async |account| storage(&options, account).await)
}

/// What goes upon the cluster.
fn objects(builder: ObjectsSpecBuilder, reclaim: Reclaim) -> ObjectsSpecBuilder {
    builder
        .storage_class(StorageClass::gp3("fast").iops(4_000).throughput(250).encrypted(true).expandable(true).reclaim(reclaim))
        .claim(Claim::new("orders", "20Gi").class("fast"))
        .pod(Pod::new("shop", "public.ecr.aws/nginx/nginx:1.29").label("app", "shop").port(80).mount("orders", "/var/lib/orders"))
        .service(Service::load_balancer("shop").internet_facing().network().port(80, 80).selector("app", "shop"))
}

async fn storage(options: &Options, account: Account) -> Result<(), Failure> {
    let reclaim = if options.retain { Reclaim::Retain } else { Reclaim::Delete };
    let variant = Variant { owner: options.owner.clone(), ..Variant::of(&account).await? };
    let environment = Environment::with_objects(&variant, &account, move |builder| objects(builder, reclaim))?;

    let plan = environment.plan().await?;
    heading("What Kubernetes will hold, and make in AWS");
    let steps = plan.steps().iter().filter(|step| step.key.layer() == "k8s");
    for step in steps {
        say(format!("  {:<32} {}", step.key.as_str(), step.title));
        step.prices.iter().for_each(|price| say(format!("  {:>32} ${:.2} a month for {}", "", price.usd_per_month, price.item)));
    }
    say(format!("the cluster below is {} more steps", plan.without_layers(["k8s"]).0.steps().len()));
    options.place.confirm(&options.owner)?;
    plan.apply(&telling(environment.engine())).await?;

    heading("What there is");
    if let Some(sim) = account.sim() {
        let inventory = sim.inventory();
        // Nodes have volumes of their own.
        let made = ["elb/load-balancer", "kubernetes/PersistentVolume", "kubernetes/Service"];
        let claimed = |tags: &[(String, String)]| tags.iter().any(|(key, _)| key.starts_with("kubernetes.io/created-for/"));
        for item in inventory.items().iter().filter(|item| made.contains(&item.kind.as_str()) || claimed(&item.tags)) {
            let id = item.id.split(":loadbalancer/").last().unwrap_or_default();
            say(format!("  {:<27} {id:<46} ${:.2} a month", item.kind, item.usd_per_month));
        }
    }
    let again = environment.plan().await?;
    say(brief(&again));

    heading("Let go, from the top");
    let teardown = environment.teardown().await?;
    seeing::teardown(&teardown);
    options.place.confirm(&options.owner)?;
    let verdict = teardown.apply(&telling(environment.engine())).await?.verdict;
    seeing::verdict(&verdict);
    if options.retain { Ok(()) } else { clean(&verdict) }
}
