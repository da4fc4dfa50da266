//! What is left after a teardown, and why.

use eks_core::{HOURS_PER_MONTH, Survivor};

use crate::{
    egress::price::{ADDRESS_HOURLY, TRANSIT_HOURLY},
    existing::marks,
    observed::{Found, FoundGroup, FoundInterface, FoundVolume, Observed},
};

impl Observed {
    /// Everything of the owner's that is there, and what others have in its VPC.
    pub fn survivors(&self) -> Vec<Survivor> {
        let mut left = Vec::new();
        for gateway in self.nat_gateways.iter().filter(|gateway| gateway.state != "deleted") {
            self.ours_left(&mut left, "NAT gateway", std::slice::from_ref(gateway), gateway.usd_per_month());
        }
        let attachments: Vec<_> = self.transit_attachments.iter().filter(|attachment| !attachment.is_gone()).cloned().collect();
        self.ours_left(&mut left, "transit gateway attachment", &attachments, TRANSIT_HOURLY * HOURS_PER_MONTH);
        for endpoint in self.endpoints.iter().filter(|endpoint| !endpoint.is_gone()) {
            self.ours_left(&mut left, "VPC endpoint", std::slice::from_ref(endpoint), endpoint.usd_per_month());
        }
        self.ours_left(&mut left, "egress-only internet gateway", &self.egress_only_gateways, 0.0);
        self.ours_left(&mut left, "elastic IP address", &self.addresses, ADDRESS_HOURLY * HOURS_PER_MONTH);
        self.ours_left(&mut left, "internet gateway", &self.internet_gateways, 0.0);
        self.ours_left(&mut left, "subnet", &self.subnets, 0.0);
        self.ours_left(&mut left, "route table", &self.route_tables, 0.0);
        self.ours_left(&mut left, "security group", &self.security_groups, 0.0);
        self.ours_left(&mut left, "VPC", &self.vpcs, 0.0);
        left.extend(self.used.iter().map(|used| {
            let why = "a tag of ours is still on it, though we only used it";
            Survivor::new("tag on", used.id.as_str(), why, "tear down again", 0.0)
        }));
        left.extend(self.interfaces.iter().map(interface));
        left.extend(self.volumes.iter().filter(|volume| !matches!(volume.state.as_str(), "deleting" | "deleted")).map(volume));
        // In a VPC that we did not make, others' things may be.
        let ours = self.vpcs.iter().any(|vpc| !marks::is_adopted(&vpc.tags));
        let foreign = self.security_groups.iter().filter(|group| ours && group.key(&self.owner).is_none() && group.name != "default");
        left.extend(foreign.map(group));
        let subnets = self.subnets.iter().filter(|subnet| ours && subnet.key(&self.owner).is_none());
        left.extend(subnets.map(|subnet| {
            let why = format!("we did not make it ({} in {}), and it lies in our VPC", subnet.cidr, subnet.zone);
            Survivor::new("subnet", subnet.id.as_str(), why, "delete what is in it, then the subnet; then tear down again", 0.0)
        }));
        left
    }

    /// Interfaces that somebody made for something of their own and that no instance has: nobody will take them along, and they hold their
    /// subnets. Those of the VPC CNI and of the controller of Pods' security groups are swept.
    pub(crate) fn others_interfaces(&self) -> Vec<Survivor> {
        let swept = |found: &FoundInterface| found.description.to_ascii_lowercase().starts_with("aws-k8s-");
        self.interfaces.iter().filter(|found| found.status == "available" && !swept(found)).map(interface).collect()
    }

    fn ours_left<T: Found>(&self, left: &mut Vec<Survivor>, kind: &str, all: &[T], usd_per_month: f64) {
        for (_, found) in self.ours(all) {
            if marks::is_adopted(found.tags()) {
                let why = format!("our tags are still on the {kind}, which we did not make");
                left.push(Survivor::new("tag on", found.id(), why, "tear down again", 0.0));
                continue;
            }
            let why = "it could not be deleted, or was made while the teardown ran";
            left.push(Survivor::new(kind, found.id(), why, "remove what uses it, then tear down again", usd_per_month));
        }
    }
}

/// Who holds an interface tells its description; EC2 knows no better. (Amazon EC2 API Reference, DescribeNetworkInterfaces.)
fn interface(interface: &FoundInterface) -> Survivor {
    let description = &interface.description;
    let (why, remedy) = if let Some(name) = description.strip_prefix("ELB ") {
        (
            format!("it belongs to the load balancer {name}, which holds its subnet and security groups"),
            "delete the Service or Ingress that made the load balancer, or the load balancer itself; then tear down again",
        )
    } else if description.starts_with("Amazon EKS ") {
        (
            format!("it belongs to a control plane ({description})"),
            "delete the cluster and wait some minutes; EKS removes its interfaces itself",
        )
    } else if description.starts_with("aws-K8S-") {
        let why = format!("the VPC CNI made it ({description}), and it is {}", interface.status);
        (why, "terminate the instance that uses it, then tear down again")
    } else if interface.status == "available" {
        let why = format!("we did not make it ({description:?}), and it holds its subnet");
        let remedy =
            format!("if nobody needs it: aws ec2 delete-network-interface --network-interface-id {}; then tear down again", interface.id);
        return Survivor::new("network interface", interface.id.as_str(), why, remedy, 0.0);
    } else {
        (format!("it is {} ({description:?})", interface.status), "delete what uses it, then tear down again")
    };
    Survivor::new("network interface", interface.id.as_str(), why, remedy, 0.0)
}

/// gp3, by size alone. (Amazon EBS pricing.)
const GIB_MONTHLY: f64 = 0.08;

/// Volumes of claims carry the owner's tag by their StorageClass, those of workers by their stack.
fn volume(volume: &FoundVolume) -> Survivor {
    let claim = volume.tags.get("kubernetes.io/created-for/pvc/name");
    let why = match claim {
        Some(claim) => format!("it belongs to the claim {claim}; its reclaim policy kept it, or its cluster went first"),
        None => format!("it is {}", volume.state),
    };
    let remedy = format!("when nothing in it is needed any more: aws ec2 delete-volume --volume-id {}", volume.id);
    Survivor::new("EBS volume", volume.id.as_str(), why, remedy, f64::from(volume.gib) * GIB_MONTHLY)
}

fn group(group: &FoundGroup) -> Survivor {
    let cluster = group.tags.keys().find_map(|key| key.strip_prefix("kubernetes.io/cluster/"));
    let why = match cluster {
        Some(cluster) => format!("the cluster {cluster} made it ({}), and it is still in use", group.name),
        None => format!("we did not make it ({}), and it lies in our VPC", group.name),
    };
    Survivor::new("security group", group.id.as_str(), why, "delete what uses it, then the group; then tear down again", 0.0)
}
