//! The environment of the chapter as four specs, and what is done with them together.

use clap::ValueEnum;
use eks_cluster::{
    Addon, ClusterAccess, ClusterSpec, Clusters, KubernetesVersion,
    upgrade::{KubernetesNodes, Upgrade, UpgradePlan},
};
use eks_core::{AuthenticationMode, ClusterName, Owner, Plan, Region, StackName, StepKey, Teardown, engine::Engine};
use eks_k8s::{Claim, ObjectsSpec, ObjectsSpecBuilder, Pod, Service, StorageClass, client::Objects};
use eks_net::{Nat, NetworkSpec, NetworkSpecBuilder, Networks, Rule, SecurityGroup, Subnet};
use eks_nodes::{
    Capacity, Workers, WorkersSpec,
    replacement::{Replacement, ReplacementBuilder, ReplacementPlan, Replacements},
};

use crate::account::Account;

/// Any error; the programs only show it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The layers of an environment, each upon those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Layer {
    /// VPC, subnets, gateways, routes, security groups.
    Net,
    /// Roles, control plane, add-ons.
    Cluster,
    /// Workers.
    Nodes,
    /// Kubernetes objects.
    K8s,
}

/// How principals enter the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "not a published crate")]
pub enum Auth {
    /// API_AND_CONFIG_MAP: access entries beside aws-auth.
    Api,
    /// CONFIG_MAP: aws-auth alone, as in 2018.
    ConfigMap,
}

/// Which variant of the environment.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Variant {
    /// The owner of everything; also the name of the cluster.
    pub owner: String,
    /// How many layers, from the network up.
    pub top: Layer,
    /// How principals enter the cluster.
    pub auth: Auth,
    /// Whether EKS manages add-ons.
    pub addons: bool,
    /// The version of Kubernetes.
    pub version: KubernetesVersion,
    /// What the stack of the workers is called, after the owner.
    pub workers: String,
    /// How many workers.
    pub nodes: u32,
    /// Whether everything is as a later day wants it: a rule, an add-on, a label of nodes and a StorageClass more.
    pub grown: bool,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            owner: "chap10".to_owned(),
            top: Layer::K8s,
            auth: Auth::Api,
            addons: true,
            version: KubernetesVersion::V1_36,
            workers: "worker".to_owned(),
            nodes: 2,
            grown: false,
        }
    }
}

/// Specs of the layers that are wanted, and the handles to plan and apply them.
#[derive(Debug)]
pub struct Environment {
    owner: Owner,
    network: NetworkSpec,
    cluster: Option<ClusterSpec>,
    workers: Option<WorkersSpec>,
    objects: Option<ObjectsSpec>,
    networks: Networks,
    clusters: Clusters,
    groups: Workers,
    kubernetes: Objects,
    replacements: Replacements,
    region: Region,
    engine: Engine,
}

impl Environment {
    /// Checks the specs; makes no call.
    ///
    /// # Errors
    /// If a spec is invalid: all its problems.
    pub fn new(variant: &Variant, account: &Account) -> Result<Self, Failure> {
        Self::with_objects(variant, account, |builder| chapters_objects(builder, variant))
    }

    /// The same environment with other objects on its cluster.
    ///
    /// # Errors
    /// If a spec is invalid: all its problems.
    pub fn with_objects(
        variant: &Variant,
        account: &Account,
        objects: impl FnOnce(ObjectsSpecBuilder) -> ObjectsSpecBuilder,
    ) -> Result<Self, Failure> {
        let owner = Owner::new(variant.owner.as_str())?;
        let network = if variant.grown { grown(&owner)? } else { network(&owner)? };
        let cluster = (variant.top >= Layer::Cluster).then(|| cluster(&owner, &network, variant)).transpose()?;
        let workers = match &cluster {
            Some(cluster) if variant.top >= Layer::Nodes => Some(workers(&owner, cluster, &network, variant)?),
            _ => None,
        };
        let objects = match (&cluster, &workers) {
            (Some(cluster), Some(workers)) if variant.top >= Layer::K8s => {
                Some(objects(bare_objects(&owner, cluster, workers, &network, variant)).build()?)
            }
            _ => None,
        };
        let (config, connector) = (account.config(), account.connector());
        let (networks, groups) = (Networks::new(config), Workers::new(config));
        let clusters = Clusters::new(config).with_nodes(KubernetesNodes::new(connector));
        let kubernetes = account.kubernetes();
        let replacements = Replacements::new(config, kubernetes.clone());
        let region = config.region().map_or("us-east-1", |region| region.as_ref()).parse()?;
        let engine = account.engine().driver(networks.clone()).driver(clusters.clone()).driver(groups.clone()).driver(kubernetes.clone());
        let engine = engine.driver(replacements.clone());
        Ok(Self { owner, network, cluster, workers, objects, networks, clusters, groups, kubernetes, replacements, region, engine })
    }

    /// The engine with a driver for each layer.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// The network that is wanted, as a picture.
    pub fn picture(&self) -> String {
        self.network.picture().to_svg()
    }

    /// One plan for all layers, from what exists now.
    ///
    /// # Errors
    /// If a layer cannot be observed, or what exists contradicts what is wanted.
    pub async fn plan(&self) -> Result<Plan, Failure> {
        let network = async { Ok::<_, Failure>(self.networks.plan(&self.network).await?) };
        let workers = async {
            match &self.workers {
                Some(spec) => Ok(Some(self.groups.plan(spec).await?)),
                None => Ok::<_, Failure>(None),
            }
        };
        let (network, workers) = tokio::try_join!(network, workers)?;
        // Over the network's plan, so that the control plane moves with its subnets.
        let cluster = match &self.cluster {
            Some(spec) => Some(tokio::try_join!(async { Ok(self.clusters.plan(&spec.over(&network)).await?) }, self.access())?),
            None => None,
        };
        let mut plans = vec![network];
        if let Some((cluster, access)) = cluster {
            plans.push(cluster);
            plans.extend(workers);
            if let Some(spec) = &self.objects {
                plans.push(self.kubernetes.plan(spec, access).await?);
            }
        }
        Ok(Plan::join(plans)?)
    }

    /// What can be done now so that the control plane is of this environment's version.
    ///
    /// # Errors
    /// If the cluster cannot be observed, or rules stand against it.
    pub async fn upgrade(&self) -> Result<UpgradePlan, Failure> {
        let spec = self.cluster.as_ref().ok_or("this environment has no cluster")?;
        let upgrade = Upgrade::builder(&self.owner, spec.name().clone(), self.region.clone(), spec.version()).build()?;
        Ok(self.clusters.upgrade(&upgrade).await?)
    }

    /// How this environment's workers take the place of those of another stack, from what exists now.
    ///
    /// # Errors
    /// If something cannot be observed, or rules stand against it.
    pub async fn replacement(
        &self,
        old: &StackName,
        settings: impl FnOnce(ReplacementBuilder) -> ReplacementBuilder,
    ) -> Result<ReplacementPlan, Failure> {
        let (Some(cluster), Some(workers)) = (&self.cluster, &self.workers) else { return Err("this environment has no workers".into()) };
        let access = self.access().await?.ok_or("the cluster's API server is not there")?;
        let replacement = settings(Replacement::builder(&self.owner, old.clone(), workers.clone()).access(access)).build()?;
        // The new workers stand on outputs of these.
        let network = self.networks.plan(&self.network).await?;
        let cluster = self.clusters.plan(&cluster.over(&network)).await?;
        let now = self.replacements.observe(&replacement).await?;
        Ok(replacement.plan_with(&now, [network, cluster])?)
    }

    /// Kubernetes, through this environment's handle.
    pub fn kubernetes(&self) -> &Objects {
        &self.kubernetes
    }

    /// Everything of the owner's, to be removed.
    ///
    /// # Errors
    /// If a layer cannot be observed.
    pub async fn teardown(&self) -> Result<Teardown, Failure> {
        let mut teardowns = Vec::new();
        if let Some(spec) = &self.cluster {
            let access = self.access().await?;
            if self.objects.is_some() {
                teardowns.push(self.kubernetes.teardown(&self.owner, access).await?);
            }
            if self.workers.is_some() {
                teardowns.push(self.groups.teardown(&self.owner).await?);
                teardowns.push(self.replacements.teardown(&self.owner).await?);
            }
            teardowns.push(self.clusters.teardown(&self.owner, spec.name()).await?);
        }
        teardowns.push(self.networks.teardown(&self.owner).await?);
        Ok(Teardown::join(teardowns)?)
    }

    /// How to reach the cluster's API server, if it exists.
    ///
    /// # Errors
    /// If EKS cannot be asked.
    pub async fn access(&self) -> Result<Option<ClusterAccess>, Failure> {
        match (&self.cluster, &self.objects) {
            (Some(cluster), Some(_)) => Ok(self.clusters.access(cluster.name()).await?),
            _ => Ok(None),
        }
    }
}

/// Section 1: the network of the chapter, subnet by subnet.
///
/// # Errors
/// None: the network is fine for every owner.
pub fn network(owner: &Owner) -> Result<NetworkSpec, Failure> {
    Ok(subnets_and_groups(owner, SecurityGroup::new("elb", "Load balancers").allow(http().from_cidr("0.0.0.0/0"))).build()?)
}

/// The same, and load balancers are to be reached by HTTPS, too.
fn grown(owner: &Owner) -> Result<NetworkSpec, Failure> {
    let https = Rule::tcp(443).described("HTTPS").from_cidr("0.0.0.0/0");
    let group = SecurityGroup::new("elb", "Load balancers").allow(http().from_cidr("0.0.0.0/0")).allow(https);
    Ok(subnets_and_groups(owner, group).build()?)
}

fn http() -> Rule {
    Rule::tcp(80).described("HTTP")
}

fn subnets_and_groups(owner: &Owner, balancers: SecurityGroup) -> NetworkSpecBuilder {
    let ssh = || Rule::tcp(22).described("SSH");
    NetworkSpec::builder(owner, "10.0.0.0/16")
        .subnet(Subnet::public("us-east-1a", "10.0.1.0/24"))
        .subnet(Subnet::public("us-east-1b", "10.0.3.0/24"))
        .subnet(Subnet::private("us-east-1a", "10.0.4.0/24"))
        .subnet(Subnet::private("us-east-1b", "10.0.2.0/24"))
        .nat(Nat::Single)
        .security_group(
            SecurityGroup::new("public", "Public instances")
                .allow(ssh().from_cidr("98.234.106.21/32"))
                .allow(http().from_cidr("0.0.0.0/0")),
        )
        .security_group(
            SecurityGroup::new("private", "Private instances").allow(ssh().from_group("public")).allow(http().from_group("public")),
        )
        .security_group(balancers)
        .security_group(SecurityGroup::new("eks-control-plane", "EKS control plane"))
        .cluster(owner.as_str())
}

/// Section 3: the control plane, in all four subnets.
fn cluster(owner: &Owner, network: &NetworkSpec, variant: &Variant) -> Result<ClusterSpec, Failure> {
    let mut builder = ClusterSpec::builder(owner, ClusterName::new(owner.as_str())?, variant.version, network.refs())
        .security_groups(["eks-control-plane"])
        .authentication(match variant.auth {
            Auth::Api => AuthenticationMode::ApiAndConfigMap,
            Auth::ConfigMap => AuthenticationMode::ConfigMap,
        });
    if !variant.addons {
        builder = builder.no_addons();
    }
    if variant.grown && variant.addons {
        builder = builder.addon(Addon::new("metrics-server"));
    }
    if variant.top >= Layer::K8s {
        builder = builder.nodes_ready_after([StepKey::new(["k8s", "nodes", variant.stack()?.as_str()])?]);
    }
    Ok(builder.build()?)
}

impl Variant {
    /// The name of the workers' stack.
    ///
    /// # Errors
    /// If CloudFormation takes no such name.
    pub fn stack(&self) -> Result<StackName, Failure> {
        Ok(StackName::new(format!("{}-{}", self.owner, self.workers))?)
    }
}

/// Section 4: two workers in the private subnets, one in each zone.
fn workers(owner: &Owner, cluster: &ClusterSpec, network: &NetworkSpec, variant: &Variant) -> Result<WorkersSpec, Failure> {
    let builder = WorkersSpec::builder(owner, variant.stack()?, cluster.refs(), network.refs().private())
        .instance_type("t3.medium")
        .capacity(Capacity::new(variant.nodes, variant.nodes, variant.nodes + 1)?);
    Ok(if variant.grown { builder.label("team", "platform") } else { builder }.build()?)
}

/// Nodes of these workers, let in where aws-auth does that.
fn bare_objects(
    owner: &Owner,
    cluster: &ClusterSpec,
    workers: &WorkersSpec,
    network: &NetworkSpec,
    variant: &Variant,
) -> ObjectsSpecBuilder {
    let builder = ObjectsSpec::builder(owner, cluster.refs()).nodes(workers.refs()).service_needs(network.refs().egress);
    match variant.auth {
        Auth::Api => builder,
        Auth::ConfigMap => builder.map_role(workers.name().as_str(), workers.refs().role),
    }
}

/// Section 5: storage by zone, a Pod with a volume, load balancers inside and outside.
fn chapters_objects(builder: ObjectsSpecBuilder, variant: &Variant) -> ObjectsSpecBuilder {
    let nginx = || Pod::new("nginx", "public.ecr.aws/nginx/nginx:1.29").label("app", "nginx").port(80);
    let builder = if !variant.addons {
        builder.pod(nginx().zone("us-east-1a"))
    } else {
        builder
            .storage_class(StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a"))
            .storage_class(StorageClass::gp3("gp3-us-east-1b").zone("us-east-1b"))
            .claim(Claim::new("pvc-a", "10Gi").class("gp3-us-east-1a"))
            .claim(Claim::new("pvc-b", "10Gi").class("gp3-us-east-1b"))
            .pod(nginx().mount("pvc-a", "/usr/share/nginx/html").zone("us-east-1a"))
    };
    let builder = match variant.grown && variant.addons {
        true => builder.storage_class(StorageClass::gp3("gp3")),
        false => builder,
    };
    builder
        .service(Service::load_balancer("nginx").internal().port(80, 80).selector("app", "nginx"))
        .service(Service::load_balancer("nginx-external").internet_facing().network().port(80, 80).selector("app", "nginx"))
}
