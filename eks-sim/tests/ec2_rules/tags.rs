//! Tags.

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

use super::{
    Net, filter,
    table::{DONE, Table},
    tag, tags,
};

/// "Tag your Amazon EC2 resources" and "Tag" of the API reference.
#[tokio::test(start_paused = true)]
async fn tagging() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    let put = |key: &str, value: &str| ec2.create_tags().resources(&net.vpc).tags(tag(key, value)).send();
    table.row("127 characters of key", DONE, put(&"k".repeat(127), "v")).await;
    table.row("128 characters of key", "InvalidParameterValue", put(&"k".repeat(128), "v")).await;
    table.row("127 characters of two bytes", DONE, put(&"é".repeat(127), "v")).await;
    table.row("256 characters of value", DONE, put("k", &"v".repeat(256))).await;
    table.row("257 characters of value", "InvalidParameterValue", put("k", &"v".repeat(257))).await;
    table.row("AWS's own prefix", "InvalidParameterValue", put("aws:cloudformation:stack-name", "v")).await;
    table.row("in any case", "InvalidParameterValue", put("AWS:x", "v")).await;
    let own = ec2.delete_tags().resources(&net.vpc).tags(Tag::builder().key("aws:x").build()).send();
    table.row("AWS's own are not ours to delete", "InvalidParameterValue", own).await;
    table
        .row("a key twice", "InvalidParameterValue", ec2.create_tags().resources(&net.vpc).tags(tag("a", "1")).tags(tag("a", "2")).send())
        .await;
    table.row("no tag", "MissingParameter", ec2.create_tags().resources(&net.vpc).send()).await;
    table.row("no resource", "MissingParameter", ec2.create_tags().tags(tag("a", "b")).send()).await;
    let both = ec2.create_tags().resources(&net.subnet).resources("subnet-0123456789abcdef0").tags(tag("both", "b")).send();
    table.row("one of two that is none", "InvalidSubnetID.NotFound", both).await;
    let untouched = ec2.describe_tags().filters(filter("key", &["both"])).send().await.expect("tags");
    table.fact("and then none is tagged", 0, untouched.tags().len());

    let mut fifty = ec2.create_tags().resources(&net.subnet);
    for n in 0..50 {
        fifty = fifty.tags(tag(&format!("k{n}"), "v"));
    }
    table.row("fifty tags", DONE, fifty.send()).await;
    let more = |key: &str| ec2.create_tags().resources(&net.subnet).tags(tag(key, "w")).send();
    table.row("fifty-one tags", "TagLimitExceeded", more("k50")).await;
    table.row("one of the fifty anew", DONE, more("k0")).await;
    let create = |tags: TagSpecification| ec2.create_internet_gateway().tag_specifications(tags).send();
    let of_subnet = tags(ResourceType::Subnet, &[("a", "b")]);
    table.row("tags of another kind at creation", "InvalidParameterValue", create(of_subnet)).await;
    let twice = tags(ResourceType::InternetGateway, &[("a", "1"), ("a", "2")]);
    table.row("a key twice at creation", "InvalidParameterValue", create(twice)).await;
    let reserved = tags(ResourceType::InternetGateway, &[("aws:a", "1")]);
    table.row("AWS's own prefix at creation", "InvalidParameterValue", create(reserved)).await;
    let gateways = ec2.describe_internet_gateways().send().await.expect("gateways").internet_gateways().len();
    table.fact("nothing is made of a refused call", 2, gateways);
    let removed = ec2.delete_tags().resources(&net.subnet).tags(tag("k1", "other")).send();
    table.row("a tag of another value", DONE, removed).await;
    let left =
        ec2.describe_tags().filters(filter("resource-id", &[&net.subnet])).filters(filter("key", &["k1"])).send().await.expect("tags");
    table.fact("stays", 1, left.tags().len());
    table.check();
}
