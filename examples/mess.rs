//! What people and controllers do to a cluster that makes a teardown hard. For the tests, and for `teardown --mess`.

use std::{fmt::Debug, time::Duration};

use aws_sdk_ec2::types::Filter;
use eks_cluster::Clusters;
use eks_core::{ClusterName, KEY_TAG, OWNER_TAG};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{PersistentVolumeClaim, Service},
    networking::v1::{Ingress, IngressClass},
    storage::v1::StorageClass,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{account::Account, environment::Failure};

/// The AWS Load Balancer Controller, as its chart names it.
const CONTROLLER: &str = "aws-load-balancer-controller";

/// A cluster of an account and those who work in it, with kubectl rather than with these crates.
#[derive(Clone)]
pub struct People {
    account: Account,
    kubernetes: Client,
}

impl Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    /// Those who work in a cluster that is there.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn of(account: &Account, cluster: &str) -> Result<Self, Failure> {
        let access = Clusters::new(account.config()).access(&ClusterName::new(cluster)?).await?.ok_or("there is no such cluster")?;
        Ok(Self { account: account.clone(), kubernetes: account.connector().connect(&access)? })
    }

    async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn make<K>(&self, api: Api<K>, object: Value) -> Result<(), Failure>
    where
        K: Clone + DeserializeOwned + Debug + serde::Serialize,
    {
        api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    /// Installs the AWS Load Balancer Controller.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn install_controller(&self) -> Result<(), Failure> {
        let class = json!({"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}});
        self.make(Api::<IngressClass>::all(self.kubernetes.clone()), class).await?;
        let template = json!({"metadata": {"labels": {"app": "lbc"}}, "spec": {"containers": [{"name": "controller", "image": "lbc:v3"}]}});
        let deployment = json!({"metadata": {"name": CONTROLLER},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "lbc"}}, "template": template}});
        self.make(Api::<Deployment>::namespaced(self.kubernetes.clone(), "kube-system"), deployment).await?;
        self.sleep(60).await;
        Ok(())
    }

    /// Uninstalls it, while what it made is there: nobody takes its finalizers off.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn uninstall_controller(&self) -> Result<(), Failure> {
        let deployments = Api::<Deployment>::namespaced(self.kubernetes.clone(), "kube-system");
        deployments.delete(CONTROLLER, &DeleteParams::default()).await?;
        self.sleep(30).await;
        Ok(())
    }

    /// An Ingress, and its application load balancer; of an owner, as these crates mark it, or somebody's.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn ingress(&self, name: &str, owner: Option<&str>) -> Result<(), Failure> {
        let mut metadata = json!({"name": name, "annotations": {"alb.ingress.kubernetes.io/scheme": "internet-facing"}});
        if let Some(owner) = owner {
            metadata["labels"] = json!({OWNER_TAG: owner});
            metadata["annotations"][KEY_TAG] = json!(format!("k8s/ingress/default/{name}"));
        }
        let object = json!({"metadata": metadata,
            "spec": {"ingressClassName": "alb", "defaultBackend": {"service": {"name": name, "port": {"number": 80}}}}});
        self.make(Api::<Ingress>::default_namespaced(self.kubernetes.clone()), object).await?;
        self.sleep(240).await;
        Ok(())
    }

    /// A Service, and the load balancer that the cloud provider makes for it: a network load balancer, or a classic one.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn service(&self, name: &str, network: bool) -> Result<(), Failure> {
        let annotations = if network { json!({"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}) } else { json!({}) };
        let object = json!({"metadata": {"name": name, "annotations": annotations},
            "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}]}});
        self.make(Api::<Service>::default_namespaced(self.kubernetes.clone()), object).await?;
        self.sleep(240).await;
        Ok(())
    }

    /// A StatefulSet with a volume of 20 GiB, of a class that keeps its volumes or deletes them.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn database(&self, name: &str, reclaim: &str) -> Result<(), Failure> {
        let class = json!({"metadata": {"name": name}, "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"},
            "reclaimPolicy": reclaim, "volumeBindingMode": "WaitForFirstConsumer"});
        self.make(Api::<StorageClass>::all(self.kubernetes.clone()), class).await?;
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [
            {"name": "db", "image": "postgres:18", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}});
        let claim = json!({"metadata": {"name": "data"}, "spec": {"storageClassName": name, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "20Gi"}}}});
        let object = json!({"metadata": {"name": name}, "spec": {"replicas": 1, "serviceName": name,
            "selector": {"matchLabels": {"app": name}}, "template": template, "volumeClaimTemplates": [claim]}});
        self.make(Api::<StatefulSet>::default_namespaced(self.kubernetes.clone()), object).await?;
        self.sleep(120).await;
        let claims = Api::<PersistentVolumeClaim>::default_namespaced(self.kubernetes.clone());
        let claim = claims.get(&format!("data-{name}-0")).await?;
        match claim.spec.and_then(|spec| spec.volume_name) {
            Some(_) => Ok(()),
            None => Err(format!("the claim of {name} has no volume").into()),
        }
    }

    /// A network interface that somebody made in a private subnet of the owner's VPC, for something of their own.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn interface(&self, owner: &str) -> Result<String, Failure> {
        let ec2 = aws_sdk_ec2::Client::new(self.account.config());
        let ours = Filter::builder().name("tag:eks-rs/owner").values(owner).build();
        let subnets = ec2.describe_subnets().filters(ours).send().await?;
        let subnet = subnets.subnets().first().and_then(|subnet| subnet.subnet_id()).ok_or("no subnet carries the owner's tag")?;
        let made = ec2.create_network_interface().subnet_id(subnet).description("somebody's appliance").send().await?;
        Ok(made.network_interface().and_then(|made| made.network_interface_id()).ok_or("EC2 told no id")?.to_owned())
    }
}
