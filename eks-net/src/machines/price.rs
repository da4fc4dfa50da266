//! What machines cost: on demand, Linux, us-east-1. (Amazon EC2 On-Demand pricing; Elastic Load Balancing pricing.)

/// US dollars an hour for a classic load balancer, before traffic.
pub(crate) const BALANCER_HOURLY: f64 = 0.025;

/// US dollars an hour for instance types that people use for single machines; `None` for others.
pub(crate) fn instance_hourly(instance_type: &str) -> Option<f64> {
    Some(match instance_type {
        "t2.nano" => 0.0058,
        "t2.micro" => 0.0116,
        "t2.small" => 0.023,
        "t2.medium" => 0.0464,
        "t3.nano" => 0.0052,
        "t3.micro" => 0.0104,
        "t3.small" => 0.0208,
        "t3.medium" => 0.0416,
        "t3.large" => 0.0832,
        "t3.xlarge" => 0.1664,
        "t3.2xlarge" => 0.3328,
        "t3a.medium" => 0.0376,
        "t4g.nano" => 0.0042,
        "t4g.micro" => 0.0084,
        "t4g.small" => 0.0168,
        "t4g.medium" => 0.0336,
        "t4g.large" => 0.0672,
        "c5.large" => 0.085,
        "c5.xlarge" => 0.17,
        "m5.large" | "m6i.large" => 0.096,
        "m5.xlarge" | "m6i.xlarge" => 0.192,
        "m5.2xlarge" => 0.384,
        "m5.4xlarge" => 0.768,
        "m7g.large" => 0.0816,
        "m7g.xlarge" => 0.1632,
        "m7i.large" => 0.1008,
        "r5.large" => 0.126,
        "r5.xlarge" => 0.252,
        _ => return None,
    })
}
