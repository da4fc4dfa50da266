//! An account with an ACTIVE cluster and two workers that ask to join it, all made by raw calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_ec2::types::{AttributeBooleanValue, IamInstanceProfileSpecification, InstanceType, ResourceType, Tag, TagSpecification};
use aws_sdk_eks::types::{AddonPodIdentityAssociations, CreateAccessConfigRequest, VpcConfigRequest};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use eks_core::{
    Action, AuthenticationMode, BoxError, ClusterName, ClusterRefs, Error, Facts, Op, Operation, Outputs, Owner, Plan, Ref, Removal,
    RoleArn, Step, StepKey, Survivor, WorkersRefs,
    engine::{BoxFuture, Driver, Engine, Event, Poll, StepContext},
};
use eks_k8s::{Access, client::Objects};
use eks_sim::Sim;
use http::{HeaderValue, Request, header};
use kube::{Client, client::Body};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

pub(crate) type Tested = Result<(), BoxError>;

const CLUSTER: &str = "chap10";
const IMAGE: &str = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id";

pub(crate) fn key(text: &str) -> StepKey {
    text.parse().expect("a key")
}

/// A fresh token: a presigned GetCallerIdentity, as `aws eks get-token` makes it.
fn token(sim: &Sim) -> Result<String, BoxError> {
    let identity = Credentials::from_keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None).into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sts")
        .time(sim.clock().wall())
        .settings(settings)
        .build()?;
    let url = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    let signable = SignableRequest::new("GET", url, [("x-k8s-aws-id", CLUSTER)].into_iter(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(signable, &params.into())?.into_parts();
    let mut request = Request::get(url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(format!("k8s-aws-v1.{}", BASE64_URL_SAFE_NO_PAD.encode(request.uri().to_string())))
}

pub(crate) fn client(sim: &Sim, access: &Access) -> Result<Client, BoxError> {
    client_hanging(sim, access, Arc::default())
}

/// A client whose next so many watches never hear from the server.
pub(crate) fn client_hanging(sim: &Sim, access: &Access, watches: Arc<Mutex<u32>>) -> Result<Client, BoxError> {
    let host = HeaderValue::from_str(access.endpoint.trim_start_matches("https://"))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token(sim)?))?;
    let server = sim.kube_service();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        request.headers_mut().insert(header::HOST, host.clone());
        request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
        let (server, watches) = (server.clone(), watches.clone());
        async move {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let hangs = is_watch && {
                let mut left = watches.lock().expect("no panic");
                let hangs = *left > 0;
                *left = left.saturating_sub(1);
                hangs
            };
            if hangs { std::future::pending().await } else { server.oneshot(request).await }
        }
    });
    Ok(Client::new(service, "default"))
}

/// The account.
pub(crate) struct Stage {
    pub(crate) sim: Sim,
    pub(crate) owner: Owner,
    pub(crate) access: Access,
    pub(crate) role: RoleArn,
    pub(crate) mode: AuthenticationMode,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Stage {
    /// A cluster in two zones with the EBS CSI driver, and one instance a zone that will join when its role is mapped.
    pub(crate) async fn set(mode: AuthenticationMode) -> Result<Self, BoxError> {
        // More than two instances exceed the quota of a new account.
        let sim = Sim::builder().standard_vcpus(64).build();
        let config = sim.sdk_config();
        let (ec2, eks) = (aws_sdk_ec2::Client::new(&config), aws_sdk_eks::Client::new(&config));
        let (cluster_role, node_role, storage_role) = roles(&sim).await?;
        let subnets = network(&ec2).await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        let place = VpcConfigRequest::builder().set_subnet_ids(Some(subnets.clone())).build();
        let mode_name = aws_sdk_eks::types::AuthenticationMode::from(mode.as_str());
        let entry = CreateAccessConfigRequest::builder().authentication_mode(mode_name).bootstrap_cluster_creator_admin_permissions(true);
        let create = eks.create_cluster().name(CLUSTER).role_arn(cluster_role).version("1.36").resources_vpc_config(place);
        create.access_config(entry.build()).send().await?;
        tokio::time::sleep(Duration::from_secs(480)).await;
        let described = eks.describe_cluster().name(CLUSTER).send().await?;
        let described = described.cluster().expect("the cluster");
        let access = Access {
            name: ClusterName::new(CLUSTER)?,
            endpoint: described.endpoint().expect("an endpoint").to_owned(),
            certificate_authority: described.certificate_authority().and_then(|ca| ca.data()).expect("an authority").to_owned(),
        };
        let association =
            AddonPodIdentityAssociations::builder().service_account("ebs-csi-controller-sa").role_arn(storage_role).build()?;
        eks.create_addon().cluster_name(CLUSTER).addon_name("eks-pod-identity-agent").send().await?;
        let driver = eks.create_addon().cluster_name(CLUSTER).addon_name("aws-ebs-csi-driver");
        driver.pod_identity_associations(association).send().await?;
        let stage = Self { sim, owner: Owner::new(CLUSTER)?, access, role: RoleArn::new(node_role)?, mode, events: Arc::default() };
        stage.launch(&ec2, &subnets).await?;
        tokio::time::sleep(Duration::from_secs(120)).await;
        Ok(stage)
    }

    pub(crate) async fn launch(&self, ec2: &aws_sdk_ec2::Client, subnets: &[String]) -> Tested {
        let ssm = aws_sdk_ssm::Client::new(&self.sim.sdk_config());
        let image = ssm.get_parameter().name(IMAGE).send().await?.parameter.and_then(|found| found.value).expect("an image");
        let config = format!(
            "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: {CLUSTER}\n    apiServerEndpoint: {}\n    certificateAuthority: {}\n    cidr: 172.20.0.0/16\n  kubelet:\n    flags:\n    - --node-labels=eks-rs/workers=w\n",
            self.access.endpoint, self.access.certificate_authority
        );
        for subnet in subnets {
            let profile = IamInstanceProfileSpecification::builder().name("node").build();
            let tag = Tag::builder().key(format!("kubernetes.io/cluster/{CLUSTER}")).value("owned").build();
            ec2.run_instances()
                .image_id(&image)
                .instance_type(InstanceType::T3Small)
                .min_count(1)
                .max_count(1)
                .subnet_id(subnet)
                .iam_instance_profile(profile)
                .tag_specifications(TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build())
                .user_data(BASE64_STANDARD.encode(&config))
                .send()
                .await?;
        }
        Ok(())
    }

    /// The cluster as another plan hands it over: its endpoint is an output.
    pub(crate) fn cluster(&self) -> ClusterRefs {
        let plane = || key("cluster/control-plane");
        ClusterRefs {
            name: self.access.name.clone(),
            version: "1.36".to_owned(),
            endpoint: Ref::output(plane(), "endpoint"),
            certificate_authority: Ref::output(plane(), "certificate_authority"),
            service_cidr: Ref::output(plane(), "service_cidr"),
            security_groups: Vec::new(),
            cluster_security_group: Ref::output(plane(), "cluster_security_group"),
            authentication: self.mode,
            nodes_need: Vec::new(),
            volumes_need: Vec::new(),
        }
    }

    pub(crate) fn workers(&self) -> WorkersRefs {
        WorkersRefs {
            name: "w".to_owned(),
            role: Ref::output(key("cluster/control-plane"), "role"),
            desired: 2,
            node_label: ("eks-rs/workers".to_owned(), "w".to_owned()),
            running: Vec::new(),
        }
    }

    /// A process's handle.
    pub(crate) fn objects(&self) -> Objects {
        let sim = self.sim.clone();
        Objects::connecting(move |access| std::future::ready(client(&sim, &access)))
    }

    /// The plan of the objects, joined with one of a control plane that comes up in its own step.
    pub(crate) fn joined(&self, objects: Plan) -> Result<Plan, BoxError> {
        let step = Step::new(key("cluster/control-plane"), Action::Create, "control plane", &PlaneOp::Await)?;
        Ok(Plan::join([objects, Plan::builder(&self.owner, "cluster").step(step).build()?])?)
    }

    pub(crate) fn engine(&self, objects: &Objects) -> Engine {
        let outputs = [
            ("endpoint", self.access.endpoint.clone()),
            ("certificate_authority", self.access.certificate_authority.clone()),
            ("role", self.role.to_string()),
        ];
        let outputs = outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let events = self.events.clone();
        Engine::new()
            .driver(objects.clone())
            .driver(Plane(outputs))
            .observer(move |event| events.lock().expect("no panic").push(event.clone()))
    }

    /// What was waited for, in order.
    pub(crate) fn states(&self, step: &str) -> Vec<String> {
        let events = self.events.lock().expect("no panic");
        events
            .iter()
            .filter_map(|event| match event {
                Event::StepWaiting { key, state, .. } if key.as_str() == step => Some(state.clone()),
                _ => None,
            })
            .collect()
    }

    /// Calls to the API server since the log had `from` entries.
    pub(crate) fn calls(&self, from: usize) -> Vec<String> {
        self.sim.log().calls()[from..].iter().filter(|call| call.service == "kubernetes").map(|call| call.action.clone()).collect()
    }
}

/// Roles of the control plane, of nodes (with a profile), and of the EBS CSI driver.
async fn roles(sim: &Sim) -> Result<(String, String, String), BoxError> {
    let iam = aws_sdk_iam::Client::new(&sim.sdk_config());
    let mut arns = Vec::new();
    let node = ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"];
    for (name, service, policies) in [
        ("cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"][..]),
        ("node", "ec2.amazonaws.com", &node),
        ("storage", "pods.eks.amazonaws.com", &["service-role/AmazonEBSCSIDriverPolicy"]),
    ] {
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":["sts:AssumeRole","sts:TagSession"]}}]}}"#
        );
        let path = if name == "node" { "/team/" } else { "/" };
        let made = iam.create_role().role_name(name).path(path).assume_role_policy_document(trust).send().await?;
        for policy in policies {
            iam.attach_role_policy().role_name(name).policy_arn(format!("arn:aws:iam::aws:policy/{policy}")).send().await?;
        }
        arns.push(made.role().expect("a role").arn().to_owned());
    }
    iam.create_instance_profile().instance_profile_name("node").send().await?;
    iam.add_role_to_instance_profile().instance_profile_name("node").role_name("node").send().await?;
    let [cluster, node, storage] = arns.try_into().expect("three");
    Ok((cluster, node, storage))
}

/// Two public subnets.
async fn network(ec2: &aws_sdk_ec2::Client) -> Result<Vec<String>, BoxError> {
    let on = || AttributeBooleanValue::builder().value(true).build();
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await?.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on()).send().await?;
    let gateway = ec2.create_internet_gateway().send().await?;
    let gateway = gateway.internet_gateway().and_then(|gateway| gateway.internet_gateway_id()).expect("an id").to_owned();
    ec2.attach_internet_gateway().vpc_id(&vpc).internet_gateway_id(&gateway).send().await?;
    let tables = ec2.describe_route_tables().send().await?;
    let table = tables.route_tables().iter().find(|table| table.vpc_id() == Some(&vpc)).and_then(|table| table.route_table_id());
    ec2.create_route().set_route_table_id(table.map(str::to_owned)).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway).send().await?;
    let mut subnets = Vec::new();
    for (number, zone) in ["us-east-1a", "us-east-1b"].iter().enumerate() {
        let made = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{number}.0/24")).availability_zone(*zone).send().await?;
        let id = made.subnet().and_then(|subnet| subnet.subnet_id()).expect("an id").to_owned();
        ec2.modify_subnet_attribute().subnet_id(&id).map_public_ip_on_launch(on()).send().await?;
        subnets.push(id);
    }
    Ok(subnets)
}

/// The operation of a layer that stands for eks-cluster.
#[derive(Serialize, Deserialize)]
enum PlaneOp {
    Await,
}

impl Operation for PlaneOp {
    const LAYER: &'static str = "cluster";
}

/// Tells where the cluster is, when it is asked to.
struct Plane(Outputs);

impl Driver for Plane {
    fn layer(&self) -> &'static str {
        PlaneOp::LAYER
    }

    fn check(&self, _: &Op) -> Result<(), Error> {
        Ok(())
    }

    fn observe<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Facts, Error>> {
        Box::pin(async { Ok(Facts::new()) })
    }

    fn run<'a>(&'a self, _: &'a Step, _: &'a StepContext) -> BoxFuture<'a, Result<Outputs, Error>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn remove<'a>(&'a self, _: &'a Removal, _: &'a StepContext) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn poll<'a>(&'a self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<BTreeMap<String, Poll>, Error>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn survivors<'a>(&'a self, _: &'a Owner, _: &'a serde_json::Value) -> BoxFuture<'a, Result<Vec<Survivor>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
