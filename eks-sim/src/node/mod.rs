//! What an instance does once it runs: boot, read its user data, join its cluster if everything allows it.

mod console;
mod forms;
mod image;
mod join;
mod max_pods;
mod user_data;

use std::{collections::BTreeMap, time::Duration};

pub(crate) use self::console::console_output;
use self::join::Refusal;
use crate::{autoscaling, ec2, kube, times::Time, world::World};

/// How often a kubelet tries again that was refused.
const RETRY: Duration = Duration::from_secs(10);

/// Boots of instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    boots: BTreeMap<String, Boot>,
}

/// How far an instance has come to be a node.
#[derive(Clone, Debug, Default)]
struct Boot {
    /// Why it is none, in the words of its journal.
    said: Option<String>,
    /// It will not try again.
    over: bool,
}

/// The instance is running; EC2 calls this.
pub(crate) fn instance_running(world: &mut World, instance: &str) {
    autoscaling::instance_running(world, instance);
    if ec2::instance(world, instance).is_some_and(|facts| user_data::is_for_eks(&facts.user_data)) {
        let id = instance.to_owned();
        world.take(Time::NodeRegister, instance, move |world| attempt(world, &id));
    }
}

/// The instance is shutting down or terminated; EC2 calls this.
pub(crate) fn instance_terminated(world: &mut World, instance: &str) {
    world.node.boots.remove(instance);
    kube::instance_gone(world, instance);
    autoscaling::instance_terminated(world, instance);
}

/// One try to join. What the kubelet does is repeated; what aborts the boot is not.
fn attempt(world: &mut World, instance: &str) {
    let Some(facts) = ec2::instance(world, instance).filter(|facts| facts.state == "running") else { return };
    // A machine that does not answer its status checks does not boot.
    if ec2::is_impaired(world, instance) {
        return;
    }
    let (said, over) = match join::join(world, &facts) {
        Ok(()) => (None, false),
        Err(Refusal::Aborts(reason)) => (Some(reason), true),
        Err(Refusal::Retries(reason)) => {
            let id = instance.to_owned();
            world.after(RETRY, move |world| attempt(world, &id));
            (Some(reason), false)
        }
    };
    world.node.boots.insert(instance.to_owned(), Boot { said, over });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::{Caller, Service};

    const IMAGE: &str = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id";

    /// An account with a cluster, and all that a worker needs.
    struct Account {
        world: World,
        caller: Caller,
        subnets: Vec<String>,
        group: String,
        image: String,
        cluster: Value,
    }

    /// What the node's journal says; empty if there is nothing to say.
    fn journal(world: &World, id: &str) -> String {
        world.node.boots.get(id).and_then(|boot| boot.said.clone()).unwrap_or_default()
    }

    fn text(value: &Value, pointer: &str) -> String {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    impl Account {
        fn new() -> Self {
            let mut world = World::for_tests("us-east-1");
            ec2::set_standard_vcpus(&mut world, 64);
            let caller = Caller { arn: "arn:aws:iam::123456789012:user/admin".to_owned(), user_id: "AIDACKCEVSQ6C2EXAMPLE".to_owned() };
            let (subnets, group, image) = (Vec::new(), String::new(), String::new());
            let mut account = Self { world, caller, subnets, group, image, cluster: Value::Null };
            let vpc = text(&account.call(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})), "/vpc/vpcId");
            account.call(Service::Ec2, "ModifyVpcAttribute", json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": "true"}}));
            let gateway = text(&account.call(Service::Ec2, "CreateInternetGateway", json!({})), "/internetGateway/internetGatewayId");
            account.call(Service::Ec2, "AttachInternetGateway", json!({"VpcId": vpc, "InternetGatewayId": gateway}));
            let table = account.call(Service::Ec2, "DescribeRouteTables", json!({"Filter": [{"Name": "vpc-id", "Value": [vpc]}]}));
            let table = text(&table, "/routeTableSet/0/routeTableId");
            let route = json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway});
            account.call(Service::Ec2, "CreateRoute", route);
            for (cidr, zone) in [("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")] {
                let subnet = json!({"VpcId": vpc, "CidrBlock": cidr, "AvailabilityZone": zone});
                let subnet = text(&account.call(Service::Ec2, "CreateSubnet", subnet), "/subnet/subnetId");
                account.call(Service::Ec2, "ModifySubnetAttribute", json!({"SubnetId": subnet, "MapPublicIpOnLaunch": {"Value": "true"}}));
                account.subnets.push(subnet);
            }
            let group = json!({"GroupName": "n", "GroupDescription": "n", "VpcId": vpc});
            account.group = text(&account.call(Service::Ec2, "CreateSecurityGroup", group), "/groupId");
            account.role("cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"]);
            account.role(
                "node",
                "ec2.amazonaws.com",
                &["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"],
            );
            account.call(Service::Iam, "CreateInstanceProfile", json!({"InstanceProfileName": "node"}));
            account.call(Service::Iam, "AddRoleToInstanceProfile", json!({"InstanceProfileName": "node", "RoleName": "node"}));
            account.wait(30);
            let network = json!({"subnetIds": account.subnets});
            account.call(
                Service::Eks,
                "CreateCluster",
                json!({
                    "name": "c", "version": "1.35", "roleArn": "arn:aws:iam::123456789012:role/cluster", "resourcesVpcConfig": network,
                    "accessConfig": {"authenticationMode": "API"},
                }),
            );
            account.wait(600);
            account.cluster = account.call(Service::Eks, "DescribeCluster", json!({"name": "c"}));
            account.image = text(&account.call(Service::Ssm, "GetParameter", json!({"Name": IMAGE})), "/Parameter/Value");
            account
        }

        fn call(&mut self, service: Service, action: &str, args: Value) -> Value {
            self.world.call(service, action, args, &self.caller).unwrap_or_else(|error| panic!("{action}: {error}"))
        }

        fn role(&mut self, name: &str, service: &str, policies: &[&str]) {
            let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
            self.call(Service::Iam, "CreateRole", json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()}));
            for policy in policies {
                let arn = format!("arn:aws:iam::aws:policy/{policy}");
                self.call(Service::Iam, "AttachRolePolicy", json!({"RoleName": name, "PolicyArn": arn}));
            }
        }

        fn wait(&mut self, seconds: u64) {
            self.world.advance(self.world.now + Duration::from_secs(seconds));
        }

        fn map_role(&mut self) {
            let entry = json!({"clusterName": "c", "principalArn": "arn:aws:iam::123456789012:role/node", "type": "EC2_LINUX"});
            self.call(Service::Eks, "CreateAccessEntry", entry);
        }

        fn config(&self) -> String {
            format!(
                "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: c\n    apiServerEndpoint: {}\n    certificateAuthority: {}\n    cidr: {}\n",
                text(&self.cluster, "/cluster/endpoint"),
                text(&self.cluster, "/cluster/certificateAuthority/data"),
                text(&self.cluster, "/cluster/kubernetesNetworkConfig/serviceIpv4Cidr"),
            )
        }

        /// Launches a worker and lets it try.
        fn launch(&mut self, user_data: &str) -> String {
            use base64::{Engine, engine::general_purpose::STANDARD};
            let args = json!({
                "ImageId": self.image, "InstanceType": "t3.small", "MinCount": "1", "MaxCount": "1", "SubnetId": self.subnets[0],
                "SecurityGroupId": [self.group], "IamInstanceProfile": {"Name": "node"}, "UserData": STANDARD.encode(user_data),
            });
            let id = text(&self.call(Service::Ec2, "RunInstances", args), "/instancesSet/0/instanceId");
            self.wait(240);
            id
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_joins_once_its_role_is_mapped() {
        let mut account = Account::new();
        let config = account.config();
        let id = account.launch(&config);
        assert_eq!(journal(&account.world, &id), "Unauthorized");
        assert_eq!(kube::ready_nodes(&account.world, "c"), 0);
        account.map_role();
        account.wait(60);
        assert_eq!(journal(&account.world, &id), "");
        assert_eq!(kube::ready_nodes(&account.world, "c"), 1);
        account.call(Service::Ec2, "TerminateInstances", json!({"InstanceId": [id]}));
        account.wait(120);
        assert_eq!(kube::ready_nodes(&account.world, "c"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_role_cannot_run_the_cni_stays_not_ready() {
        let mut account = Account::new();
        account.map_role();
        let config = account.config();
        for policy in ["AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"] {
            let args = json!({"RoleName": "node", "PolicyArn": format!("arn:aws:iam::aws:policy/{policy}")});
            account.call(Service::Iam, "DetachRolePolicy", args.clone());
            let id = account.launch(&config);
            assert_eq!((journal(&account.world, &id), kube::ready_nodes(&account.world, "c")), ("".to_owned(), 0), "{policy}");
            account.call(Service::Iam, "AttachRolePolicy", args.clone());
            account.wait(60);
            assert_eq!(kube::ready_nodes(&account.world, "c"), 1, "{policy}");
            account.call(Service::Ec2, "TerminateInstances", json!({"InstanceId": [id]}));
            account.wait(120);
        }
        // The add-on's own role stands in for the node's.
        account.call(
            Service::Iam,
            "DetachRolePolicy",
            json!({"RoleName": "node", "PolicyArn": "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"}),
        );
        account.role("cni", "pods.eks.amazonaws.com", &["AmazonEKS_CNI_Policy"]);
        let told = account.call(Service::Eks, "DescribeCluster", json!({"name": "c"}));
        let issuer = text(&told, "/cluster/identity/oidc/issuer").to_owned();
        account.call(Service::Iam, "CreateOpenIDConnectProvider", json!({"Url": issuer, "ClientIDList": ["sts.amazonaws.com"]}));
        let url = issuer.trim_start_matches("https://");
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{url}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{url}:sub"): "system:serviceaccount:kube-system:aws-node",
                format!("{url}:aud"): "sts.amazonaws.com",
            }},
        }]});
        account.call(Service::Iam, "UpdateAssumeRolePolicy", json!({"RoleName": "cni", "PolicyDocument": trust.to_string()}));
        account.wait(30);
        account.launch(&config);
        assert_eq!(kube::ready_nodes(&account.world, "c"), 0);
        let role = "arn:aws:iam::123456789012:role/cni";
        let addon = json!({"clusterName": "c", "addonName": "vpc-cni", "serviceAccountRoleArn": role, "resolveConflicts": "OVERWRITE"});
        account.call(Service::Eks, "CreateAddon", addon);
        account.wait(90);
        assert_eq!(kube::ready_nodes(&account.world, "c"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_public_endpoint_must_let_the_workers_address_in() {
        let mut account = Account::new();
        account.map_role();
        let config = account.config();
        let narrow = |blocks: Value| json!({"name": "c", "resourcesVpcConfig": {"publicAccessCidrs": blocks}});
        account.call(Service::Eks, "UpdateClusterConfig", narrow(json!(["203.0.113.7/32"])));
        account.wait(400);
        let id = account.launch(&config);
        let said = journal(&account.world, &id);
        assert!(said.ends_with(":443: i/o timeout"), "{said}");
        let told = account.call(Service::Ec2, "DescribeInstances", json!({"InstanceId": [id]}));
        let address = text(&told, "/reservationSet/0/instancesSet/0/ipAddress");
        account.call(Service::Eks, "UpdateClusterConfig", narrow(json!([format!("{address}/32")])));
        account.wait(460);
        assert_eq!(journal(&account.world, &id), "");
        assert_eq!(kube::ready_nodes(&account.world, "c"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_journal_tells_why_a_worker_does_not_join() {
        let mut account = Account::new();
        account.map_role();
        let config = account.config();
        for (user_data, reason) in [
            (config.replace("    name: c\n", ""), "Name is missing in cluster configuration"),
            (config.replace("name: c\n", "name: d\n"), "Unauthorized"),
            (config.replace("certificateAuthority: ", "certificateAuthority: QQ"), "x509: certificate signed by unknown authority"),
            (config.replace("https://", "https://x"), "no such host"),
            ("#!/bin/bash\n/etc/eks/bootstrap.sh c\n".to_owned(), "exit status 1"),
            ("#!/bin/bash\necho nothing to do with EKS\n".to_owned(), ""),
        ] {
            let id = account.launch(&user_data);
            let said = journal(&account.world, &id);
            assert!(said.ends_with(reason), "{said}");
        }
        // The CNI's policy permits it, too.
        for policy in ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy"] {
            let detach = json!({"RoleName": "node", "PolicyArn": format!("arn:aws:iam::aws:policy/{policy}")});
            account.call(Service::Iam, "DetachRolePolicy", detach);
        }
        let id = account.launch(&config);
        assert!(journal(&account.world, &id).contains("UnauthorizedOperation"));
        assert_eq!(kube::ready_nodes(&account.world, "c"), 0);
    }
}
