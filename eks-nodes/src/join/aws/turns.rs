//! What takes turns with the calls that a look has left. What has none this time stands as the last look saw it.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::VpcAttributeName;
use aws_sdk_eks::types::AddonStatus;
use eks_core::{Class, aws::failed};

use super::{
    super::{
        acl,
        evidence::{CniEvidence, Way},
    },
    convert,
    look::{Look, filter},
};

#[derive(Clone, Copy, Debug)]
enum Turn {
    Acls,
    Checks,
    Cni,
    Dns,
    Endpoints,
    NatGateways,
    Policies,
}

const TURNS: [Turn; 7] = [Turn::NatGateways, Turn::Acls, Turn::Endpoints, Turn::Policies, Turn::Dns, Turn::Checks, Turn::Cni];

impl Look<'_> {
    /// Takes turns from this one on; tells with which the next look begins.
    pub(super) async fn turns(&mut self, from: usize) -> usize {
        let mut next = None;
        for at in (0..TURNS.len()).map(|step| (from + step) % TURNS.len()) {
            if !self.turn(TURNS[at]).await {
                next = next.or(Some(at));
            }
        }
        next.unwrap_or(from)
    }

    /// Whether the turn was taken, or is of no use now.
    async fn turn(&mut self, turn: Turn) -> bool {
        match turn {
            Turn::Acls => self.acls().await,
            Turn::Checks => self.checks().await,
            Turn::Cni => self.cni().await,
            Turn::Dns => self.dns().await,
            Turn::Endpoints => self.endpoints().await,
            Turn::NatGateways => self.nat_gateways().await,
            Turn::Policies => self.policies().await,
        }
    }

    /// Network ACLs of the subnets. Those of a VPC that another account shares are its own.
    async fn acls(&mut self) -> bool {
        const CALL: &str = "ec2:DescribeNetworkAcls";
        let subnets: BTreeSet<String> = self.seen.instances.iter().map(|one| one.subnet.clone()).filter(|id| !id.is_empty()).collect();
        if self.shared || subnets.is_empty() {
            return true;
        }
        if !self.may_call() {
            self.seen.network_acls.clone_from(&self.last.network_acls);
            return false;
        }
        let asked = self.by.ec2.describe_network_acls().filters(filter("association.subnet-id", subnets)).send().await;
        let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, self.group.stack, error))) else { return true };
        let found = answer.network_acls().iter().flat_map(|acl| {
            let subnets = acl.associations().iter().filter_map(|one| one.subnet_id());
            subnets.map(|subnet| (subnet.to_owned(), convert::acl(acl)))
        });
        self.seen.network_acls = found.collect();
        true
    }

    async fn checks(&mut self) -> bool {
        const CALL: &str = "ec2:DescribeInstanceStatus";
        let ids: Vec<String> = self.seen.instances.iter().filter(|one| one.state == "running").map(|one| one.id.clone()).collect();
        if !self.may_call() {
            for instance in &mut self.seen.instances {
                let before = self.last.instances.iter().find(|before| before.id == instance.id);
                instance.checks = before.and_then(|before| before.checks.clone());
            }
            return false;
        }
        let asked = self.by.ec2.describe_instance_status().set_instance_ids(Some(ids)).send().await;
        let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, self.group.stack, error))) else { return true };
        for status in answer.instance_statuses() {
            let text = |summary: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| {
                summary.and_then(|summary| summary.status()).map(|status| status.as_str().to_owned()).unwrap_or_default()
            };
            let checks = (text(status.system_status()), text(status.instance_status()));
            if let Some(instance) = self.seen.instances.iter_mut().find(|one| Some(one.id.as_str()) == status.instance_id()) {
                instance.checks = Some(checks);
            }
        }
        true
    }

    /// The managed network plugin, once a node is there and not Ready.
    async fn cni(&mut self) -> bool {
        const CALL: &str = "eks:DescribeAddon";
        let Some(cluster) = self.seen.cluster.as_ref().map(|cluster| cluster.name.clone()) else { return true };
        if !self.seen.nodes.iter().flatten().any(|node| !node.ready) {
            return true;
        }
        if self.left < 2 {
            self.seen.cni = self.last.cni;
            return false;
        }
        self.may_call();
        let asked = self.by.eks.describe_addon().cluster_name(&cluster).addon_name("vpc-cni").send().await;
        let found = match asked.map_err(|error| failed(CALL, "vpc-cni", error)) {
            Err(error) if error.class() == Class::NotFound => Some(CniEvidence::default()),
            answer => self.noted(CALL, answer).and_then(|answer| answer.addon).map(|addon| CniEvidence {
                installed: true,
                changing: matches!(addon.status(), Some(AddonStatus::Creating | AddonStatus::Updating | AddonStatus::Deleting)),
                own_role: (addon.service_account_role_arn().is_some() || !addon.pod_identity_associations().is_empty()).then_some(true),
            }),
        };
        let Some(mut cni) = found else { return true };
        if cni.own_role.is_none() {
            cni.own_role = self.pod_identity(&cluster).await;
        }
        self.seen.cni = Some(cni);
        true
    }

    /// Whether the network plugin's service account has a role by Pod Identity, made by EKS with the add-on or not.
    async fn pod_identity(&mut self, cluster: &str) -> Option<bool> {
        const CALL: &str = "eks:ListPodIdentityAssociations";
        self.may_call();
        let asked = self.by.eks.list_pod_identity_associations().cluster_name(cluster).namespace("kube-system").service_account("aws-node");
        let answer = asked.send().await.map_err(|error| failed(CALL, "aws-node", error));
        Some(!self.noted(CALL, answer)?.associations().is_empty())
    }

    async fn dns(&mut self) -> bool {
        const CALL: &str = "ec2:DescribeVpcAttribute";
        let Some(vpc) = self.vpc() else { return true };
        if self.left < 2 {
            self.seen.dns = self.last.dns;
            return false;
        }
        let mut on = Vec::new();
        for attribute in [VpcAttributeName::EnableDnsSupport, VpcAttributeName::EnableDnsHostnames] {
            self.may_call();
            let asked = self.by.ec2.describe_vpc_attribute().vpc_id(&vpc).attribute(attribute).send().await;
            let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, &vpc, error))) else { return true };
            let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
            on.extend(value.and_then(|value| value.value()));
        }
        if let [support, hostnames] = on[..] {
            self.seen.dns = Some((support, hostnames));
        }
        true
    }

    /// Endpoints matter to who has no other way.
    async fn endpoints(&mut self) -> bool {
        const CALL: &str = "ec2:DescribeVpcEndpoints";
        if self.shared {
            return true;
        }
        let without = |way: &Way| !matches!(way, Way::Other(_));
        let Some(vpc) = self.vpc().filter(|_| self.seen.routes.values().any(|route| without(&route.default))) else { return true };
        let all_out = self.seen.instances.iter().all(|instance| {
            let route = self.seen.routes.get(&instance.subnet).filter(|_| acl::shuts(&self.seen, instance).is_none());
            route.is_some_and(|route| match &route.default {
                Way::Internet(_) => instance.public_ip.is_some(),
                Way::Nat(id) => self.seen.nat_gateways.get(id).is_some_and(|nat| nat.state == "available"),
                Way::Other(_) => true,
                Way::Blackhole(_) | Way::Nowhere => false,
            })
        });
        if all_out {
            return true;
        }
        if !self.may_call() {
            self.seen.endpoints.clone_from(&self.last.endpoints);
            return false;
        }
        let asked = self.by.ec2.describe_vpc_endpoints().filters(filter("vpc-id", [vpc.clone()])).send().await;
        let answer = self.noted(CALL, asked.map_err(|error| failed(CALL, &vpc, error)));
        self.seen.endpoints = answer.map(|answer| answer.vpc_endpoints().iter().map(convert::endpoint).collect());
        true
    }

    /// The NAT gateways that default routes lead to.
    async fn nat_gateways(&mut self) -> bool {
        const CALL: &str = "ec2:DescribeNatGateways";
        let ids = self.seen.routes.values().filter_map(|route| match &route.default {
            Way::Nat(id) => Some(id.clone()),
            _ => None,
        });
        let ids: Vec<_> = ids.collect();
        if ids.is_empty() {
            return true;
        }
        if !self.may_call() {
            self.seen.nat_gateways.clone_from(&self.last.nat_gateways);
            return false;
        }
        // As a filter: an id that is long gone is no error then.
        let asked = self.by.ec2.describe_nat_gateways().filter(filter("nat-gateway-id", ids)).send().await;
        let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, self.group.stack, error))) else { return true };
        let found = answer.nat_gateways().iter().filter_map(|nat| Some((nat.nat_gateway_id()?.to_owned(), convert::nat(nat))));
        self.seen.nat_gateways = found.collect();
        true
    }

    /// What the role may do: managed policies by name, and whether there are others, inside it.
    async fn policies(&mut self) -> bool {
        const ATTACHED: &str = "iam:ListAttachedRolePolicies";
        const INLINE: &str = "iam:ListRolePolicies";
        let found = self.seen.profiles.iter().find_map(|(arn, profile)| Some((arn.clone(), profile.role.clone()?)));
        let Some((arn, role)) = found else { return true };
        if self.left < 2 {
            return false;
        }
        let name = role.rsplit('/').next().unwrap_or_default();
        self.may_call();
        self.may_call();
        let attached = self.by.iam.list_attached_role_policies().role_name(name).send().await;
        let attached = self.noted(ATTACHED, attached.map_err(|error| failed(ATTACHED, name, error)));
        let inline = self.by.iam.list_role_policies().role_name(name).send().await;
        let inline = self.noted(INLINE, inline.map_err(|error| failed(INLINE, name, error)));
        let Some(profile) = self.seen.profiles.get_mut(&arn) else { return true };
        // Both, or what is attached proves nothing.
        let both = attached.zip(inline);
        profile.inline = both.as_ref().is_some_and(|(_, inline)| !inline.policy_names().is_empty());
        profile.policies = both
            .map(|(attached, _)| attached.attached_policies().iter().filter_map(|policy| policy.policy_arn()).map(str::to_owned).collect());
        true
    }
}
