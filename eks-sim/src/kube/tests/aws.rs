//! What the cluster's controllers do in the account: volumes and load balancers, on the simulator's EC2 and load balancing.

use serde_json::Value;

use super::*;
use crate::call::Service as Aws;

fn call(sim: &Sim, service: Aws, action: &str, args: Value) -> Value {
    sim.with(|world| {
        let caller = world.service_caller("test");
        world.call(service, action, args, &caller).unwrap_or_else(|error| panic!("{action}: {error}"))
    })
}

fn ec2(sim: &Sim, action: &str, args: Value) -> Value {
    call(sim, Aws::Ec2, action, args)
}

fn id(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).expect("an id").to_owned()
}

struct Network {
    sim: Sim,
    public: String,
    private: String,
}

/// A cluster in a VPC with a public and a private subnet, and one Ready node in the private one.
async fn network() -> Network {
    let sim = account();
    let vpc = id(&ec2(&sim, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})), "/vpc/vpcId");
    let subnet = |range: &str, zone: &str| {
        id(&ec2(&sim, "CreateSubnet", json!({"VpcId": vpc, "CidrBlock": range, "AvailabilityZone": zone})), "/subnet/subnetId")
    };
    let (public, private) = (subnet("10.0.1.0/24", "us-east-1a"), subnet("10.0.4.0/24", "us-east-1a"));
    let gateway = id(&ec2(&sim, "CreateInternetGateway", json!({})), "/internetGateway/internetGatewayId");
    ec2(&sim, "AttachInternetGateway", json!({"VpcId": vpc, "InternetGatewayId": gateway}));
    let table = id(&ec2(&sim, "CreateRouteTable", json!({"VpcId": vpc})), "/routeTable/routeTableId");
    ec2(&sim, "CreateRoute", json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}));
    ec2(&sim, "AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": public}));
    let tag = json!([{"Key": "kubernetes.io/role/internal-elb", "Value": "1"}]);
    ec2(&sim, "CreateTags", json!({"ResourceId": [private], "Tag": tag}));
    let run =
        json!({"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.medium", "MinCount": "1", "MaxCount": "1", "SubnetId": private});
    let instance = id(&ec2(&sim, "RunInstances", run), "/instancesSet/0/instanceId");
    settle(&sim, 60).await;
    sim.with(|world| {
        let facts = world.kube.stand_in.as_mut().expect("a stand-in");
        facts.cluster.vpc = vpc.clone();
        facts.software.insert("aws-ebs-csi-driver");
        facts.storage_role = Some("arn:aws:iam::123456789012:role/ebs".to_owned());
    });
    join(&sim, &[]);
    sim.with(|world| register(world, CLUSTER, kubelet("n0", "us-east-1a", &instance))).expect("admitted");
    settle(&sim, 60).await;
    Network { sim, public, private }
}

fn user_of(name: &str, claim: &str) -> Pod {
    let mut user = pod(name, json!({}));
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
    user.spec.as_mut().expect("a spec").volumes = Some(from(volumes));
    user
}

#[tokio::test(start_paused = true)]
async fn a_claim_becomes_a_volume_in_its_pods_zone() {
    let Network { sim, .. } = network().await;
    let class = json!({
        "metadata": {"name": "gp3-a"}, "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3", "encrypted": "true"},
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowedTopologies": [{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["us-east-1a"]}]}],
    });
    Api::<StorageClass>::all(client(&sim)).create(&PostParams::default(), &from(class)).await.expect("created");
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client(&sim));
    let claim = json!({
        "metadata": {"name": "pvc-a"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3-a", "resources": {"requests": {"storage": "10Gi"}}},
    });
    claims.create(&PostParams::default(), &from(claim)).await.expect("created");
    settle(&sim, 60).await;
    assert!(ec2(&sim, "DescribeVolumes", json!({"Filter": [{"Name": "tag-key", "Value": ["CSIVolumeName"]}]}))["volumeSet"] == json!([]));
    let pods: Api<Pod> = Api::default_namespaced(client(&sim));
    pods.create(&PostParams::default(), &user_of("nginx", "pvc-a")).await.expect("created");
    settle(&sim, 90).await;
    assert_eq!(pods.get("nginx").await.expect("a Pod").status.and_then(|status| status.phase).as_deref(), Some("Running"));
    let bound = claims.get("pvc-a").await.expect("a claim");
    assert_eq!(bound.status.and_then(|status| status.phase).as_deref(), Some("Bound"));
    let filter = json!({"Filter": [{"Name": "tag:kubernetes.io/cluster/chap10", "Value": ["owned"]}]});
    let volumes = ec2(&sim, "DescribeVolumes", filter.clone());
    let volume = &volumes["volumeSet"][0];
    assert_eq!(
        (&volume["availabilityZone"], &volume["volumeType"], &volume["status"]),
        (&json!("us-east-1a"), &json!("gp3"), &json!("in-use"))
    );
    assert_eq!(sim.inventory().count("kubernetes/PersistentVolumeClaim"), 1);
    // Deleting the claim waits for the Pod; then the volume goes, as the class says.
    claims.delete("pvc-a", &DeleteParams::default()).await.expect("accepted");
    pods.delete("nginx", &DeleteParams::default()).await.expect("deleted");
    settle(&sim, 120).await;
    assert_eq!(status(claims.get("pvc-a").await).code, 404);
    assert_eq!(ec2(&sim, "DescribeVolumes", filter)["volumeSet"], json!([]));
    assert_eq!(Api::<PersistentVolume>::all(client(&sim)).list(&ListParams::default()).await.expect("a list").items.len(), 0);
}

fn service(name: &str, annotations: Value) -> Service {
    from(json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"type": "LoadBalancer", "selector": {"app": "nginx"}, "ports": [{"port": 80}]},
    }))
}

async fn hostname(api: &Api<Service>, name: &str) -> Option<String> {
    let status = api.get(name).await.expect("a Service").status?;
    status.load_balancer?.ingress?.first()?.hostname.clone()
}

#[tokio::test(start_paused = true)]
async fn services_get_classic_load_balancers() {
    let Network { sim, public, private } = network().await;
    let api: Api<Service> = Api::default_namespaced(client(&sim));
    api.create(&PostParams::default(), &service("external", json!({}))).await.expect("created");
    let internal = json!({"service.beta.kubernetes.io/aws-load-balancer-internal": "true"});
    api.create(&PostParams::default(), &service("internal", internal)).await.expect("created");
    settle(&sim, 60).await;
    let described = call(&sim, Aws::Elb, "DescribeLoadBalancers", json!({"Version": "2012-06-01"}));
    for (name, scheme, subnet) in [("external", "internet-facing", public), ("internal", "internal", private)] {
        let hostname = hostname(&api, name).await.expect("published");
        let all = described["LoadBalancerDescriptions"].as_array().expect("a list");
        let balancer = all.iter().find(|balancer| balancer["DNSName"] == hostname).expect("this one");
        assert_eq!((&balancer["Scheme"], &balancer["Subnets"]), (&json!(scheme), &json!([subnet])), "{name}");
        assert_eq!(balancer["Instances"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(sim.ledger().of("chap10/default/external")[0].kind, "ClassicLoadBalancer");
    api.delete("external", &DeleteParams::default()).await.expect("accepted");
    assert!(api.get("external").await.expect("held by its finalizer").metadata.deletion_timestamp.is_some());
    api.delete("internal", &DeleteParams::default()).await.expect("accepted");
    settle(&sim, 300).await;
    assert_eq!(status(api.get("external").await).code, 404);
    assert_eq!(sim.inventory().count("elb/load-balancer"), 0);
    let groups = ec2(&sim, "DescribeSecurityGroups", json!({"Filter": [{"Name": "group-name", "Value": ["k8s-elb-*"]}]}));
    assert_eq!(groups["securityGroupInfo"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn services_get_network_load_balancers_by_annotation() {
    let Network { sim, .. } = network().await;
    let api: Api<Service> = Api::default_namespaced(client(&sim));
    let kind = |kind: &str| json!({"service.beta.kubernetes.io/aws-load-balancer-type": kind});
    api.create(&PostParams::default(), &service("web", kind("nlb"))).await.expect("created");
    api.create(&PostParams::default(), &service("other", kind("external"))).await.expect("created");
    settle(&sim, 60).await;
    assert_eq!(hostname(&api, "web").await, None);
    settle(&sim, 180).await;
    assert!(hostname(&api, "web").await.is_some());
    assert_eq!(hostname(&api, "other").await, None, "the AWS Load Balancer Controller's");
    assert_eq!(sim.inventory().count("elb/load-balancer"), 1);
    api.delete("web", &DeleteParams::default()).await.expect("accepted");
    settle(&sim, 60).await;
    assert_eq!(status(api.get("web").await).code, 404);
    assert_eq!(sim.inventory().count("elb/load-balancer"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_subnet_says_why_it_waits() {
    let sim = account();
    sim.with(|world| world.kube.stand_in.as_mut().expect("a stand-in").cluster.vpc = "vpc-0123456789abcdef0".to_owned());
    let api: Api<Service> = Api::default_namespaced(client(&sim));
    api.create(&PostParams::default(), &service("web", json!({}))).await.expect("created");
    settle(&sim, 30).await;
    let events = Api::<Event>::default_namespaced(client(&sim)).list(&ListParams::default().fields("involvedObject.name=web")).await;
    assert_eq!(events.expect("events").items[0].reason.as_deref(), Some("SyncLoadBalancerFailed"));
}

/// "Well-Known Labels": `node.kubernetes.io/exclude-from-external-load-balancers`; "Edit target group attributes": the deregistration delay;
/// "Configure connection draining for your Classic Load Balancer".
#[tokio::test(start_paused = true)]
async fn load_balancers_let_go_of_excluded_nodes_after_a_while() {
    let network = network().await;
    let sim = &network.sim;
    let prefix = "service.beta.kubernetes.io/aws-load-balancer";
    for (name, annotations) in [
        ("nlb", json!({format!("{prefix}-type"): "nlb"})),
        (
            "classic",
            json!({format!("{prefix}-connection-draining-enabled"): "true", format!("{prefix}-connection-draining-timeout"): "60"}),
        ),
    ] {
        let service = json!({
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"type": "LoadBalancer", "selector": {"app": "nginx"}, "ports": [{"port": 80}]},
        });
        let services: Api<Service> = Api::default_namespaced(client(sim));
        services.create(&PostParams::default(), &serde_json::from_value(service).expect("a Service")).await.expect("created");
    }
    settle(sim, 400).await;
    let nlb = |action: &str, mut args: Value| {
        args["Version"] = json!("2015-12-01");
        call(sim, Aws::Elb, action, args)
    };
    let group = id(&nlb("DescribeTargetGroups", json!({})), "/TargetGroups/0/TargetGroupArn");
    let states = |answer: &Value, list: &str, state: &str| {
        let all = answer[list].as_array().expect("a list").iter();
        all.map(|one| one.pointer(state).and_then(Value::as_str).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let targets =
        || states(&nlb("DescribeTargetHealth", json!({"TargetGroupArn": group})), "TargetHealthDescriptions", "/TargetHealth/State");
    let classic = call(sim, Aws::Elb, "DescribeLoadBalancers", json!({"Version": "2012-06-01"}));
    let name = id(&classic, "/LoadBalancerDescriptions/0/LoadBalancerName");
    let instances = || {
        let args = json!({"Version": "2012-06-01", "LoadBalancerName": name});
        states(&call(sim, Aws::Elb, "DescribeInstanceHealth", args), "InstanceStates", "/Description")
    };
    assert_eq!((targets(), instances()), (vec!["healthy".to_owned()], vec!["N/A".to_owned()]));
    let nodes: Api<Node> = Api::all(client(sim));
    let label =
        |value: Value| Patch::Merge(json!({"metadata": {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": value}}}));
    nodes.patch("n0", &PatchParams::default(), &label(json!("true"))).await.expect("patched");
    settle(sim, 30).await;
    assert_eq!(targets(), ["draining"]);
    assert_eq!(instances(), ["Instance deregistration currently in progress."]);
    settle(sim, 40).await;
    assert_eq!((targets(), instances()), (vec!["draining".to_owned()], vec![]), "60 s of the one, 300 s of the other");
    settle(sim, 240).await;
    assert_eq!(targets(), [""; 0]);
    nodes.patch("n0", &PatchParams::default(), &label(Value::Null)).await.expect("patched");
    settle(sim, 200).await;
    assert_eq!(targets(), ["healthy"]);
}
