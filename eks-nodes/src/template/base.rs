//! The stack that workers stand on: role, instance profile, security group. It needs no control plane, only its group.

use std::collections::BTreeMap;

use super::{
    Output, Parameter, Tag, Template, Text,
    resource::{Body, InstanceProfile, Policy, Principal, Resource, Role, SecurityGroup, SecurityGroupRule, Statement},
};
use crate::WorkersSpec;

const CONTROL_PLANE: &str = "ClusterControlPlaneSecurityGroup";
const NODES: &str = "NodeSecurityGroup";

/// Policies that every node's role has. EKS User Guide, "Amazon EKS node IAM role".
const POLICIES: [&str; 3] = ["AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy"];
const SESSION_MANAGER_POLICY: &str = "AmazonSSMManagedInstanceCore";
/// Of templates of AWS's.
const READ_ONLY_POLICY: &str = "AmazonEC2ContainerRegistryReadOnly";

/// IAM's default quota of managed policies per role.
pub(crate) const MAX_POLICIES: usize = 10;

/// How many policies the role has besides the user's own.
pub(crate) fn own_policies(session_manager: bool) -> usize {
    POLICIES.len() + usize::from(session_manager)
}

fn rule(
    description: &'static str,
    group: &'static str,
    ports: Option<(u16, u16)>,
    source: Option<&'static str>,
    destination: Option<&'static str>,
) -> SecurityGroupRule {
    let id = |name| if name == NODES { Text::attribute(NODES, "GroupId") } else { Text::reference(name) };
    SecurityGroupRule {
        description,
        group_id: id(group),
        ip_protocol: if ports.is_some() { "tcp" } else { "-1" },
        from_port: ports.map(|ports| ports.0),
        to_port: ports.map(|ports| ports.1),
        source_security_group_id: source.map(id),
        destination_security_group_id: destination.map(id),
    }
}

/// Policies that the role of a spec's nodes may get, as IAM permissions name them.
pub(crate) fn role_policies(spec: &WorkersSpec) -> Vec<String> {
    // Which of them a template of AWS's attaches depends on its release, and on its parameters.
    let of_amazon = spec.amazon.as_ref().map(|_| [READ_ONLY_POLICY, SESSION_MANAGER_POLICY]);
    let names = POLICIES.into_iter().chain(spec.session_manager.then_some(SESSION_MANAGER_POLICY)).chain(of_amazon.into_iter().flatten());
    let managed = names.map(|name| format!("arn:${{Partition}}:iam::aws:policy/{name}"));
    managed.chain(spec.extra_policies.iter().cloned()).collect()
}

/// The role of the nodes.
pub(super) fn role(session_manager: bool, extra_policies: &[String]) -> Role {
    let managed = |name: &&str| Text::sub(format!("arn:${{AWS::Partition}}:iam::aws:policy/{name}"));
    let mut policies: Vec<Text> = POLICIES.iter().map(managed).collect();
    policies.extend(session_manager.then(|| managed(&SESSION_MANAGER_POLICY)));
    policies.extend(extra_policies.iter().map(Text::plain));
    Role {
        assume_role_policy_document: Policy {
            version: "2012-10-17",
            statement: vec![Statement {
                effect: "Allow",
                principal: Principal { service: Text::sub("ec2.${AWS::URLSuffix}") },
                action: "sts:AssumeRole",
            }],
        },
        managed_policy_arns: policies,
    }
}

/// The template. Names are those of Amazon's own template where they mean the same.
pub(crate) fn base(session_manager: bool, extra_policies: &[String]) -> Template {
    let role = role(session_manager, extra_policies);
    let group = SecurityGroup {
        group_description: "Security group for all nodes in the cluster",
        vpc_id: Text::reference("VpcId"),
        tags: vec![Tag::new(Text::plain("Name"), Text::sub("${ClusterName}-${NodeGroupName}-Node")), Tag::cluster()],
    };
    let ingress =
        |description, group, ports, source| Resource::from(Body::SecurityGroupIngress(rule(description, group, ports, Some(source), None)));
    let egress =
        |description, ports| Resource::from(Body::SecurityGroupEgress(rule(description, CONTROL_PLANE, Some(ports), None, Some(NODES))));
    let resources = BTreeMap::from([
        ("NodeInstanceRole", Resource::from(Body::Role(role))),
        ("NodeInstanceProfile", Body::InstanceProfile(InstanceProfile { roles: vec![Text::reference("NodeInstanceRole")] }).into()),
        (NODES, Body::SecurityGroup(group).into()),
        ("NodeSecurityGroupIngress", ingress("Nodes to one another", NODES, None, NODES)),
        (
            "NodeSecurityGroupFromControlPlaneIngress",
            ingress("Control plane to kubelets and pods", NODES, Some((1025, 65_535)), CONTROL_PLANE),
        ),
        (
            "NodeSecurityGroupFromControlPlaneOn443Ingress",
            ingress("Control plane to extension API servers on 443", NODES, Some((443, 443)), CONTROL_PLANE),
        ),
        ("ControlPlaneEgressToNodeSecurityGroup", egress("Control plane to kubelets and pods", (1025, 65_535))),
        ("ControlPlaneEgressToNodeSecurityGroupOn443", egress("Control plane to extension API servers on 443", (443, 443))),
        ("ClusterControlPlaneSecurityGroupIngress", ingress("Nodes to the API server", CONTROL_PLANE, Some((443, 443)), NODES)),
    ]);
    let parameter = Parameter::new;
    Template {
        format: "2010-09-09",
        description: "Role, instance profile and security group of EKS workers, made by eks-rs",
        conditions: BTreeMap::new(),
        parameters: BTreeMap::from([
            ("ClusterName", parameter("String", "Name of the EKS cluster")),
            (CONTROL_PLANE, parameter("AWS::EC2::SecurityGroup::Id", "Security group of the control plane")),
            ("NodeGroupName", parameter("String", "Name of the group of workers")),
            ("VpcId", parameter("AWS::EC2::VPC::Id", "VPC of the workers")),
        ]),
        resources: resources.into_iter().map(|(name, resource)| (name.into(), resource)).collect(),
        outputs: BTreeMap::from([
            ("NodeInstanceRole", output("ARN of the nodes' role", Text::attribute("NodeInstanceRole", "Arn"))),
            ("NodeInstanceProfile", output("ARN of the nodes' instance profile", Text::attribute("NodeInstanceProfile", "Arn"))),
            (NODES, output("Security group of the nodes", Text::attribute(NODES, "GroupId"))),
        ]),
    }
}

pub(super) fn output(description: &'static str, value: Text) -> Output {
    Output { description, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let policy = "arn:aws:iam::123456789012:policy/own".to_owned();
        insta::assert_snapshot!("base", serde_json::to_string_pretty(&base(true, &[policy])).expect("serialises"));
    }
}
