//! The chapter's machines on the simulated EC2 and Elastic Load Balancing: create, plan again, change, drift, teardown.

#[expect(dead_code, reason = "shared with the network's tests")]
mod common;
mod machines_common;

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::{Client, types::AttributeBooleanValue};
use common::{chapter, counts, owner};
use eks_core::{Plan, Verdict, engine::ApplyError};
use eks_net::machines::{HealthCheck, Instance, KeyPair, Listener, LoadBalancer, Volume, VolumeType};
use eks_sim::Sim;
use machines_common::{MY_KEY, Process, balancer, builder, empty, machine_counts, machines, private, public, volume};

type Done = Result<(), Box<dyn std::error::Error>>;

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

/// Calls since then that are not among these IAM actions.
fn not_permitted(sim: &Sim, since: usize, permitted: &BTreeSet<&str>) -> Vec<String> {
    let service = |name: &str| if name == "elb" { "elasticloadbalancing".to_owned() } else { name.to_owned() };
    let log = sim.log();
    let called: BTreeSet<String> = log.calls()[since..].iter().map(|call| format!("{}:{}", service(&call.service), call.action)).collect();
    called.into_iter().filter(|action| !permitted.contains(action.as_str())).collect()
}

async fn stand() -> Result<(Sim, Process), Box<dyn std::error::Error>> {
    let sim = Sim::new();
    let process = Process::new(&sim);
    process.apply(&machines()).await?;
    Ok((sim, process))
}

#[tokio::test(start_paused = true)]
async fn the_chapter_from_nothing_to_nothing() -> Done {
    let sim = Sim::new();
    let process = Process::new(&sim);
    let plan = process.plan(&chapter(), &machines()).await?;
    let report = plan.apply(&process.engine).await?;
    assert!(report.is_complete());
    assert_eq!(machine_counts(&sim), [("ec2/instance", 2), ("ec2/volume", 3), ("elb/load-balancer", 1)]);
    assert_eq!(not_permitted(&sim, 0, &plan.iam_actions()), [""; 0]);

    let ec2 = Client::new(&sim.sdk_config());
    let id = report.output("ec2/instance/public", "id").ok_or("an id")?.to_owned();
    let told = ec2.describe_instances().instance_ids(&id).send().await?;
    let instance = told.reservations().first().and_then(|reservation| reservation.instances().first()).ok_or("an instance")?;
    assert_eq!(instance.instance_type().map(|name| name.as_str()), Some("t3.nano"));
    assert_eq!((instance.key_name(), instance.public_ip_address()), (Some("my-key"), report.output("ec2/instance/public", "public_ip")));
    assert!(instance.private_ip_address().is_some_and(|ip| ip.starts_with("10.0.1.")), "the chapter's public subnet in us-east-1a");
    let options = instance.metadata_options().ok_or("options")?;
    assert_eq!(options.http_tokens().map(|tokens| tokens.as_str()), Some("required"));
    let told = ec2.describe_volumes().volume_ids(report.output("ec2/volume/data", "id").ok_or("an id")?).send().await?;
    let disk = told.volumes().first().ok_or("a volume")?;
    let attached = disk.attachments().first().ok_or("attached")?;
    assert_eq!((disk.size(), disk.encrypted(), disk.availability_zone()), (Some(40), Some(true), Some("us-east-1a")));
    assert_eq!((attached.instance_id(), attached.device()), (Some(id.as_str()), Some("/dev/xvdh")));
    let roots = ec2.describe_volumes().send().await?;
    assert!(roots.volumes().iter().all(|volume| volume.encrypted() == Some(true) && volume.tags().len() >= 3), "root volumes, too");

    let before = sim.log().len();
    let again = process.plan(&chapter(), &machines()).await?;
    assert_eq!(changes(&again), [""; 0], "a fixpoint");
    // The network's nine; and four of machines, tags, attributes and health of one load balancer, subnets and groups.
    assert_eq!(sim.log().len() - before, 18);
    for (key, step) in &report.steps {
        assert_eq!(again.step(key.as_str()).map(|step| &step.outputs), Some(&step.outputs), "{key}");
    }
    let bill = sim.inventory().usd_per_month();
    assert!((again.usd_per_month() - bill).abs() < 0.01, "{} {bill}", again.usd_per_month());

    // Health is read: not in service before ten checks, then it is.
    let health = |plan: &Plan| {
        plan.findings()
            .iter()
            .filter(|finding| finding.step.as_str().contains("registration"))
            .map(|one| one.message.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(health(&again), [format!("{id} is OutOfService (ELB: Instance registration is still in progress.)")]);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(health(&process.machines.plan(&machines()).await?), [format!("{id} is InService")]);

    let before = sim.log().len();
    let teardown = process.teardown().await?;
    assert_eq!(teardown.apply(&process.engine).await?.verdict, Verdict::Clean);
    assert_eq!(not_permitted(&sim, before, &teardown.iam_actions()), [""; 0]);
    assert_eq!(counts(&sim), []);
    assert!(Client::new(&sim.sdk_config()).describe_key_pairs().send().await?.key_pairs().is_empty());
    assert!(process.teardown().await?.is_empty());
    Ok(())
}

/// Attached, detached, attached again, and moved.
#[tokio::test(start_paused = true)]
async fn the_volume_goes_from_place_to_place() -> Done {
    let (sim, process) = stand().await?;
    let second = || Instance::public("second", "us-east-1a").instance_type("t2.nano").security_group("public");
    let of =
        |volume: Volume| empty().instance(public()).instance(private()).instance(second()).volume(volume).load_balancer(balancer()).build();
    let at = async || -> Result<Option<(String, String)>, Box<dyn std::error::Error>> {
        let now = process.machines.observe(&owner()).await?;
        let data = now.volumes.iter().find(|volume| volume.gib == 40).ok_or("a volume")?;
        let Some(held) = &data.held else { return Ok(None) };
        let name = |tags: &std::collections::BTreeMap<String, String>| tags.get("eks-rs/key").cloned().unwrap_or_default();
        Ok(now.instances.iter().find(|one| one.id == held.instance).map(|one| (name(&one.tags), held.device.clone())))
    };
    for (spec, place) in [
        (of(volume())?, None),
        (of(volume().attach_to("public", "/dev/xvdh"))?, Some(("ec2/instance/public", "/dev/xvdh"))),
        (of(volume().attach_to("second", "/dev/sdf"))?, Some(("ec2/instance/second", "/dev/sdf"))),
        (of(volume().attach_to("second", "/dev/sdg"))?, Some(("ec2/instance/second", "/dev/sdg"))),
    ] {
        process.apply(&spec).await?;
        assert_eq!(at().await?.as_ref().map(|(instance, device)| (instance.as_str(), device.as_str())), place);
        let again = process.plan(&chapter(), &spec).await?;
        assert!(again.is_noop(), "{again}");
    }
    assert_eq!(process.tear_down().await?, Verdict::Clean);
    assert_eq!(counts(&sim), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_volume_grows_and_changes_its_type() -> Done {
    let (sim, process) = stand().await?;
    let larger = Volume::new("data", 100).iops(4_000).throughput(250).attach_to("public", "/dev/xvdh");
    let spec = empty().instance(public()).instance(private()).volume(larger).load_balancer(balancer()).build()?;
    let plan = process.machines.plan(&spec).await?;
    assert_eq!(changes(&plan), ["Update ec2/volume/data: size: 40 → 100 GB; IOPS: 3000 → 4000; MiB/s: 125 → 250"]);
    process.apply(&spec).await?;
    assert!(process.plan(&chapter(), &spec).await?.is_noop());
    let refused = process.machines.plan(&machines()).await.expect_err("smaller");
    assert!(refused.to_string().contains("it has 100 GiB, the spec has 40, and a volume cannot be made smaller"), "{refused}");
    let bill = sim.inventory().usd_per_month();
    assert!((process.plan(&chapter(), &spec).await?.usd_per_month() - bill).abs() < 0.01, "{bill}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_changes_in_place() -> Done {
    let (_sim, process) = stand().await?;
    let arn = |number: u8| format!("arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-12345678901{number}");
    let secure = |number: u8| {
        LoadBalancer::internet_facing("public-elb")
            .listener(Listener::https(443, 8080, arn(number)))
            .listener(Listener::tcp(22, 22))
            .health_check(HealthCheck::http(8080, "/health").every(10).timeout(3).thresholds(3, 2))
            .security_group("public")
            .zones(["us-east-1a"])
            .cross_zone(false)
            .connection_draining(None)
            .idle_timeout(120)
    };
    let of = |balancer: LoadBalancer| {
        empty().instance(public()).instance(private()).volume(volume().attach_to("public", "/dev/xvdh")).load_balancer(balancer).build()
    };
    let both = |number: u8| secure(number).zones(["us-east-1b"]).instance("private").wait_in_service();
    for (spec, updates) in [(of(secure(1))?, 2), (of(secure(2))?, 1), (of(both(2))?, 2), (machines(), 2)] {
        let plan = process.plan(&chapter(), &spec).await?;
        assert_eq!(plan.changes().count(), updates, "{plan}");
        plan.apply(&process.engine).await?;
        let again = process.plan(&chapter(), &spec).await?;
        assert!(again.is_noop(), "{again}");
    }
    assert_eq!(process.tear_down().await?, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn registration_waits_until_in_service() -> Done {
    let sim = Sim::new();
    let process = Process::new(&sim);
    let quick = HealthCheck::tcp(80).every(5).timeout(2).thresholds(2, 2);
    let spec = empty().instance(public()).load_balancer(balancer().health_check(quick).wait_in_service()).build()?;
    process.apply(&spec).await?;
    let plan = process.machines.plan(&spec).await?;
    assert!(plan.findings().iter().any(|finding| finding.message.ends_with("is InService")), "{plan}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn drift_is_mended() -> Done {
    let (sim, process) = stand().await?;
    let now = process.machines.observe(&owner()).await?;
    let other = Client::new(&sim.sdk_config());
    let of = |key: &str| {
        now.instances.iter().find(|one| one.tags.get("eks-rs/key").is_some_and(|found| found == key)).map(|one| one.id.to_string())
    };
    let (public, private) = (of("ec2/instance/public").ok_or("one")?, of("ec2/instance/private").ok_or("one")?);
    let groups = now.instances.iter().find(|one| one.id.as_str() == public).map(|one| one.groups[0].to_string()).ok_or("a group")?;
    other.modify_instance_attribute().instance_id(&private).groups(groups).send().await?;
    other.modify_instance_metadata_options().instance_id(&public).http_put_response_hop_limit(5).send().await?;
    let data = now.volumes.iter().find(|volume| volume.gib == 40).ok_or("a volume")?;
    other.detach_volume().volume_id(data.id.as_str()).send().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let plan = process.machines.plan(&machines()).await?;
    let keys: Vec<String> = plan.changes().map(|step| format!("{:?} {}", step.action, step.key)).collect();
    assert_eq!(keys, ["Update ec2/instance/public", "Update ec2/instance/private", "Create ec2/attachment/data"]);
    process.apply(&machines()).await?;
    assert!(process.plan(&chapter(), &machines()).await?.is_noop());
    Ok(())
}

/// A dead instance is replaced, again and again; also when EC2 has forgotten it.
#[tokio::test(start_paused = true)]
async fn a_terminated_instance_is_replaced() -> Done {
    let (sim, process) = stand().await?;
    let other = Client::new(&sim.sdk_config());
    for forgotten in [false, true] {
        let now = process.machines.observe(&owner()).await?;
        let id = now.instances.iter().find(|one| one.state == "running" && one.public_ip.is_some()).ok_or("one")?.id.to_string();
        other.terminate_instances().instance_ids(id).send().await?;
        tokio::time::sleep(Duration::from_secs(if forgotten { 2 * 3600 } else { 90 })).await;
        process.apply(&machines()).await?;
        assert!(process.plan(&chapter(), &machines()).await?.is_noop());
        assert_eq!(machine_counts(&sim), [("ec2/instance", 2), ("ec2/volume", 3), ("elb/load-balancer", 1)]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn made_again_after_a_teardown() -> Done {
    let (sim, process) = stand().await?;
    assert_eq!(process.tear_down().await?, Verdict::Clean);
    process.apply(&machines()).await?;
    assert_eq!(machine_counts(&sim), [("ec2/instance", 2), ("ec2/volume", 3), ("elb/load-balancer", 1)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_key_under_the_name_is_refused() -> Done {
    let (sim, process) = stand().await?;
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDN7JyYfF1HorERk/rxgPorCkT467naUtExMI25kJrZ4TdVcFGz/jlFqBUnObRkGyBnHI+gBzOS27sDmrFJxrJtGgILmKE6hiA9VzSOiAcnkRPqaKG5Dj8yxt3XJ8nhE1GjbdMPABxkMv1wlqm07k5IIguTZ7TIg2/1J6vxIBxANQ==";
    let changed = eks_net::machines::MachinesSpec::builder(&owner(), chapter().refs()).key_pair(KeyPair::import("my-key", rsa)).build()?;
    let refused = process.machines.plan(&changed).await.expect_err("another key");
    assert!(refused.to_string().contains("a key cannot be changed"), "{refused}");
    // Of somebody else, under a name of the spec; and an RSA key, whose fingerprint is another digest.
    let other = Client::new(&sim.sdk_config());
    let material = aws_sdk_ec2::primitives::Blob::new(MY_KEY.as_bytes());
    other.import_key_pair().key_name("theirs").public_key_material(material).send().await?;
    let named =
        |name: &str| eks_net::machines::MachinesSpec::builder(&owner(), chapter().refs()).key_pair(KeyPair::import(name, rsa)).build();
    let refused = process.machines.plan(&named("theirs")?).await.expect_err("their name");
    assert!(refused.to_string().contains("we did not make it"), "{refused}");
    process.apply(&named("old")?).await?;
    assert!(process.machines.plan(&named("old")?).await?.is_noop());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_types_of_2018() -> Done {
    let sim = Sim::new();
    let process = Process::new(&sim);
    let old = Volume::new("data", 40).of_type(VolumeType::Standard).unencrypted().attach_to("public", "/dev/xvdh");
    let spec = empty().instance(public().instance_type("t2.nano").imds_v1()).volume(old).build()?;
    process.apply(&spec).await?;
    let again = process.plan(&chapter(), &spec).await?;
    assert!(again.is_noop(), "{again}");
    assert!((again.usd_per_month() - sim.inventory().usd_per_month()).abs() < 0.01);
    assert_eq!(process.tear_down().await?, Verdict::Clean);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_and_what_is_protected_is_told() -> Done {
    let sim = Sim::new();
    let process = Process::new(&sim);
    let kept = volume().attach_to("public", "/dev/xvdh").retain();
    let spec = empty().instance(public().termination_protection()).volume(kept).build()?;
    process.apply(&spec).await?;
    let verdict = process.tear_down().await?;
    let told: Vec<String> = verdict.survivors().iter().map(|one| format!("{}: {}", one.kind, one.why)).collect();
    assert!(told.iter().any(|one| one == "EBS volume: it was kept by request (Volume::retain)"), "{told:?}");
    assert!(told.iter().any(|one| one.starts_with("instance: ") && one.contains("may not be terminated")), "{told:?}");
    // The protection goes, and so does everything but the volume, whose price is told.
    let other = Client::new(&sim.sdk_config());
    let id = process.machines.observe(&owner()).await?.instances[0].id.to_string();
    let off = AttributeBooleanValue::builder().value(false).build();
    other.modify_instance_attribute().instance_id(id).disable_api_termination(off).send().await?;
    let verdict = process.tear_down().await?;
    assert_eq!(verdict.survivors().len(), 1, "{verdict}");
    assert!((verdict.survivors()[0].usd_per_month - 3.2).abs() < 1e-9);
    assert_eq!(counts(&sim), [("ec2/volume".to_owned(), 1)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_a_stranger_has_is_left_to_it() -> Done {
    let (sim, process) = stand().await?;
    let now = process.machines.observe(&owner()).await?;
    let other = Client::new(&sim.sdk_config());
    let data = now.volumes.iter().find(|volume| volume.gib == 40).ok_or("a volume")?;
    let ours = now.instances.iter().find(|one| one.public_ip.is_some()).ok_or("one")?;
    let subnet = ours.subnet.as_ref().ok_or("a subnet")?.to_string();
    let stranger = other.run_instances().min_count(1).max_count(1).image_id(&ours.image).instance_type("t2.nano".into()).subnet_id(subnet);
    let stranger = stranger.send().await?.instances().first().and_then(|one| one.instance_id()).ok_or("an id")?.to_owned();
    other.detach_volume().volume_id(data.id.as_str()).send().await?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    other.attach_volume().volume_id(data.id.as_str()).instance_id(&stranger).device("/dev/sdf").send().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let refused = process.machines.plan(&machines()).await.expect_err("a stranger has it");
    assert!(refused.to_string().contains("which we did not make"), "{refused}");
    let verdict = process.machines.teardown(&owner()).await?.apply(&process.engine).await?.verdict;
    assert_eq!(verdict.survivors().len(), 1, "{verdict}");
    assert!(verdict.survivors()[0].why.contains(&stranger), "{verdict}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_applied_exactly_or_refused() -> Done {
    let (sim, process) = stand().await?;
    let more = builder().tag("team", "platform").build()?;
    let saved = process.plan(&chapter(), &more).await?.to_json()?;
    let other = Client::new(&sim.sdk_config());
    let id = process.machines.observe(&owner()).await?.instances[0].id.to_string();
    other.modify_instance_metadata_options().instance_id(id).http_put_response_hop_limit(5).send().await?;
    let stale = Plan::from_json(&saved)?.apply(&process.engine).await;
    let Err(ApplyError::Stale { differences }) = stale else { return Err("a stale plan was applied".into()) };
    assert!(differences[0].to_string().ends_with("metadata: planned on IMDSv2, 1 hop, found IMDSv2, 5 hops"), "{differences:?}");
    let elsewhere = sim.sdk_config().into_builder().region(aws_sdk_ec2::config::Region::new("eu-west-1")).build();
    let refused = eks_net::machines::Machines::new(&elsewhere).plan(&machines()).await.expect_err("zones of another Region");
    assert!(refused.to_string().starts_with("machines: their zones are chosen for us-east-1"), "{refused}");
    Ok(())
}
