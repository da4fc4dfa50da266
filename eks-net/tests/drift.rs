//! What others change about a network of ours: shown field by field, mended, and then there is nothing to do; or refused, all at
//! once, where nothing can change it in place.

mod common;

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    types::{AttributeBooleanValue, IpPermission, IpRange, Tag},
};
use common::{builder, chapter, counts, owner, process, standing};
use eks_core::{Plan, engine::Engine};
use eks_net::{Nat, NetworkSpec, Networks};
use eks_sim::Sim;

type Failed = Box<dyn std::error::Error>;
type Done = Result<(), Failed>;

/// A network of ours that stands, and a client of somebody else's.
struct Net {
    sim: Sim,
    networks: Networks,
    engine: Engine,
    spec: NetworkSpec,
    made: eks_core::engine::Report,
    ec2: Client,
}

impl Net {
    async fn new(spec: NetworkSpec) -> Result<Self, Failed> {
        let sim = Sim::new();
        let (networks, engine) = process(&sim);
        let made = networks.plan(&spec).await?.apply(&engine).await?;
        let ec2 = Client::new(&sim.sdk_config());
        Ok(Self { sim, networks, engine, spec, made, ec2 })
    }

    /// The id of what a step made.
    fn id(&self, key: &str) -> String {
        self.made.output(key, "id").map(str::to_owned).unwrap_or_default()
    }

    async fn dns(&self, support: Option<bool>, hostnames: Option<bool>) -> Done {
        let value = |value: Option<bool>| value.map(|value| AttributeBooleanValue::builder().value(value).build());
        let call = self.ec2.modify_vpc_attribute().vpc_id(self.id("net/vpc"));
        call.set_enable_dns_support(value(support)).set_enable_dns_hostnames(value(hostnames)).send().await?;
        Ok(())
    }

    async fn map_public_ip(&self, subnet: &str, on: bool) -> Done {
        let on = AttributeBooleanValue::builder().value(on).build();
        self.ec2.modify_subnet_attribute().subnet_id(self.id(subnet)).map_public_ip_on_launch(on).send().await?;
        Ok(())
    }

    async fn tag(&self, id: &str, key: &str, value: &str) -> Done {
        self.ec2.create_tags().resources(id).tags(Tag::builder().key(key).value(value).build()).send().await?;
        Ok(())
    }

    async fn untag(&self, id: &str, keys: &[&str]) -> Done {
        let tags = keys.iter().map(|key| Tag::builder().key(*key).build()).collect();
        self.ec2.delete_tags().resources(id).set_tags(Some(tags)).send().await?;
        Ok(())
    }

    async fn delete_route(&self, table: &str) -> Done {
        self.ec2.delete_route().route_table_id(self.id(table)).destination_cidr_block("0.0.0.0/0").send().await?;
        Ok(())
    }

    async fn disassociate(&self, association: &str) -> Done {
        self.ec2.disassociate_route_table().association_id(self.id(association)).send().await?;
        Ok(())
    }

    async fn detach_gateway(&self) -> Done {
        let call = self.ec2.detach_internet_gateway().internet_gateway_id(self.id("net/internet-gateway"));
        call.vpc_id(self.id("net/vpc")).send().await?;
        Ok(())
    }

    async fn delete_nat(&self) -> Done {
        self.ec2.delete_nat_gateway().nat_gateway_id(self.id("net/nat/us-east-1a")).send().await?;
        tokio::time::sleep(Duration::from_secs(300)).await;
        Ok(())
    }

    async fn foreign_table(&self) -> Result<String, Failed> {
        let table = self.ec2.create_route_table().vpc_id(self.id("net/vpc")).send().await?;
        Ok(table.route_table().and_then(|table| table.route_table_id()).unwrap_or_default().to_owned())
    }
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes().map(|step| format!("{:?} {}: {}", step.action, step.key, step.changes.join("; "))).collect()
}

fn lines<const N: usize>(lines: [&str; N]) -> Vec<String> {
    lines.map(str::to_owned).to_vec()
}

/// The change of a row, which tells the lines that the next plan must have.
async fn mended(name: &str, spec: NetworkSpec, change: impl AsyncFn(&Net) -> Result<Vec<String>, Failed>) -> Done {
    let net = Net::new(spec).await.map_err(|error| format!("{name}: {error}"))?;
    let before = counts(&net.sim);
    let expected = change(&net).await.map_err(|error| format!("{name}: {error:?}"))?;
    let plan = net.networks.plan(&net.spec).await.map_err(|error| format!("{name}: {error}"))?;
    assert_eq!(changes(&plan), expected, "{name}");
    plan.apply(&net.engine).await.map_err(|error| format!("{name}: {error}"))?;
    let again = net.networks.plan(&net.spec).await?;
    assert!(again.is_noop(), "{name}: {again}");
    let added: Vec<_> = counts(&net.sim).into_iter().filter(|count| !before.contains(count)).collect();
    // A table of somebody else's, where the row makes one.
    assert!(added.iter().all(|(kind, _)| kind == "ec2/route-table"), "{name}: {added:?}");
    Ok(())
}

async fn refused(name: &str, spec: NetworkSpec, said: &[&str], change: impl AsyncFn(&Net) -> Done) -> Done {
    let net = Net::new(spec).await?;
    change(&net).await.map_err(|error| format!("{name}: {error:?}"))?;
    match net.networks.plan(&net.spec).await {
        Err(error @ eks_core::Error::Refused { .. }) => {
            let told = error.to_string();
            for said in said {
                assert!(told.contains(said), "{name}: {said:?} is not said in {told}");
            }
            Ok(())
        }
        other => Err(format!("{name}: it was not refused: {other:?}").into()),
    }
}

fn without_nat() -> NetworkSpec {
    builder().nat(Nat::None).build().expect("a fine network")
}

#[tokio::test(start_paused = true)]
async fn attributes() -> Done {
    mended("DNS hostnames off", chapter(), async |net| {
        net.dns(None, Some(false)).await?;
        Ok(lines(["Update net/vpc: enableDnsHostnames: false → true"]))
    })
    .await?;
    mended("DNS off altogether", chapter(), async |net| {
        net.dns(None, Some(false)).await?;
        net.dns(Some(false), None).await?;
        Ok(lines(["Update net/vpc: enableDnsSupport: false → true; enableDnsHostnames: false → true"]))
    })
    .await?;
    mended("public addresses off where they belong, on where they do not", chapter(), async |net| {
        net.map_public_ip("net/subnet/public/us-east-1a", false).await?;
        net.map_public_ip("net/subnet/private/us-east-1b", true).await?;
        Ok(lines([
            "Update net/subnet/public/us-east-1a: MapPublicIpOnLaunch: false → true",
            "Update net/subnet/private/us-east-1b: MapPublicIpOnLaunch: true → false",
        ]))
    })
    .await?;
    mended("internet gateway detached", without_nat(), async |net| {
        net.detach_gateway().await?;
        Ok(lines(["Update net/internet-gateway: attachment: none → VPC"]))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn tags() -> Done {
    let kinds = [
        "net/vpc",
        "net/internet-gateway",
        "net/subnet/private/us-east-1a",
        "net/elastic-ip/us-east-1a",
        "net/nat/us-east-1a",
        "net/route-table/public",
        "net/security-group/public",
    ];
    mended("user's tag removed from, and name changed of, every kind", builder().tag("team", "a").build()?, async |net| {
        let mut expected = Vec::new();
        for key in kinds {
            net.untag(&net.id(key), &["team"]).await?;
            net.tag(&net.id(key), "Name", "x").await?;
            let name = format!("chap10-{}", key.trim_start_matches("net/").replace('/', "-"));
            expected.push(format!("Update {key}: tag Name: x → {name}; tag team: none → a"));
        }
        Ok(expected)
    })
    .await?;
    mended("tags for load balancers", chapter(), async |net| {
        net.tag(&net.id("net/subnet/public/us-east-1a"), "kubernetes.io/role/elb", "0").await?;
        net.untag(&net.id("net/subnet/private/us-east-1a"), &["kubernetes.io/role/internal-elb", "kubernetes.io/cluster/chap10"]).await?;
        net.tag(&net.id("net/subnet/private/us-east-1a"), "note", "of others, stays").await?;
        Ok(lines([
            "Update net/subnet/public/us-east-1a: tag kubernetes.io/role/elb: 0 → 1",
            "Update net/subnet/private/us-east-1a: tag kubernetes.io/cluster/chap10: none → shared; \
             tag kubernetes.io/role/internal-elb: none → 1",
        ]))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn routes_and_associations() -> Done {
    mended("default routes deleted", chapter(), async |net| {
        net.delete_route("net/route-table/public").await?;
        net.delete_route("net/route-table/private").await?;
        Ok(lines(["Create net/route/public: ", "Create net/route/private: "]))
    })
    .await?;
    mended("a private table made public", chapter(), async |net| {
        let (gateway, nat) = (net.id("net/internet-gateway"), net.id("net/nat/us-east-1a"));
        let call = net.ec2.replace_route().route_table_id(net.id("net/route-table/private")).destination_cidr_block("0.0.0.0/0");
        call.gateway_id(&gateway).send().await?;
        Ok(vec![format!("Update net/route/private: 0.0.0.0/0: {gateway} → {nat}")])
    })
    .await?;
    mended("a subnet disassociated", chapter(), async |net| {
        net.disassociate("net/association/private/us-east-1a").await?;
        Ok(lines(["Create net/association/private/us-east-1a: "]))
    })
    .await?;
    mended("subnets moved to another table, ours and not", chapter(), async |net| {
        let (public, private, theirs) = (net.id("net/route-table/public"), net.id("net/route-table/private"), net.foreign_table().await?);
        for (association, table) in [("net/association/public/us-east-1b", &theirs), ("net/association/private/us-east-1b", &public)] {
            let call = net.ec2.replace_route_table_association().association_id(net.id(association)).route_table_id(table);
            call.send().await?;
        }
        Ok(vec![
            format!("Update net/association/public/us-east-1b: route table: {theirs} → {public}"),
            format!("Update net/association/private/us-east-1b: route table: {public} → {private}"),
        ])
    })
    .await?;
    mended("a route table deleted", chapter(), async |net| {
        for zone in ["us-east-1a", "us-east-1b"] {
            net.disassociate(&format!("net/association/private/{zone}")).await?;
        }
        net.ec2.delete_route_table().route_table_id(net.id("net/route-table/private")).send().await?;
        Ok(lines([
            "Create net/route-table/private: ",
            "Create net/route/private: ",
            "Create net/association/private/us-east-1a: ",
            "Create net/association/private/us-east-1b: ",
        ]))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn things_deleted() -> Done {
    mended("a subnet", chapter(), async |net| {
        net.ec2.delete_subnet().subnet_id(net.id("net/subnet/private/us-east-1b")).send().await?;
        Ok(lines(["Create net/subnet/private/us-east-1b: ", "Create net/association/private/us-east-1b: "]))
    })
    .await?;
    mended("the internet gateway", without_nat(), async |net| {
        let gateway = net.id("net/internet-gateway");
        net.detach_gateway().await?;
        net.ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await?;
        Ok(vec![
            "Create net/internet-gateway: ".to_owned(),
            format!("Update net/route/public: 0.0.0.0/0: {gateway} → net/internet-gateway"),
        ])
    })
    .await?;
    mended("the NAT gateway, with its address", chapter(), async |net| {
        let nat = net.id("net/nat/us-east-1a");
        net.delete_nat().await?;
        net.ec2.release_address().allocation_id(net.id("net/elastic-ip/us-east-1a")).send().await?;
        Ok(vec![
            "Create net/elastic-ip/us-east-1a: ".to_owned(),
            "Create net/nat/us-east-1a: ".to_owned(),
            format!("Update net/route/private: 0.0.0.0/0: {nat} → net/nat/us-east-1a"),
        ])
    })
    .await?;
    mended("a security group, and a rule of another", chapter(), async |net| {
        net.ec2.delete_security_group().group_id(net.id("net/security-group/elb")).send().await?;
        let range = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let rule = IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80).ip_ranges(range).build();
        net.ec2.revoke_security_group_ingress().group_id(net.id("net/security-group/public")).ip_permissions(rule).send().await?;
        Ok(lines([
            "Update net/security-group-rules/public: rule tcp 80 from 0.0.0.0/0: none → allowed",
            "Create net/security-group/elb: ",
            "Create net/security-group-rules/elb: ",
        ]))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_failed_is_made_again() -> Done {
    mended("NAT gateway failed", chapter(), async |net| {
        let (dead, gateway, vpc) = (net.id("net/nat/us-east-1a"), net.id("net/internet-gateway"), net.id("net/vpc"));
        net.delete_nat().await?;
        net.detach_gateway().await?;
        // Without an internet gateway a NAT gateway fails (Gateway.NotAttached).
        let tags =
            owner().tags(&"net/nat/us-east-1a".parse()?).into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags =
            aws_sdk_ec2::types::TagSpecification::builder().resource_type("natgateway".into()).set_tags(Some(tags.collect())).build();
        let call = net.ec2.create_nat_gateway().subnet_id(net.id("net/subnet/public/us-east-1a"));
        let failed = call.allocation_id(net.id("net/elastic-ip/us-east-1a")).tag_specifications(tags).send().await?;
        let failed = failed.nat_gateway().and_then(|nat| nat.nat_gateway_id()).unwrap_or_default().to_owned();
        tokio::time::sleep(Duration::from_secs(300)).await;
        let states = net.networks.observe(&owner()).await?.nat_gateways;
        assert!(states.iter().any(|nat| nat.id.as_str() == failed && nat.state == "failed"), "{states:?}");
        net.ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await?;
        Ok(vec!["Create net/nat/us-east-1a: ".to_owned(), format!("Update net/route/private: 0.0.0.0/0: {dead} → net/nat/us-east-1a")])
    })
    .await
}

/// Deletes a subnet of ours and makes another with its tags.
async fn swapped(net: &Net, key: &str, cidr: &str, zone: &str) -> Done {
    net.ec2.delete_subnet().subnet_id(net.id(key)).send().await?;
    let tags = owner().tags(&key.parse()?).into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = aws_sdk_ec2::types::TagSpecification::builder().resource_type("subnet".into()).set_tags(Some(tags.collect())).build();
    let call = net.ec2.create_subnet().vpc_id(net.id("net/vpc")).cidr_block(cidr).availability_zone(zone);
    call.tag_specifications(tags).send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_in_place_is_refused_all_at_once() -> Done {
    let cannot = "and neither can be changed; give the new subnet a name of its own, or tear the network down first";
    refused(
        "a subnet with another block",
        chapter(),
        &["it is 10.0.9.0/24 in us-east-1b, the spec has 10.0.2.0/24", cannot],
        async |net| swapped(net, "net/subnet/private/us-east-1b", "10.0.9.0/24", "us-east-1b").await,
    )
    .await?;
    let several = [
        "network chap10: 4 things stand against it; mend each, then plan again:\n  - ",
        "it is 10.0.4.0/24 in us-east-1c, the spec has 10.0.4.0/24 in us-east-1a",
        "it is 10.0.9.0/24 in us-east-1b, the spec has 10.0.2.0/24 in us-east-1b",
        "it is \"elb\" (another), the spec has \"elb\" (load balancer), and neither name nor description can be changed",
        "net/route-table/public: rtb-",
        "both carry this key; delete the one that is not in use, or remove its tag eks-rs/key",
    ];
    refused("several things", chapter(), &several, async |net| {
        swapped(net, "net/subnet/private/us-east-1a", "10.0.4.0/24", "us-east-1c").await?;
        swapped(net, "net/subnet/private/us-east-1b", "10.0.9.0/24", "us-east-1b").await?;
        net.ec2.delete_security_group().group_id(net.id("net/security-group/elb")).send().await?;
        let group = net.ec2.create_security_group().vpc_id(net.id("net/vpc")).group_name("elb").description("another").send().await?;
        for (key, value) in owner().tags(&"net/security-group/elb".parse()?) {
            net.tag(group.group_id().unwrap_or_default(), &key, &value).await?;
        }
        let twin = net.foreign_table().await?;
        for (key, value) in owner().tags(&"net/route-table/public".parse()?) {
            net.tag(&twin, &key, &value).await?;
        }
        Ok(())
    })
    .await?;
    let lost = "or, if it is ours and lost its tags, tag it eks-rs/owner=chap10 and eks-rs/key=net/subnet/private/us-east-1a again";
    refused("a subnet that lost its tags", chapter(), &["in the same VPC has 10.0.4.0/24", lost], async |net| {
        net.untag(&net.id("net/subnet/private/us-east-1a"), &["eks-rs/owner"]).await
    })
    .await?;
    let lost = "or, if that VPC is ours and lost its tags, tag it eks-rs/owner=chap10 and eks-rs/key=net/vpc again";
    refused("a VPC that lost its tags", chapter(), &["which is not this network's VPC", lost], async |net| {
        net.untag(&net.id("net/vpc"), &["eks-rs/owner", "eks-rs/key"]).await
    })
    .await?;
    refused(
        "a NAT gateway in another subnet",
        chapter(),
        &["it is not in the subnet net/subnet/public/us-east-1a, and cannot be moved"],
        async |net| {
            net.delete_nat().await?;
            let tags =
                owner().tags(&"net/nat/us-east-1a".parse()?).into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
            let tags =
                aws_sdk_ec2::types::TagSpecification::builder().resource_type("natgateway".into()).set_tags(Some(tags.collect())).build();
            let call = net.ec2.create_nat_gateway().subnet_id(net.id("net/subnet/public/us-east-1b"));
            call.allocation_id(net.id("net/elastic-ip/us-east-1a")).tag_specifications(tags).send().await?;
            Ok(())
        },
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn what_is_mended_at_once_is_what_stood_before() -> Done {
    let net = Net::new(chapter()).await?;
    net.dns(None, Some(false)).await?;
    net.map_public_ip("net/subnet/public/us-east-1b", false).await?;
    net.delete_nat().await?;
    net.delete_route("net/route-table/private").await?;
    net.disassociate("net/association/private/us-east-1a").await?;
    net.ec2.delete_subnet().subnet_id(net.id("net/subnet/private/us-east-1b")).send().await?;
    assert_ne!(counts(&net.sim), standing());
    net.networks.plan(&net.spec).await?.apply(&net.engine).await?;
    assert_eq!(counts(&net.sim), standing());
    assert!(net.networks.plan(&net.spec).await?.is_noop());
    let verdict = common::tear_down(&net.sim).await;
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(counts(&net.sim), []);
    Ok(())
}
