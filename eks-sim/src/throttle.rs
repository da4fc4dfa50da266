//! Too many requests: token buckets as AWS publishes them.
//!
//! "Request throttling for the Amazon EC2 API" (a bucket for each action of an account in a Region), "Request throttling for the Elastic
//! Load Balancing API" (one for all actions, and one for each kind). Of other services none are published, and none are here.
//! What limits how many *resources* RunInstances asks for at a time is not modelled: no client of ours starts a thousand at once.

use std::{collections::BTreeMap, time::Duration};

use crate::call::{Args, Service};

/// Requests at once, and a second.
type Rate = (f64, f64);

/// The buckets of an account in a Region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    /// Whether anything is throttled.
    pub(crate) on: bool,
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Clone, Debug)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Throttle {
    /// Whether a request may pass; it takes a token of each of its buckets if so.
    pub(crate) fn pass(&mut self, now: Duration, service: Service, action: &str, args: &Args) -> bool {
        if !self.on {
            return true;
        }
        let rates = rates(service, action, args);
        for (name, (burst, per_second)) in &rates {
            let bucket = self.buckets.entry(name.clone()).or_insert(Bucket { tokens: *burst, filled: now });
            let since = now.saturating_sub(bucket.filled).as_secs_f64();
            *bucket = Bucket { tokens: (bucket.tokens + since * per_second).min(*burst), filled: now };
        }
        let enough = rates.iter().all(|(name, _)| self.buckets[name].tokens >= 1.0);
        if enough {
            for (name, _) in &rates {
                if let Some(bucket) = self.buckets.get_mut(name) {
                    bucket.tokens -= 1.0;
                }
            }
        }
        enough
    }
}

fn rates(service: Service, action: &str, args: &Args) -> Vec<(String, Rate)> {
    match service {
        Service::Ec2 => vec![(format!("ec2 {action}"), ec2(action, args))],
        Service::Elb => {
            let generation = if args.str("Version") == Some("2015-12-01") { "v2" } else { "v1" };
            let (kind, of_kind) = balancing(action);
            vec![(format!("elb {generation}"), (40.0, 10.0)), (format!("elb {generation} {kind}"), of_kind)]
        }
        _ => Vec::new(),
    }
}

fn ec2(action: &str, args: &Args) -> Rate {
    match action {
        "RunInstances" | "StartInstances" => (5.0, 2.0),
        "CreateNatGateway" | "DeleteNatGateway" | "AssociateNatGatewayAddress" => (10.0, 1.0),
        "CreateVpcEndpoint" | "ModifyVpcEndpoint" | "DeleteVpcEndpoints" => (4.0, 0.3),
        "CreateTags" | "DeleteTags" => (100.0, 10.0),
        "CreateVolume"
        | "DeleteVolume"
        | "CreateNetworkInterface"
        | "DeleteNetworkInterface"
        | "CreateLaunchTemplateVersion"
        | "ModifyLaunchTemplate"
        | "ModifyNetworkInterfaceAttribute"
        | "AssociateIamInstanceProfile"
        | "TerminateInstances" => (100.0, 5.0),
        "GetConsoleOutput" | "GetConsoleScreenshot" => (100.0, 10.0),
        // "Unfiltered and unpaginated non-mutating actions".
        "DescribeInstances"
        | "DescribeInstanceStatus"
        | "DescribeNetworkInterfaces"
        | "DescribeSecurityGroups"
        | "DescribeSnapshots"
        | "DescribeSpotInstanceRequests"
        | "DescribeVolumes"
            if args.get("Filter").is_none() && args.str("MaxResults").is_none() =>
        {
            (50.0, 10.0)
        }
        _ if ["Describe", "Get", "List", "Search"].iter().any(|verb| action.starts_with(verb)) => (100.0, 20.0),
        _ => (50.0, 5.0),
    }
}

fn balancing(action: &str) -> (&'static str, Rate) {
    match action {
        "CreateLoadBalancer"
        | "SetSubnets"
        | "AttachLoadBalancerToSubnets"
        | "DetachLoadBalancerFromSubnets"
        | "EnableAvailabilityZonesForLoadBalancer"
        | "DisableAvailabilityZonesForLoadBalancer" => ("resource-intensive", (10.0, 0.2)),
        "RegisterTargets" | "DeregisterTargets" | "RegisterInstancesWithLoadBalancer" | "DeregisterInstancesFromLoadBalancer" => {
            ("registration", (20.0, 4.0))
        }
        _ if action.starts_with("Describe") => ("non-mutating", (40.0, 10.0)),
        _ => ("mutating", (20.0, 3.0)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passed(throttle: &mut Throttle, at: u64, count: usize, service: Service, action: &str, args: serde_json::Value) -> usize {
        let args = Args::from(args);
        (0..count).filter(|_| throttle.pass(Duration::from_secs(at), service, action, &args)).count()
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut throttle = Throttle { on: true, ..Throttle::default() };
        let nat = |throttle: &mut Throttle, at, count| passed(throttle, at, count, Service::Ec2, "CreateNatGateway", json!({}));
        assert_eq!(nat(&mut throttle, 0, 20), 10);
        assert_eq!(nat(&mut throttle, 3, 20), 3);
        assert_eq!(nat(&mut throttle, 1_000, 20), 10, "never more than the bucket holds");
        // Another action has another bucket; an unfiltered description a smaller one.
        assert_eq!(passed(&mut throttle, 1_000, 60, Service::Ec2, "CreateVpc", json!({})), 50);
        assert_eq!(passed(&mut throttle, 1_000, 200, Service::Ec2, "DescribeVolumes", json!({})), 50);
        assert_eq!(passed(&mut throttle, 1_000, 200, Service::Iam, "GetRole", json!({})), 200, "nothing is published of IAM");
        // Of Elastic Load Balancing, what is refused takes nothing of the bucket that all share.
        assert_eq!(passed(&mut throttle, 1_000, 30, Service::Elb, "CreateLoadBalancer", json!({"Version": "2012-06-01"})), 10);
        assert_eq!(passed(&mut throttle, 1_000, 60, Service::Elb, "DescribeLoadBalancers", json!({"Version": "2012-06-01"})), 30);
        assert_eq!(passed(&mut throttle, 1_000, 60, Service::Elb, "DescribeLoadBalancers", json!({"Version": "2015-12-01"})), 40);
    }

    #[test]
    fn off_unless_asked_for() {
        assert_eq!(passed(&mut Throttle::default(), 0, 500, Service::Ec2, "CreateNatGateway", json!({})), 500);
    }
}
