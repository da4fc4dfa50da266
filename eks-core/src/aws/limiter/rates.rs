//! How many requests AWS takes.
//!
//! EC2: "Request throttling for the Amazon EC2 API" (per API action, account and Region). Elastic Load Balancing: "Request throttling for
//! the Elastic Load Balancing API" (a bucket for all, and one per kind). Of the other services no buckets are published; those
//! here are careful guesses, and what they are too generous for, the runner repeats.

/// A token bucket: so many requests at once, and so many a second for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "users with raised limits build it")]
pub struct Rate {
    /// Requests at once.
    pub burst: f64,
    /// Requests a second.
    pub per_second: f64,
}

const fn rate(burst: f64, per_second: f64) -> Rate {
    Rate { burst, per_second }
}

/// Name of a bucket, and its rate.
pub(super) type Bucket = (String, Rate);

/// The buckets that one call takes a token of each; `service` and `operation` as the SDK names them.
pub(super) fn buckets(service: &str, operation: &str) -> Vec<Bucket> {
    let own = |rate| vec![(format!("{service}/{operation}"), rate)];
    match service {
        "EC2" => own(ec2(operation)),
        "Elastic Load Balancing" | "Elastic Load Balancing v2" => {
            let (kind, of_kind) = balancing(operation);
            vec![(service.to_owned(), rate(40.0, 10.0)), (format!("{service}/{kind}"), of_kind)]
        }
        _ if reads(operation) => own(rate(20.0, 10.0)),
        _ => own(rate(10.0, 5.0)),
    }
}

fn reads(operation: &str) -> bool {
    ["Describe", "Get", "List", "Search", "Simulate"].iter().any(|verb| operation.starts_with(verb))
}

fn ec2(operation: &str) -> Rate {
    match operation {
        "RunInstances" | "StartInstances" => rate(5.0, 2.0),
        "CreateNatGateway" | "DeleteNatGateway" | "AssociateNatGatewayAddress" => rate(10.0, 1.0),
        "CreateVpcEndpoint" | "ModifyVpcEndpoint" | "DeleteVpcEndpoints" => rate(4.0, 0.3),
        "CreateTags" | "DeleteTags" => rate(100.0, 10.0),
        "CreateVolume"
        | "DeleteVolume"
        | "CreateNetworkInterface"
        | "DeleteNetworkInterface"
        | "CreateLaunchTemplateVersion"
        | "ModifyLaunchTemplate"
        | "ModifyNetworkInterfaceAttribute"
        | "AssociateIamInstanceProfile"
        | "TerminateInstances" => rate(100.0, 5.0),
        // Unfiltered and unpaginated these have half of it; ours are always filtered.
        _ if reads(operation) => rate(100.0, 20.0),
        _ => rate(50.0, 5.0),
    }
}

fn balancing(operation: &str) -> (&'static str, Rate) {
    match operation {
        "CreateLoadBalancer" | "SetSubnets" | "AttachLoadBalancerToSubnets" | "DetachLoadBalancerFromSubnets" => {
            ("intensive", rate(10.0, 0.2))
        }
        "EnableAvailabilityZonesForLoadBalancer" | "DisableAvailabilityZonesForLoadBalancer" => ("intensive", rate(10.0, 0.2)),
        "RegisterTargets" | "DeregisterTargets" | "RegisterInstancesWithLoadBalancer" | "DeregisterInstancesFromLoadBalancer" => {
            ("registering", rate(20.0, 4.0))
        }
        _ if reads(operation) => ("reading", rate(40.0, 10.0)),
        _ => ("changing", rate(20.0, 3.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_pages_say() {
        let of = |service, operation| buckets(service, operation).iter().map(|(_, rate)| (rate.burst, rate.per_second)).collect::<Vec<_>>();
        assert_eq!(of("EC2", "DescribeVpcs"), [(100.0, 20.0)]);
        assert_eq!(of("EC2", "CreateVpc"), [(50.0, 5.0)]);
        assert_eq!(of("EC2", "CreateNatGateway"), [(10.0, 1.0)]);
        assert_eq!(of("EC2", "CreateVpcEndpoint"), [(4.0, 0.3)]);
        assert_eq!(of("Elastic Load Balancing", "CreateLoadBalancer"), [(40.0, 10.0), (10.0, 0.2)]);
        assert_eq!(of("Elastic Load Balancing", "DescribeInstanceHealth"), [(40.0, 10.0), (40.0, 10.0)]);
        // Actions of EC2 have a bucket each; those of a kind of Elastic Load Balancing share one.
        assert_ne!(buckets("EC2", "CreateVpc")[0].0, buckets("EC2", "CreateSubnet")[0].0);
        assert_eq!(buckets("Elastic Load Balancing", "AddTags"), buckets("Elastic Load Balancing", "ConfigureHealthCheck"));
    }
}
