//! The same plan's policy in each partition: ARNs and service names are that partition's, and IAM would take every document.

use eks_core::PolicyScope;
use eks_examples::{
    account::Account,
    environment::{Environment, Variant},
};
use eks_sim::Sim;

use crate::flow::Done;

#[tokio::test(start_paused = true)]
async fn arns_and_services_are_of_the_partition() -> Done {
    let sim = Sim::new();
    let environment = Environment::new(&Variant::default(), &Account::on(sim.clone()))?;
    let plan = environment.plan().await?;
    for (region, partition, ec2) in [
        ("us-east-1", "aws", "ec2.amazonaws.com"),
        ("cn-north-1", "aws-cn", "ec2.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "ec2.amazonaws.com"),
    ] {
        let policy = plan.policy(&PolicyScope::of_region(region, "123456789012")?);
        let documents = policy.documents()?;
        for document in &documents {
            assert!(document.len() <= 6_144 && !document.contains("${"), "{document}");
        }
        // A document's grammar is the same everywhere.
        sim.enforce(&documents)?;
        let resources: Vec<_> = policy.statements().iter().flat_map(|statement| &statement.resources).filter(|one| *one != "*").collect();
        assert!(resources.iter().all(|arn| arn.starts_with(&format!("arn:{partition}:"))), "{resources:#?}");
        let regional = resources.iter().filter(|arn| arn.split(':').nth(3).is_some_and(|region| !region.is_empty()));
        assert!(regional.clone().count() > 20 && regional.clone().all(|arn| arn.split(':').nth(3) == Some(region)), "{resources:#?}");
        let conditions =
            policy.statements().iter().filter_map(|statement| statement.conditions.get("StringEquals")?.get("iam:PassedToService"));
        let services: Vec<_> = conditions.flatten().collect();
        assert!(services.iter().any(|service| *service == ec2), "{services:?}");
        assert!(services.iter().all(|service| *service == ec2 || !service.starts_with("ec2.")), "{services:?}");
    }
    Ok(())
}
