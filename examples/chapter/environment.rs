//! The environment of the chapter as four specs, and what is done with them together.

use eks_cluster::{Clusters, ClusterSpec, KubernetesVersion};
use eks_core::{AuthenticationMode, ClusterName, Owner, Plan, Price, StackName, StepKey, Teardown, engine::Engine};
use eks_examples::account::Account;
use eks_k8s::{Access, Claim, Objects, ObjectsSpec, Pod, Service, StorageClass};
use eks_net::{Nat, NetworkSpec, Networks, Rule, SecurityGroup, Subnet};
use eks_nodes::{Capacity, Workers, WorkersSpec};

use crate::options::{Auth, Layer, Options};

/// Any error; the example only shows it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Specs of the layers that are wanted, and the handles to plan and apply them.
pub(crate) struct Environment {
    owner: Owner,
    network: NetworkSpec,
    cluster: Option<ClusterSpec>,
    workers: Option<WorkersSpec>,
    objects: Option<ObjectsSpec>,
    networks: Networks,
    clusters: Clusters,
    groups: Workers,
    kubernetes: Objects,
    engine: Engine,
}

impl Environment {
    pub(crate) fn new(options: &Options, account: &Account) -> Result<Self, Failure> {
        let owner = Owner::new(options.owner.as_str())?;
        let layers = options.layers()?;
        let network = network(&owner)?;
        let cluster = layers.contains(&Layer::Cluster).then(|| cluster(&owner, &network, options, &layers)).transpose()?;
        let workers = match &cluster {
            Some(cluster) if layers.contains(&Layer::Nodes) => Some(workers(&owner, cluster, &network)?),
            _ => None,
        };
        let objects = match (&cluster, &workers) {
            (Some(cluster), Some(workers)) if layers.contains(&Layer::K8s) => Some(objects(&owner, cluster, workers, &network, options)?),
            _ => None,
        };
        let (config, connector) = (account.config(), account.connector());
        Ok(Self {
            owner,
            network,
            cluster,
            workers,
            objects,
            networks: Networks::new(config),
            clusters: Clusters::new(config),
            groups: Workers::new(config),
            kubernetes: Objects::connecting(move |access: Access| connector.clone().connecting(access)),
            engine: account.engine(),
        })
    }
}

/// Section 1: the network of the chapter, subnet by subnet.
fn network(owner: &Owner) -> Result<NetworkSpec, Failure> {
    let ssh = || Rule::tcp(22).described("SSH");
    let http = || Rule::tcp(80).described("HTTP");
    Ok(NetworkSpec::builder(owner, "10.0.0.0/16")
        .subnet(Subnet::public("us-east-1a", "10.0.1.0/24"))
        .subnet(Subnet::public("us-east-1b", "10.0.3.0/24"))
        .subnet(Subnet::private("us-east-1a", "10.0.4.0/24"))
        .subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
        .nat(Nat::Single)
        .security_group(
            SecurityGroup::new("public", "Public instances").allow(ssh().from_cidr("98.234.106.21/32")).allow(http().from_cidr("0.0.0.0/0")),
        )
        .security_group(SecurityGroup::new("private", "Private instances").allow(ssh().from_group("public")).allow(http().from_group("public")))
        .security_group(SecurityGroup::new("elb", "Load balancers").allow(http().from_cidr("0.0.0.0/0")))
        .security_group(SecurityGroup::new("eks-control-plane", "EKS control plane"))
        .cluster(owner.as_str())
        .build()?)
}

/// Section 3: the control plane, in all four subnets.
fn cluster(owner: &Owner, network: &NetworkSpec, options: &Options, layers: &[Layer]) -> Result<ClusterSpec, Failure> {
    let mut builder = ClusterSpec::builder(owner, ClusterName::new(owner.as_str())?, KubernetesVersion::V1_36, network.refs())
        .security_groups(["eks-control-plane"])
        .authentication(match options.auth {
            Auth::Api => AuthenticationMode::ApiAndConfigMap,
            Auth::ConfigMap => AuthenticationMode::ConfigMap,
        });
    if options.no_addons {
        builder = builder.no_addons();
    }
    if layers.contains(&Layer::K8s) {
        builder = builder.nodes_ready_after([StepKey::new(["k8s", "nodes", workers_name(owner)?.as_str()])?]);
    }
    Ok(builder.build()?)
}

fn workers_name(owner: &Owner) -> Result<StackName, Failure> {
    Ok(StackName::new(format!("{owner}-worker"))?)
}

/// Section 4: two workers in the private subnets, one in each zone.
fn workers(owner: &Owner, cluster: &ClusterSpec, network: &NetworkSpec) -> Result<WorkersSpec, Failure> {
    Ok(WorkersSpec::builder(owner, workers_name(owner)?, cluster.refs(), network.refs().private())
        .instance_type("t3.medium")
        .capacity(Capacity::new(2, 2, 3)?)
        .build()?)
}

/// Section 5: storage by zone, a Pod with a volume, load balancers inside and outside.
fn objects(owner: &Owner, cluster: &ClusterSpec, workers: &WorkersSpec, network: &NetworkSpec, options: &Options) -> Result<ObjectsSpec, Failure> {
    let mut builder = ObjectsSpec::builder(owner, cluster.refs()).nodes(workers.refs()).service_needs(network.refs().egress);
    if options.auth == Auth::ConfigMap {
        builder = builder.map_role("workers", workers.refs().role);
    }
    let nginx = || Pod::new("nginx", "public.ecr.aws/nginx/nginx:1.29").label("app", "nginx").port(80);
    builder = if options.no_addons {
        builder.pod(nginx().zone("us-east-1a"))
    } else {
        builder
            .storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"))
            .storage_class(StorageClass::gp3("gp3-us-east-1b").zone("us-east-1b"))
            .claim(Claim::new("pvc-a", "10Gi").class("gp3-us-east-1a"))
            .claim(Claim::new("pvc-b", "10Gi").class("gp3-us-east-1b"))
            .pod(nginx().mount("pvc-a", "/usr/share/nginx/html").zone("us-east-1a"))
    };
    Ok(builder
        .service(Service::load_balancer("nginx").internal().port(80, 80).selector("app", "nginx"))
        .service(Service::load_balancer("nginx-external").internet_facing().network().port(80, 80).selector("app", "nginx"))
        .build()?)
}
