//! Filters, pages, dry runs.

use aws_sdk_ec2::{Client, types::Filter};
use eks_sim::Sim;

use super::{
    Net, filter,
    table::{DONE, Table},
    tag,
};

/// Names of filters, each with its values.
type Filters<'a> = &'a [(&'a str, &'a [&'a str])];

/// "List and filter your resources": wildcards, and how filters join.
#[tokio::test(start_paused = true)]
async fn filters() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    for (n, name) in ["web-1", "web-2", "Web-1", "db*1", "db?1", "dbx1"].into_iter().enumerate() {
        let subnet = net.subnet(&format!("10.0.{}.0/24", n + 10), if n % 2 == 0 { "us-east-1a" } else { "us-east-1b" }).await;
        ec2.create_tags().resources(subnet).tags(tag("Name", name)).tags(tag(&format!("tier/{n}"), "")).send().await.expect("tag");
    }
    let found = async |filters: Filters| {
        let mut call = ec2.describe_subnets().filters(filter("vpc-id", &[&net.vpc]));
        for (name, values) in filters {
            call = call.filters(filter(name, values));
        }
        let subnets = call.send().await.expect("subnets");
        let names = subnets.subnets().iter().filter_map(|subnet| subnet.tags().iter().find(|tag| tag.key() == Some("Name")));
        let mut names: Vec<_> = names.filter_map(|tag| tag.value().map(str::to_owned)).collect();
        names.sort();
        names
    };
    let rows: [(&str, Filters, &[&str]); 12] = [
        ("as it is", &[("tag:Name", &["web-1"])], &["web-1"]),
        ("values are joined by or", &[("tag:Name", &["web-1", "web-2"])], &["web-1", "web-2"]),
        ("filters are joined by and", &[("tag:Name", &["web-1", "web-2"]), ("availability-zone", &["us-east-1b"])], &["web-2"]),
        ("one filter twice is joined by and", &[("tag:Name", &["web-*"]), ("tag:Name", &["*-2"])], &["web-2"]),
        ("a star is any text", &[("tag:Name", &["web*"])], &["web-1", "web-2"]),
        ("even none", &[("tag:Name", &["*web-1*"])], &["web-1"]),
        ("a question mark is one character", &[("tag:Name", &["?eb-1"])], &["Web-1", "web-1"]),
        ("and not none", &[("tag:Name", &["web-1?"])], &[]),
        ("case matters", &[("tag:Name", &["WEB-1"])], &[]),
        ("a backslash makes a star a star", &[("tag:Name", &["db\\*1"])], &["db*1"]),
        ("and a question mark one", &[("tag:Name", &["db\\?1"])], &["db?1"]),
        ("keys have wildcards too", &[("tag-key", &["tier/?"]), ("tag:Name", &["db*"])], &["db*1", "db?1", "dbx1"]),
    ];
    for (rule, filters, expected) in rows {
        table.fact(rule, expected.to_vec(), found(filters).await.iter().map(String::as_str).collect());
    }
    table.row("a filter that is none", "InvalidParameterValue", ec2.describe_subnets().filters(filter("nonsense", &["x"])).send()).await;
    table
        .row("a filter without a name", "MissingParameter", ec2.describe_subnets().filters(Filter::builder().values("x").build()).send())
        .await;
    let many: Vec<_> = (0..201).map(|n| format!("subnet-{n:08x}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    table.row("200 values", DONE, ec2.describe_subnets().filters(filter("subnet-id", &many[..200])).send()).await;
    table.row("201 values", "FilterLimitExceeded", ec2.describe_subnets().filters(filter("subnet-id", &many)).send()).await;
    let both = ec2.describe_subnets().subnet_ids(&net.subnet).filters(filter("availability-zone", &["us-east-1b"])).send().await;
    table.fact("a filter beside an id", 0, both.expect("no error").subnets().len());
    let both = ec2.describe_subnets().subnet_ids(&net.subnet).filters(filter("tag:Name", &["nobody's"])).send().await;
    table.fact("a filter for a tag beside an id", 0, both.expect("no error").subnets().len());
    let both = ec2.describe_vpcs().vpc_ids(&net.vpc).filters(filter("tag:Name", &["nobody's"])).send().await;
    table.fact("and beside a VPC's id", 0, both.expect("no error").vpcs().len());
    table.check();
}

/// MaxResults has the "Valid Range" of each action's page.
macro_rules! pages {
    ($table:ident, $ec2:ident, $($call:ident $low:literal $high:literal;)*) => {$(
        let call = |size: i32| Box::pin($ec2.$call().max_results(size).send());
        $table.row(concat!(stringify!($call), " too small"), if $low > 1 { "InvalidParameterValue" } else { DONE }, call(if $low > 1 { $low - 1 } else { 1 })).await;
        $table.row(concat!(stringify!($call), " smallest"), DONE, call($low)).await;
        $table.row(concat!(stringify!($call), " largest"), DONE, call($high)).await;
        $table.row(concat!(stringify!($call), " too large"), "InvalidParameterValue", call($high + 1)).await;
        let token = || Box::pin($ec2.$call().max_results($high).next_token("nonsense").send());
        $table.row(concat!(stringify!($call), " with a token of nobody"), "InvalidNextToken", token()).await;
    )*};
}

#[tokio::test(start_paused = true)]
async fn paging() {
    let net = Net::new().await;
    let (ec2, mut table) = (&net.ec2, Table::default());
    pages! { table, ec2,
        describe_vpcs 5 1000;
        describe_subnets 5 1000;
        describe_internet_gateways 5 1000;
        describe_route_tables 5 100;
        describe_nat_gateways 5 1000;
        describe_network_acls 5 1000;
        describe_network_interfaces 5 1000;
        describe_security_groups 5 1000;
        describe_security_group_rules 5 1000;
        describe_tags 5 1000;
        describe_launch_templates 1 200;
        describe_instance_types 5 100;
        describe_instance_type_offerings 5 1000;
    }
    // Their pages name no largest size.
    table.row("instances, too small", "InvalidParameterValue", ec2.describe_instances().max_results(4).send()).await;
    table.row("instances, large", DONE, ec2.describe_instances().max_results(5_000).send()).await;
    table.row("volumes, too small", "InvalidParameterValue", ec2.describe_volumes().max_results(4).send()).await;
    table.row("volumes, large", DONE, ec2.describe_volumes().max_results(5_000).send()).await;
    // "You cannot specify this parameter and the … IDs parameter in the same request."
    let instance = net.instance().await;
    let code = "InvalidParameterCombination";
    table.row("instances by id", code, ec2.describe_instances().instance_ids(&instance).max_results(5).send()).await;
    table.row("status by id", code, ec2.describe_instance_status().instance_ids(&instance).max_results(5).send()).await;
    let interface = net.interface().await;
    table.row("interfaces by id", code, ec2.describe_network_interfaces().network_interface_ids(interface).max_results(5).send()).await;

    for n in 20..32 {
        net.subnet(&format!("10.0.{n}.0/24"), "us-east-1a").await;
    }
    let pages: Vec<_> = ec2
        .describe_subnets()
        .filters(filter("vpc-id", &[&net.vpc]))
        .into_paginator()
        .page_size(5)
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("pages");
    table.fact("pages are full but the last", vec![5, 5, 3], pages.iter().map(|page| page.subnets().len()).collect());
    let mut all: Vec<_> = pages.iter().flat_map(|page| page.subnets()).filter_map(|subnet| subnet.subnet_id()).collect();
    all.sort_unstable();
    all.dedup();
    table.fact("and tell each thing once", 13, all.len());
    table.check();
}

macro_rules! dry {
    ($table:ident, $ec2:ident, $($call:ident)*) => {$(
        let call = || Box::pin($ec2.$call().dry_run(true).send());
        $table.row(stringify!($call), "DryRunOperation", call()).await;
    )*};
}

/// DryRun "checks whether you have the required permissions for the action, without actually making the request".
#[tokio::test(start_paused = true)]
async fn dry_runs() {
    let sim = Sim::new();
    let (ec2, mut table) = (Client::new(&sim.sdk_config()), Table::default());
    dry! { table, ec2,
        allocate_address associate_address associate_route_table attach_internet_gateway attach_network_interface attach_volume
        authorize_security_group_egress authorize_security_group_ingress create_internet_gateway create_launch_template
        create_launch_template_version create_nat_gateway create_network_interface create_route create_route_table
        create_security_group create_subnet create_tags create_volume create_vpc delete_internet_gateway delete_key_pair
        delete_launch_template delete_nat_gateway delete_network_interface delete_route delete_route_table delete_security_group
        delete_subnet delete_tags delete_volume delete_vpc describe_instances describe_subnets describe_vpcs detach_internet_gateway
        detach_network_interface detach_volume disassociate_address disassociate_route_table import_key_pair modify_instance_attribute
        modify_launch_template modify_network_interface_attribute release_address replace_route replace_route_table_association
        revoke_security_group_egress revoke_security_group_ingress run_instances terminate_instances
    }
    let made = ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true).send().await;
    table.fact(
        "with the status of a failed precondition",
        Some(412),
        made.expect_err("dry").raw_response().map(|raw| raw.status().as_u16()),
    );
    table.fact("nothing is made", 0, sim.inventory().items().len());
    table.check();
}
