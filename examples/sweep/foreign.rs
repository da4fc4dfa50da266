//! What others have in the account, under names and tags that look like ours, and exactly how it is.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_ec2::types::{DomainType, Filter, IpPermission, IpRange, ResourceType, Tag, TagSpecification, VolumeType};
use aws_types::SdkConfig;
use eks_core::{KEY_TAG, OWNER_TAG};
use eks_sim::Sim;

use crate::environment::Failure;

/// Until what was made is in the state that it stays in.
pub const SETTLED: Duration = Duration::from_secs(120);

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const STACK: &str = "chap10-workers";

/// Another owner's marks on things that carry our names.
fn carries(kind: ResourceType, name: &str, key: &str) -> TagSpecification {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    TagSpecification::builder()
        .resource_type(kind)
        .tags(tag("Name", name))
        .tags(tag(OWNER_TAG, "chap1"))
        .tags(tag(KEY_TAG, key))
        .tags(tag("kubernetes.io/cluster/chap1", "owned"))
        .build()
}

/// Others settle in an account: a VPC with a subnet and a security group, a volume, an address, a role, a stack, a load balancer, a key.
///
/// # Errors
/// If AWS refuses them something.
pub async fn settle(sim: &Sim) -> Result<(), Failure> {
    let config = sim.sdk_config();
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(carries(ResourceType::Vpc, "chap10-vpc", "net/vpc"));
    let vpc = vpc.send().await?.vpc().and_then(|vpc| vpc.vpc_id()).ok_or("a VPC")?.to_owned();
    let key = "net/subnet/private/us-east-1a";
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.4.0/24").availability_zone("us-east-1a");
    let subnet = subnet.tag_specifications(carries(ResourceType::Subnet, "chap10-subnet-private-us-east-1a", key)).send().await?;
    let subnet = subnet.subnet().and_then(|subnet| subnet.subnet_id()).ok_or("a subnet")?.to_owned();
    let group = ec2.create_security_group().vpc_id(&vpc).group_name("chap10-eks-control-plane").description("EKS control plane");
    let named = carries(ResourceType::SecurityGroup, "chap10-security-group-eks-control-plane", "net/security-group/eks-control-plane");
    let group = group.tag_specifications(named).send().await?.group_id().ok_or("a security group")?.to_owned();
    let anywhere = IpRange::builder().cidr_ip("0.0.0.0/0").description("HTTP").build();
    let http = IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80).ip_ranges(anywhere).build();
    ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(http).send().await?;
    let volume = ec2.create_volume().availability_zone("us-east-1a").size(10).volume_type(VolumeType::Gp3);
    volume.tag_specifications(carries(ResourceType::Volume, "chap10-dynamic-pvc-a", "k8s/claim/default/pvc-a")).send().await?;
    let address = ec2.allocate_address().domain(DomainType::Vpc);
    let named = carries(ResourceType::ElasticIp, "chap10-elastic-ip-us-east-1a", "net/elastic-ip/us-east-1a");
    address.tag_specifications(named).send().await?;

    let iam = aws_sdk_iam::Client::new(&config);
    for name in ["chap10-cluster", "chap10-cluster-us-east-10"] {
        let tag = aws_sdk_iam::types::Tag::builder().key(OWNER_TAG).value("chap1").build()?;
        iam.create_role().role_name(name).assume_role_policy_document(TRUST).tags(tag).send().await?;
        iam.attach_role_policy().role_name(name).policy_arn("arn:aws:iam::aws:policy/AmazonEKSClusterPolicy").send().await?;
    }
    let properties = format!(r#"{{"GroupDescription":"theirs","VpcId":"{vpc}"}}"#);
    let template = format!(r#"{{"Resources":{{"Group":{{"Type":"AWS::EC2::SecurityGroup","Properties":{properties}}}}}}}"#);
    let tag = |key: &str, value: &str| aws_sdk_cloudformation::types::Tag::builder().key(key).value(value).build();
    let stacks = aws_sdk_cloudformation::Client::new(&config);
    let create = stacks.create_stack().stack_name(STACK).template_body(template);
    create.tags(tag(OWNER_TAG, "chap1")).tags(tag(KEY_TAG, "nodes/chap10-worker")).send().await?;

    use aws_sdk_elasticloadbalancing::types::{Listener, Tag as Label};
    let listener = Listener::builder().protocol("TCP").load_balancer_port(80).instance_port(80).build()?;
    let label = Label::builder().key("kubernetes.io/cluster/chap1").value("owned").build()?;
    let balancers = aws_sdk_elasticloadbalancing::Client::new(&config);
    let create = balancers.create_load_balancer().load_balancer_name("a0123456789abcdef0123456789abcde").listeners(listener);
    create.subnets(subnet).security_groups(group).scheme("internal").tags(label).send().await?;
    tokio::time::sleep(SETTLED).await;
    Ok(())
}

/// The account's default VPC and its subnets in two zones.
///
/// # Errors
/// If EC2 cannot be asked.
pub async fn default_network(config: &SdkConfig) -> Result<(String, Vec<String>), Failure> {
    let ec2 = aws_sdk_ec2::Client::new(config);
    let filter = |name: &str| Filter::builder().name(name).values("true").build();
    let vpcs = ec2.describe_vpcs().filters(filter("is-default")).send().await?;
    let vpc = vpcs.vpcs().first().and_then(|vpc| vpc.vpc_id()).ok_or("every account has one")?.to_owned();
    let subnets = ec2.describe_subnets().filters(filter("default-for-az")).send().await?;
    let mut ids: Vec<String> = Vec::new();
    for subnet in subnets.subnets() {
        if let (Some("us-east-1a" | "us-east-1b"), Some(id)) = (subnet.availability_zone(), subnet.subnet_id()) {
            ids.push(id.to_owned());
        }
    }
    ids.sort();
    Ok((vpc, ids))
}

/// Every word that AWS tells of what others made.
///
/// # Errors
/// If AWS cannot be asked.
pub async fn statement(sim: &Sim, ids: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    let config = sim.sdk_config();
    let mut told: Vec<String> =
        sim.inventory().items().iter().filter(|item| ids.contains(&item.id)).map(|item| format!("{item:?}")).collect();
    let by = |name: &str, prefix: &str| {
        let of_kind = ids.iter().filter(|id| id.starts_with(prefix) && id[prefix.len()..].starts_with('-'));
        Filter::builder().name(name).set_values(Some(of_kind.cloned().collect())).build()
    };
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let vpcs = ec2.describe_vpcs().filters(by("vpc-id", "vpc")).send().await?;
    told.extend(vpcs.vpcs().iter().map(|one| format!("{one:?}")));
    let groups = ec2.describe_security_groups().filters(by("vpc-id", "vpc")).send().await?;
    told.extend(groups.security_groups().iter().map(|one| format!("{one:?}")));
    let rules = ec2.describe_security_group_rules().filters(by("group-id", "sg")).send().await?;
    told.extend(rules.security_group_rules().iter().map(|one| format!("{one:?}")));
    let subnets = ec2.describe_subnets().filters(by("vpc-id", "vpc")).send().await?;
    told.extend(subnets.subnets().iter().map(|one| format!("{one:?}")));
    let tables = ec2.describe_route_tables().filters(by("vpc-id", "vpc")).send().await?;
    told.extend(tables.route_tables().iter().map(|one| format!("{one:?}")));
    let interfaces = ec2.describe_network_interfaces().filters(by("vpc-id", "vpc")).send().await?;
    told.extend(interfaces.network_interfaces().iter().map(|one| format!("{one:?}")));
    let volumes = ec2.describe_volumes().filters(by("volume-id", "vol")).send().await?;
    told.extend(volumes.volumes().iter().map(|one| format!("{one:?}")));
    let iam = aws_sdk_iam::Client::new(&config);
    for name in ["chap10-cluster", "chap10-cluster-us-east-10"] {
        let role = iam.get_role().role_name(name).send().await?;
        let attached = iam.list_attached_role_policies().role_name(name).send().await?;
        told.push(format!("{:?} {:?}", role.role(), attached.attached_policies()));
    }
    let stacks = aws_sdk_cloudformation::Client::new(&config);
    let stack = stacks.describe_stacks().stack_name(STACK).send().await?;
    let template = stacks.get_template().stack_name(STACK).send().await?;
    told.push(format!("{:?} {:?}", stack.stacks(), template.template_body()));
    let balancers = aws_sdk_elasticloadbalancing::Client::new(&config);
    let balancers = balancers.describe_load_balancers().load_balancer_names("a0123456789abcdef0123456789abcde").send().await?;
    told.push(format!("{:?}", balancers.load_balancer_descriptions()));
    told.sort();
    Ok(told)
}
