//! Ways from an instance to what it needs: names, AWS's services, the API server.

use std::net::Ipv4Addr;

use super::{
    Cause, Diagnosis, acl,
    evidence::{ClusterEvidence, EndpointEvidence, Evidence, InstanceEvidence, RuleEvidence, Way},
    user_data::is_opaque,
};

/// What a node asks before it is Ready: EC2 for its own name, the registry for its images, whose layers are in S3 ("Deploy private
/// clusters with limited internet access").
const NEEDED: [&str; 4] = ["ec2", "ecr.api", "ecr.dkr", "s3"];

/// Whether an instance gets to the internet.
enum Out {
    /// It does, from one of these addresses.
    From(Vec<Ipv4Addr>),
    /// It does not: cause, what is so, what to do, what was seen.
    Not(Cause, String, String, String),
}

/// Names, and a way to AWS's services.
pub(super) fn way_out(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    names(evidence, instance).or_else(|| services(evidence, instance))
}

/// "VPC requirements and considerations": "The VPC must have DNS hostname and DNS resolution support. Otherwise, nodes can't register".
fn names(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let off: Vec<_> = match evidence.dns? {
        (true, true) => return None,
        (support, hostnames) => [("enableDnsSupport", support), ("enableDnsHostnames", hostnames)]
            .into_iter()
            .filter(|(_, on)| !on)
            .map(|(name, _)| name)
            .collect(),
    };
    let off = off.join(" and ");
    let told = format!("{off} of {} is off, and nodes find neither the API server nor AWS's services without", instance.vpc);
    Some(Diagnosis::certain(
        Cause::DnsOff,
        told,
        format!("set {off} of {} to true (ec2:ModifyVpcAttribute); eks-net's networks have both", instance.vpc),
    ))
}

/// Whether and whence the instance gets out; `None` if that cannot be seen.
fn out(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Out> {
    Some(match led_out(evidence, instance)? {
        Out::From(addresses) => match acl::shuts(evidence, instance) {
            Some((cause, told, fix, seen)) => Out::Not(cause, told, fix, seen),
            None => Out::From(addresses),
        },
        not => not,
    })
}

/// The same by routes alone.
fn led_out(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Out> {
    let route = evidence.routes.get(&instance.subnet)?;
    let (subnet, table) = (&instance.subnet, &route.table);
    match &route.default {
        Way::Internet(gateway) => Some(match instance.public_ip {
            Some(address) => Out::From(vec![address]),
            None => Out::Not(
                Cause::NoPublicAddress,
                format!("{subnet} is a public subnet, and the instance has no public address: {gateway} carries nothing for it"),
                format!(
                    "put the workers into private subnets behind a NAT gateway, or let {subnet} give public addresses at launch (MapPublicIpOnLaunch)"
                ),
                format!("the default route of {table} leads to {gateway}"),
            ),
        }),
        Way::Nat(id) => {
            let nat = evidence.nat_gateways.get(id)?;
            match nat.state.as_str() {
                "available" if nat.addresses.is_empty() => None,
                "available" => Some(Out::From(nat.addresses.clone())),
                "failed" | "deleting" | "deleted" => Some(Out::Not(
                    Cause::NoRoute,
                    format!("the default route of {subnet} leads to {id}, which is {}", nat.state),
                    format!("make the NAT gateway anew and lead {table} to it: apply the network again"),
                    if nat.reason.is_empty() { format!("{id} is {}", nat.state) } else { format!("{id} is {}: {}", nat.state, nat.reason) },
                )),
                // Pending: it may come any moment.
                _ => None,
            }
        }
        Way::Blackhole(target) => Some(Out::Not(
            Cause::NoRoute,
            format!("the default route of {subnet} leads to {target}, which is gone"),
            format!("lead the default route of {table} to a NAT gateway that exists: apply the network again"),
            format!("route 0.0.0.0/0 of {table} is a blackhole"),
        )),
        Way::Nowhere if route.others => None,
        Way::Nowhere => Some(Out::Not(
            Cause::NoRoute,
            format!("{subnet} has no route to the internet"),
            format!("add a default route to a NAT gateway to {table}, or VPC endpoints for {}", NEEDED.join(", ")),
            format!("{table} has no default route"),
        )),
        Way::Other(_) => None,
    }
}

/// Whether it is certain that the instance gets out.
pub(super) fn gets_out(evidence: &Evidence, instance: &InstanceEvidence) -> bool {
    evidence.dns == Some((true, true)) && matches!(out(evidence, instance), Some(Out::From(_)))
}

/// Whether a proxy may be the way out: user data names one, or was not read wholly.
fn may_have_proxy(instance: &InstanceEvidence) -> bool {
    instance.user_data.as_deref().is_none_or(|text| is_opaque(text) || text.to_ascii_lowercase().contains("proxy"))
}

/// AWS's services, over the internet or by endpoints in the VPC.
fn services(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let Out::Not(cause, told, fix, seen) = out(evidence, instance)? else { return None };
    // By a proxy, or by endpoints that another VPC has, nodes need neither route nor endpoints of their own.
    if may_have_proxy(instance) || evidence.routes.get(&instance.subnet)?.others {
        return None;
    }
    let endpoints = evidence.endpoints.as_ref()?;
    let table = evidence.routes.get(&instance.subnet).map(|route| route.table.as_str()).unwrap_or_default();
    let (mut missing, mut any) = (Vec::new(), false);
    for service in NEEDED {
        let found: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.service.ends_with(&format!(".{service}"))).collect();
        any |= !found.is_empty();
        if found.iter().any(|endpoint| endpoint.state.eq_ignore_ascii_case("pending")) {
            return None;
        }
        if found.iter().any(|endpoint| serves(endpoint, table) && lets_in(evidence, endpoint, instance) != Some(false)) {
            continue;
        }
        // A hosted zone of one's own may lead to it.
        if found.iter().any(|endpoint| !endpoint.gateway && !endpoint.private_dns && endpoint.state.eq_ignore_ascii_case("available")) {
            continue;
        }
        if let Some(closed) = found.iter().find(|endpoint| serves(endpoint, table)) {
            let told = format!("endpoint {} ({}) does not let the nodes in on 443, and {told}", closed.id, closed.service);
            let fix = format!("let {} in on 443 in the security groups of {}", instance.security_groups.join(", "), closed.id);
            return Some(
                Diagnosis::certain(Cause::EndpointClosed, told, fix)
                    .seen(format!("its security groups: {}", closed.security_groups.join(", ")))
                    .seen(seen),
            );
        }
        missing.push(service);
    }
    match (missing.is_empty(), any) {
        (true, _) => None,
        (false, false) => Some(Diagnosis::certain(cause, told, fix).seen(seen).seen(format!(
            "{} has no VPC endpoints for {}",
            instance.vpc,
            missing.join(", ")
        ))),
        (false, true) => {
            let told = format!("{} has no endpoint for {}, and {told}", instance.vpc, missing.join(", "));
            let fix = format!(
                "make VPC endpoints for {} that {} reaches, with private DNS (the one for s3: a gateway in {table})",
                missing.join(", "),
                instance.subnet
            );
            Some(Diagnosis::certain(Cause::EndpointMissing, told, fix).seen(seen))
        }
    }
}

/// Whether an endpoint stands where a subnet's traffic meets it.
fn serves(endpoint: &EndpointEvidence, table: &str) -> bool {
    let there = endpoint.state.eq_ignore_ascii_case("available");
    there && if endpoint.gateway { endpoint.tables.iter().any(|one| one == table) } else { endpoint.private_dns }
}

fn lets_in(evidence: &Evidence, endpoint: &EndpointEvidence, instance: &InstanceEvidence) -> Option<bool> {
    if endpoint.gateway { Some(true) } else { any_lets_in(evidence, &endpoint.security_groups, instance, 443) }
}

/// Whether one of these groups lets an instance in; `None` if a group was not looked at, or its rules cannot be judged.
fn any_lets_in(evidence: &Evidence, groups: &[String], instance: &InstanceEvidence, port: u16) -> Option<bool> {
    let mut open = false;
    for id in groups {
        for rule in evidence.security_groups.get(id)?.ingress.iter().filter(|rule| covers(rule, port)) {
            // Prefix lists and IPv6 are not judged.
            if rule.others {
                return None;
            }
            open |= rule.groups.iter().any(|group| instance.security_groups.contains(group));
            open |= instance.private_ip.is_some_and(|address| rule.blocks.iter().any(|block| contains(block, address)));
        }
    }
    (!groups.is_empty()).then_some(open)
}

fn covers(rule: &RuleEvidence, port: u16) -> bool {
    matches!(rule.protocol.as_str(), "-1" | "tcp" | "6") && rule.ports.is_none_or(|(from, to)| (from..=to).contains(&port))
}

/// Whether a block in CIDR notation has an address in it.
pub(super) fn contains(block: &str, address: Ipv4Addr) -> bool {
    let Some((base, length)) = block.split_once('/') else { return false };
    let (Ok(base), Ok(length @ 0..=32)) = (base.parse::<Ipv4Addr>(), length.parse::<u32>()) else { return false };
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    u32::from(base) & mask == u32::from(address) & mask
}

/// The API server: through the private endpoint if it is on, else through the public one.
pub(super) fn way_to_api(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    // While it is updated, its endpoints and rules may be neither what they were nor what they will be.
    let cluster = evidence.cluster.as_ref().filter(|cluster| cluster.status == "ACTIVE")?;
    if cluster.private && cluster.vpc == instance.vpc {
        return leaves(evidence, instance).or_else(|| enters(evidence, cluster, instance));
    }
    let unjudged = cluster.public_blocks.is_empty() || cluster.public_blocks.iter().any(|block| block.contains(':'));
    if !cluster.public || unjudged || may_have_proxy(instance) {
        return None;
    }
    let Out::From(addresses) = out(evidence, instance)? else { return None };
    // From any of several addresses: only when none of them is let in, no node is.
    if addresses.iter().any(|address| cluster.public_blocks.iter().any(|block| contains(block, *address))) {
        return None;
    }
    let from: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let from = from.join(", ");
    let told = format!(
        "nodes come from {from}, which the public endpoint of cluster {} does not let in, and its private endpoint is off",
        cluster.name
    );
    let fix = format!("turn the private endpoint of cluster {} on, or add {from} to its publicAccessCidrs", cluster.name);
    Some(Diagnosis::certain(Cause::PublicBlocks, told, fix).seen(format!("publicAccessCidrs: {}", cluster.public_blocks.join(", "))))
}

/// "Minimum outbound rules": cluster traffic on TCP 443.
fn leaves(evidence: &Evidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    let mut groups = Vec::new();
    for id in &instance.security_groups {
        groups.push(evidence.security_groups.get(id)?);
    }
    let open = groups.is_empty() || groups.iter().any(|group| group.egress.iter().any(|rule| covers(rule, 443)));
    (!open).then(|| {
        let ours = instance.security_groups.join(", ");
        let told = format!("the nodes' security groups {ours} let nothing out on 443");
        Diagnosis::certain(
            Cause::SecurityGroupClosed,
            told,
            format!("allow TCP 443 out of {ours} to the control plane's security groups and to AWS's services"),
        )
    })
}

fn enters(evidence: &Evidence, cluster: &ClusterEvidence, instance: &InstanceEvidence) -> Option<Diagnosis> {
    if any_lets_in(evidence, &cluster.security_groups, instance, 443)? {
        return None;
    }
    let (ours, theirs) = (instance.security_groups.join(", "), cluster.security_groups.join(", "));
    let told = format!("the control plane of cluster {} does not let nodes of {ours} in on 443", cluster.name);
    let fix = format!("allow TCP 443 from {ours} in one of {theirs}; the workers' own stack does, so apply them again");
    Some(
        Diagnosis::certain(Cause::SecurityGroupClosed, told, fix)
            .seen(format!("no ingress rule of {theirs} names {ours} or the address of the node")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let address = Ipv4Addr::new(10, 0, 4, 7);
        for (block, inside) in [
            ("0.0.0.0/0", true),
            ("10.0.0.0/16", true),
            ("10.0.4.7/32", true),
            ("10.0.5.0/24", false),
            ("10.0.4.0/33", false),
            ("x", false),
        ] {
            assert_eq!(contains(block, address), inside, "{block}");
        }
    }
}
