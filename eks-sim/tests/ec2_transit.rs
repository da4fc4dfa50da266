//! Transit gateways and their attachments, over the wire.

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::ProvideErrorMetadata,
    types::{Filter, ResourceType, RouteState, Tag, TagSpecification, TransitGatewayAttachmentState, TransitGatewayState},
};
use eks_sim::Sim;

/// The code of the error that a call must answer.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.expect_err("must be refused").code().unwrap_or_default().to_owned()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

struct Net {
    sim: Sim,
    ec2: Client,
    vpc: String,
    gateway: String,
}

impl Net {
    async fn new() -> Self {
        let sim = Sim::new();
        let ec2 = Client::new(&sim.sdk_config());
        let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("vpc").vpc.and_then(|vpc| vpc.vpc_id).expect("id");
        let made = ec2.create_transit_gateway().description("hub").send().await.expect("gateway").transit_gateway.expect("gateway");
        assert_eq!(made.state(), Some(&TransitGatewayState::Pending));
        let gateway = made.transit_gateway_id().expect("id").to_owned();
        Self { sim, ec2, vpc, gateway }
    }

    async fn subnet(&self, cidr: &str, zone: &str) -> String {
        let subnet = self.ec2.create_subnet().vpc_id(&self.vpc).cidr_block(cidr).availability_zone(zone).send().await;
        subnet.expect("subnet").subnet.and_then(|subnet| subnet.subnet_id).expect("id")
    }

    async fn later(&self, seconds: u64) {
        self.sim.clock().sleep(Duration::from_secs(seconds)).await;
    }

    async fn attachment(&self, id: &str) -> (TransitGatewayAttachmentState, Vec<String>) {
        let found = self.ec2.describe_transit_gateway_vpc_attachments().transit_gateway_attachment_ids(id).send().await;
        let found = found.expect("attachments").transit_gateway_vpc_attachments.unwrap_or_default().remove(0);
        (found.state.expect("state"), found.subnet_ids.unwrap_or_default())
    }
}

#[tokio::test(start_paused = true)]
async fn a_vpc_is_attached_and_routed() {
    let net = Net::new().await;
    let (first, second, third) = (
        net.subnet("10.0.0.0/24", "us-east-1a").await,
        net.subnet("10.0.1.0/24", "us-east-1a").await,
        net.subnet("10.0.2.0/24", "us-east-1b").await,
    );
    let tag = Tag::builder().key("owner").value("me").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::TransitGatewayAttachment).tags(tag).build();
    let attach = |subnets: &[&String]| {
        let subnets = subnets.iter().map(|subnet| (*subnet).clone()).collect();
        let ask = net.ec2.create_transit_gateway_vpc_attachment().transit_gateway_id(&net.gateway).vpc_id(&net.vpc);
        ask.set_subnet_ids(Some(subnets)).tag_specifications(tags.clone()).send()
    };
    assert_eq!(code(attach(&[&first]).await), "IncorrectState", "the gateway is pending");
    net.later(200).await;
    assert_eq!(code(attach(&[&first, &second]).await), "DuplicateSubnetsInSameZone");
    let table = net.ec2.create_route_table().vpc_id(&net.vpc).send().await.expect("table").route_table.and_then(|it| it.route_table_id);
    let table = table.expect("id");
    let route =
        || net.ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").transit_gateway_id(&net.gateway).send();
    assert_eq!(code(route().await), "InvalidTransitGatewayID.NotFound", "the VPC is not attached");

    let made = attach(&[&first, &third]).await.expect("attach").transit_gateway_vpc_attachment.expect("attachment");
    let id = made.transit_gateway_attachment_id().expect("id");
    assert_eq!((made.state(), made.tags()[0].value()), (Some(&TransitGatewayAttachmentState::Pending), Some("me")));
    assert_eq!(code(attach(&[&first]).await), "DuplicateTransitGatewayAttachment");
    assert_eq!(code(route().await), "InvalidTransitGatewayID.NotFound", "not available yet");
    net.later(150).await;
    assert_eq!(net.attachment(id).await.0, TransitGatewayAttachmentState::Available);
    route().await.expect("route");
    let interfaces = net.ec2.describe_network_interfaces().filters(filter("interface-type", "transit_gateway")).send().await;
    assert_eq!(interfaces.expect("interfaces").network_interfaces().len(), 2);
    assert_eq!(code(net.ec2.delete_subnet().subnet_id(&first).send().await), "DependencyViolation");

    // "AWS Transit Gateway pricing": 0.05 dollars an hour for the attachment.
    let inventory = net.sim.inventory();
    let cost: f64 = inventory.items().iter().filter(|item| item.kind.starts_with("ec2/transit")).map(|item| item.usd_per_month).sum();
    assert!((cost - 0.05 * 730.0).abs() < 1e-9, "{cost}");

    let modify = || net.ec2.modify_transit_gateway_vpc_attachment().transit_gateway_attachment_id(id);
    modify().add_subnet_ids(&second).remove_subnet_ids(&first).send().await.expect("move within the zone");
    assert_eq!(net.attachment(id).await.0, TransitGatewayAttachmentState::Modifying);
    net.later(150).await;
    let mut wanted = vec![second.clone(), third.clone()];
    wanted.sort();
    assert_eq!(net.attachment(id).await, (TransitGatewayAttachmentState::Available, wanted));

    let delete_gateway = || net.ec2.delete_transit_gateway().transit_gateway_id(&net.gateway).send();
    assert_eq!(code(delete_gateway().await), "IncorrectState", "it has an attachment");
    let drop_attachment = || net.ec2.delete_transit_gateway_vpc_attachment().transit_gateway_attachment_id(id).send();
    drop_attachment().await.expect("delete");
    let tables = net.ec2.describe_route_tables().route_table_ids(&table).send().await.expect("tables");
    let told = tables.route_tables()[0].routes().iter().find(|route| route.transit_gateway_id() == Some(net.gateway.as_str()));
    assert_eq!(told.and_then(|route| route.state()), Some(&RouteState::Blackhole));
    net.later(150).await;
    assert_eq!(net.attachment(id).await.0, TransitGatewayAttachmentState::Deleted);
    assert_eq!(code(drop_attachment().await), "InvalidTransitGatewayAttachmentID.NotFound");
    net.ec2.delete_subnet().subnet_id(&second).send().await.expect("its interface is gone");
    delete_gateway().await.expect("delete");
    net.later(200).await;
    assert_eq!(net.sim.inventory().count("ec2/transit-gateway"), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_are_checked() {
    let net = Net::new().await;
    net.later(200).await;
    let gateways = net.ec2.describe_transit_gateways().filters(filter("state", "available")).send().await.expect("gateways");
    let options = gateways.transit_gateways()[0].options().expect("options");
    assert_eq!((options.amazon_side_asn(), options.association_default_route_table_id().is_some()), (Some(64_512), true));
    let ask = || net.ec2.create_transit_gateway_vpc_attachment().vpc_id(&net.vpc);
    assert_eq!(code(ask().transit_gateway_id("tgw-0123456789abcdef0").send().await), "InvalidTransitGatewayID.NotFound");
    assert_eq!(code(ask().transit_gateway_id("tgw-x").send().await), "InvalidTransitGatewayID.Malformed");
    assert_eq!(code(ask().transit_gateway_id(&net.gateway).send().await), "MissingParameter");
    let missing = ask().transit_gateway_id(&net.gateway).subnet_ids("subnet-0123456789abcdef0").send().await;
    assert_eq!(code(missing), "InvalidSubnetID.NotFound");
    let options = aws_sdk_ec2::types::TransitGatewayRequestOptions::builder().amazon_side_asn(7_224).build();
    assert_eq!(code(net.ec2.create_transit_gateway().options(options).send().await), "InvalidParameterValue");
    let unknown = net.ec2.delete_transit_gateway_vpc_attachment().transit_gateway_attachment_id("tgw-attach-0123456789abcdef0");
    assert_eq!(code(unknown.send().await), "InvalidTransitGatewayAttachmentID.NotFound");
    // Tags by id: both kinds begin with the same letters.
    net.ec2.create_tags().resources(&net.gateway).tags(Tag::builder().key("a").value("b").build()).send().await.expect("tags");
    let tags = net.ec2.describe_tags().filters(filter("resource-type", "transit-gateway")).send().await.expect("tags");
    assert_eq!(tags.tags()[0].resource_id(), Some(net.gateway.as_str()));
}
