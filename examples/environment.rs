//! The environment of the chapter as one value, and its variants.

use clap::ValueEnum;
use eks_cluster::{Addon, ClusterAccess, ClusterSpecBuilder, KubernetesVersion, upgrade::UpgradePlan};
use eks_core::{AuthenticationMode, ClusterName, Owner, Plan, StackName, Teardown, engine::Engine};
use eks_env::{Environments, Network};
use eks_k8s::{Claim, ObjectsSpecBuilder, Pod, Service, StorageClass, client::Objects};
use eks_net::{Nat, NetworkSpec, NetworkSpecBuilder, Rule, SecurityGroup, Subnet};
use eks_nodes::{
    Capacity,
    replacement::{ReplacementBuilder, ReplacementPlan},
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
    /// The two zones.
    pub zones: [String; 2],
    /// Whose SSH the public instances take.
    pub ssh_from: String,
}

/// The zones of the chapter.
const ZONES: [&str; 2] = ["us-east-1a", "us-east-1b"];

/// The author's address, as the chapter has it. Nobody opens a port to it on AWS.
const AUTHOR: &str = "98.234.106.21/32";

/// Nobody's address: kept for documentation (RFC 5737).
pub const NOBODY: &str = "198.51.100.21/32";

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
            zones: ZONES.map(str::to_owned),
            ssh_from: AUTHOR.to_owned(),
        }
    }
}

impl Variant {
    /// The chapter in the zones of an account. On AWS no port is open to the author's address, but to nobody's.
    ///
    /// # Errors
    /// If EC2 cannot be asked, or the Region has one zone only.
    pub async fn of(account: &Account) -> Result<Self, Failure> {
        let ssh_from = if account.is_aws() { NOBODY } else { AUTHOR }.to_owned();
        Ok(Self { zones: account.two_zones().await?, ssh_from, ..Self::default() })
    }
}

/// The environment of a variant, and the handles to plan and apply it.
#[derive(Debug)]
pub struct Environment {
    environment: eks_env::Environment,
    environments: Environments,
    engine: Engine,
}

impl Environment {
    /// Checks the specs; makes no call.
    ///
    /// # Errors
    /// If a spec is invalid: all its problems.
    pub fn new(variant: &Variant, account: &Account) -> Result<Self, Failure> {
        Ok(Self::of(variant.environment()?, account))
    }

    /// The same environment with other objects on its cluster.
    ///
    /// # Errors
    /// If a spec is invalid: all its problems.
    pub fn with_objects(
        variant: &Variant,
        account: &Account,
        objects: impl Fn(ObjectsSpecBuilder) -> ObjectsSpecBuilder + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        Ok(Self::of(variant.environment_with(objects)?, account))
    }

    /// An environment of any shape on an account.
    pub fn of(environment: eks_env::Environment, account: &Account) -> Self {
        let environments = Environments::with_objects(account.config(), account.connector(), account.kubernetes());
        let engine = environments.drive(account.engine());
        Self { environment, environments, engine }
    }

    /// The engine with a driver for each layer.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// The network that is wanted, as a picture; none of one that others made.
    pub fn picture(&self) -> Option<String> {
        match self.environment.network() {
            Network::Made(network) => Some(network.picture().to_svg()),
            _ => None,
        }
    }

    /// One plan for all layers, from what exists now.
    ///
    /// # Errors
    /// If a layer cannot be observed, or what exists contradicts what is wanted.
    pub async fn plan(&self) -> Result<Plan, Failure> {
        Ok(self.environments.plan(&self.environment).await?)
    }

    /// What can be done now so that the control plane is of this environment's version.
    ///
    /// # Errors
    /// If the cluster cannot be observed, or rules stand against it.
    pub async fn upgrade(&self) -> Result<UpgradePlan, Failure> {
        Ok(self.environments.upgrade(&self.environment).await?)
    }

    /// How this environment's workers take the place of those of another stack, from what exists now.
    ///
    /// # Errors
    /// If something cannot be observed, or rules stand against it.
    pub async fn replacement(
        &self,
        old: &StackName,
        settings: impl FnOnce(ReplacementBuilder) -> ReplacementBuilder + Send,
    ) -> Result<ReplacementPlan, Failure> {
        let workers = self.environment.workers().first().ok_or("this environment has no workers")?;
        Ok(self.environments.replace(&self.environment, old, workers.name(), settings).await?)
    }

    /// Kubernetes, through this environment's handle.
    pub fn kubernetes(&self) -> &Objects {
        self.environments.objects()
    }

    /// Everything of the owner's, to be removed.
    ///
    /// # Errors
    /// If a layer cannot be observed.
    pub async fn teardown(&self) -> Result<Teardown, Failure> {
        Ok(self.environments.teardown(&self.environment).await?)
    }

    /// How to reach the cluster's API server, if it exists.
    ///
    /// # Errors
    /// If EKS cannot be asked.
    pub async fn access(&self) -> Result<Option<ClusterAccess>, Failure> {
        Ok(self.environments.access(&self.environment).await?)
    }
}

/// Section 1: the network of the chapter, subnet by subnet.
///
/// # Errors
/// None: the network is fine for every owner.
pub fn network(owner: &Owner) -> Result<NetworkSpec, Failure> {
    network_in(owner, &ZONES.map(str::to_owned), AUTHOR)
}

/// The same network in other zones, with SSH from other addresses.
///
/// # Errors
/// If zones or addresses are none: all problems.
pub fn network_in(owner: &Owner, zones: &[String; 2], ssh_from: &str) -> Result<NetworkSpec, Failure> {
    Ok(subnets_and_groups(owner, zones, ssh_from, balancers()).build()?)
}

fn balancers() -> SecurityGroup {
    SecurityGroup::new("elb", "Load balancers").allow(http().from_cidr("0.0.0.0/0"))
}

fn http() -> Rule {
    Rule::tcp(80).described("HTTP")
}

fn subnets_and_groups(owner: &Owner, [first, second]: &[String; 2], ssh_from: &str, balancers: SecurityGroup) -> NetworkSpecBuilder {
    let ssh = || Rule::tcp(22).described("SSH");
    NetworkSpec::builder(owner, "10.0.0.0/16")
        .subnet(Subnet::public(first, "10.0.1.0/24"))
        .subnet(Subnet::public(second, "10.0.3.0/24"))
        .subnet(Subnet::private(first, "10.0.4.0/24"))
        .subnet(Subnet::private(second, "10.0.2.0/24"))
        .nat(Nat::Single)
        .security_group(
            SecurityGroup::new("public", "Public instances").allow(ssh().from_cidr(ssh_from)).allow(http().from_cidr("0.0.0.0/0")),
        )
        .security_group(
            SecurityGroup::new("private", "Private instances").allow(ssh().from_group("public")).allow(http().from_group("public")),
        )
        .security_group(balancers)
        .security_group(SecurityGroup::new("eks-control-plane", "EKS control plane"))
        .cluster(owner.as_str())
}

impl Variant {
    /// The name of the workers' stack.
    ///
    /// # Errors
    /// If CloudFormation takes no such name.
    pub fn stack(&self) -> Result<StackName, Failure> {
        Ok(StackName::new(format!("{}-{}", self.owner, self.workers))?)
    }

    /// The environment as one value.
    ///
    /// # Errors
    /// If a spec is invalid: all problems.
    pub fn environment(&self) -> Result<eks_env::Environment, Failure> {
        let (addons, grown, zones) = (self.addons, self.grown, self.zones.clone());
        self.environment_with(move |objects| {
            let objects = storage_and_services(objects, addons, &zones);
            if grown && addons { objects.storage_class(StorageClass::gp3("gp3")) } else { objects }
        })
    }

    /// The same with other objects.
    fn environment_with(
        &self,
        objects: impl Fn(ObjectsSpecBuilder) -> ObjectsSpecBuilder + Send + Sync + 'static,
    ) -> Result<eks_env::Environment, Failure> {
        let owner = Owner::new(self.owner.as_str())?;
        // On a later day, load balancers are to be reached by HTTPS, too.
        let https = Rule::tcp(443).described("HTTPS").from_cidr("0.0.0.0/0");
        let balancers = if self.grown { balancers().allow(https) } else { balancers() };
        let network = subnets_and_groups(&owner, &self.zones, &self.ssh_from, balancers).build()?;
        let mut builder = eks_env::Environment::builder(&owner, network);
        let (auth, addons, grown) = (self.auth, self.addons, self.grown);
        let capacity = Capacity::new(self.nodes, self.nodes, self.nodes + 1)?;
        if self.top >= Layer::Cluster {
            builder = builder.cluster(ClusterName::new(owner.as_str())?, self.version, move |cluster| {
                let cluster = control_plane(cluster, auth, addons);
                if grown && addons { cluster.addon(Addon::new("metrics-server")) } else { cluster }
            });
        }
        if self.top >= Layer::Nodes {
            // Section 4: two workers in the private subnets, one in each zone.
            builder = builder.workers(self.stack()?, move |workers| {
                let workers = workers.instance_type("t3.medium").capacity(capacity);
                if grown { workers.label("team", "platform") } else { workers }
            });
        }
        if self.top >= Layer::K8s {
            builder = builder.objects(objects);
        }
        Ok(builder.build()?)
    }
}

/// Section 3: the control plane, in all four subnets.
fn control_plane(cluster: ClusterSpecBuilder, auth: Auth, addons: bool) -> ClusterSpecBuilder {
    let cluster = cluster.security_groups(["eks-control-plane"]).authentication(match auth {
        Auth::Api => AuthenticationMode::ApiAndConfigMap,
        Auth::ConfigMap => AuthenticationMode::ConfigMap,
    });
    if addons { cluster } else { cluster.no_addons() }
}

/// Section 5: storage by zone, a Pod with a volume, load balancers inside and outside.
fn storage_and_services(objects: ObjectsSpecBuilder, addons: bool, [first, second]: &[String; 2]) -> ObjectsSpecBuilder {
    let nginx = || Pod::new("nginx", "public.ecr.aws/nginx/nginx:1.29").label("app", "nginx").port(80).zone(first);
    let class = |zone: &String| format!("gp3-{zone}");
    let objects = if !addons {
        objects.pod(nginx())
    } else {
        objects
            .storage_class(StorageClass::gp3(class(first)).zone(first))
            .storage_class(StorageClass::gp3(class(second)).zone(second))
            .claim(Claim::new("pvc-a", "10Gi").class(class(first)))
            .claim(Claim::new("pvc-b", "10Gi").class(class(second)))
            .pod(nginx().mount("pvc-a", "/usr/share/nginx/html"))
    };
    objects
        .service(Service::load_balancer("nginx").internal().port(80, 80).selector("app", "nginx"))
        .service(Service::load_balancer("nginx-external").internet_facing().network().port(80, 80).selector("app", "nginx"))
}
