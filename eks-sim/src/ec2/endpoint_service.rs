//! The services of a Region that have VPC endpoints ("AWS services that integrate with AWS PrivateLink", "Gateway endpoints").

use serde_json::{Value, json};

use super::{Reply, endpoint::EndpointKind, filter::Listing, zones};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

/// One offer: a service by its short name, one type of endpoint, and the private DNS name in which `{}` is the Region.
pub(super) struct Service {
    name: &'static str,
    pub(super) kind: EndpointKind,
    private_dns: Option<&'static str>,
}

const fn interface(name: &'static str, private_dns: &'static str) -> Service {
    Service { name, kind: EndpointKind::Interface, private_dns: Some(private_dns) }
}

const SERVICES: &[Service] = &[
    interface("autoscaling", "autoscaling.{}.amazonaws.com"),
    interface("cloudformation", "cloudformation.{}.amazonaws.com"),
    Service { name: "dynamodb", kind: EndpointKind::Gateway, private_dns: None },
    // "DynamoDB interface endpoints": private DNS names are not supported.
    Service { name: "dynamodb", kind: EndpointKind::Interface, private_dns: None },
    interface("ec2", "ec2.{}.amazonaws.com"),
    interface("ec2messages", "ec2messages.{}.amazonaws.com"),
    interface("ecr.api", "api.ecr.{}.amazonaws.com"),
    interface("ecr.dkr", "*.dkr.ecr.{}.amazonaws.com"),
    interface("eks", "eks.{}.amazonaws.com"),
    interface("eks-auth", "eks-auth.{}.api.aws"),
    interface("elasticfilesystem", "elasticfilesystem.{}.amazonaws.com"),
    interface("elasticloadbalancing", "elasticloadbalancing.{}.amazonaws.com"),
    interface("events", "events.{}.amazonaws.com"),
    interface("kms", "kms.{}.amazonaws.com"),
    interface("logs", "logs.{}.amazonaws.com"),
    interface("monitoring", "monitoring.{}.amazonaws.com"),
    Service { name: "s3", kind: EndpointKind::Gateway, private_dns: None },
    interface("s3", "*.s3.{}.amazonaws.com"),
    interface("secretsmanager", "secretsmanager.{}.amazonaws.com"),
    interface("sns", "sns.{}.amazonaws.com"),
    interface("sqs", "sqs.{}.amazonaws.com"),
    interface("ssm", "ssm.{}.amazonaws.com"),
    interface("ssmmessages", "ssmmessages.{}.amazonaws.com"),
    interface("sts", "sts.{}.amazonaws.com"),
    interface("xray", "xray.{}.amazonaws.com"),
];

/// `com.amazonaws.us-east-1.s3`.
pub(super) fn service_name(region: &str, name: &str) -> String {
    format!("com.amazonaws.{region}.{name}")
}

fn unknown(name: &str) -> ApiError {
    ApiError::new("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"))
}

/// The offer that a call on endpoints names.
pub(super) fn find(region: &str, name: &str, kind: EndpointKind) -> Result<&'static Service, ApiError> {
    let offers: Vec<_> = SERVICES.iter().filter(|service| service_name(region, service.name) == name).collect();
    let Some(first) = offers.first() else { return Err(unknown(name)) };
    offers.iter().find(|service| service.kind == kind).copied().ok_or_else(|| {
        let message = format!("Endpoint type ({}) does not match available service types ([{}]).", kind.name(), first.kind.name());
        ApiError::new("InvalidParameter", message)
    })
}

impl Service {
    /// The name that resolves to the endpoint inside the VPC when private DNS is on.
    pub(super) fn private_dns(&self, region: &str) -> Option<String> {
        self.private_dns.map(|pattern| pattern.replace("{}", region))
    }

    /// Whether private DNS needs to be asked for: S3's has conditions of its own.
    pub(super) fn is_s3(&self) -> bool {
        self.name == "s3"
    }

    fn id(&self) -> String {
        let hash = |seed: u64, text: &str| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("vpce-svc-0{:016x}", hash(hash(0xcbf2_9ce4_8422_2325, self.name), self.kind.name()))
    }

    fn render(&self, region: &str) -> Value {
        let zones = zones::zones(region);
        let (names, ids): (Vec<_>, Vec<_>) = zones.into_iter().unzip();
        let private = self.private_dns(region);
        let base = match self.kind {
            EndpointKind::Gateway => format!("{}.{region}.amazonaws.com", self.name),
            EndpointKind::Interface => format!("{}.{region}.vpce.amazonaws.com", self.name),
        };
        json!({
            "serviceName": service_name(region, self.name), "serviceId": self.id(), "serviceType": [{"serviceType": self.kind.name()}],
            "serviceRegion": region, "availabilityZoneSet": names, "availabilityZoneIdSet": ids, "owner": "amazon",
            "baseEndpointDnsNameSet": [base], "privateDnsName": private, "vpcEndpointPolicySupported": true,
            "privateDnsNameSet": private.iter().map(|name| json!({"privateDnsName": name})).collect::<Vec<_>>(),
            "privateDnsNameVerificationState": private.as_ref().map(|_| "verified"), "acceptanceRequired": false,
            "managesVpcEndpoints": false, "supportedIpAddressTypeSet": ["ipv4"], "tagSet": [],
            "sort": format!("{} {}", self.name, self.kind.name()),
        })
    }
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let mut items: Vec<_> = SERVICES.iter().map(|service| service.render(&world.region)).collect();
    let names = args.strings("ServiceName");
    if let Some(stranger) = names.iter().find(|name| !items.iter().any(|item| item["serviceName"] == name.as_str())) {
        return Err(unknown(stranger));
    }
    items.retain(|item| names.is_empty() || names.iter().any(|name| item["serviceName"] == name.as_str()));
    let listing = Listing {
        set: "serviceDetailSet",
        ids: None,
        key: "sort",
        filters: &[
            ("owner", "owner"),
            ("service-name", "serviceName"),
            ("service-region", "serviceRegion"),
            ("service-type", "serviceType.serviceType"),
            ("supported-ip-address-types", "supportedIpAddressTypeSet"),
        ],
        page: Some((1, 1000)),
    };
    let mut reply = listing.reply(args, items)?;
    let mut told = Vec::new();
    for item in reply["serviceDetailSet"].as_array_mut().into_iter().flatten() {
        item["sort"] = Value::Null;
        told.push(item["serviceName"].clone());
    }
    told.dedup();
    reply["serviceNameSet"] = Value::Array(told);
    Ok(reply)
}
