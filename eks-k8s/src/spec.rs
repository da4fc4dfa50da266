//! What should exist in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use eks_core::{AuthenticationMode, ClusterRefs, Owner, Problems, Ref, RoleArn, SpecError, StepKey, WorkersRefs};

use crate::{Binding, Claim, ControllersFound, Ingress, Kind, Pod, Service, StorageClass, VpcSubnet, name};

/// The fewest zones that a cluster's subnets are in (EKS user guide, "View Amazon EKS networking requirements").
pub(crate) const PUBLIC_ZONES: u32 = 2;

/// Objects of one cluster: valid by construction.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectsSpec {
    pub(crate) owner: Owner,
    pub(crate) cluster: ClusterRefs,
    pub(crate) namespace: String,
    pub(crate) nodes: Vec<WorkersRefs>,
    pub(crate) roles: Vec<(String, Ref<RoleArn>)>,
    pub(crate) classes: Vec<StorageClass>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) pods: Vec<Pod>,
    /// By claim: the positions of the Pods that mount it.
    pub(crate) mounters: BTreeMap<String, Vec<usize>>,
    pub(crate) services: Vec<Service>,
    pub(crate) ingresses: Vec<Ingress>,
    pub(crate) subnets: Option<Vec<VpcSubnet>>,
    pub(crate) controllers: Option<ControllersFound>,
    pub(crate) service_needs: Vec<StepKey>,
    pub(crate) existing_classes: BTreeSet<String>,
    pub(crate) public_zones: u32,
    pub(crate) driver_role: Option<RoleArn>,
}

/// Collects what should exist; checked by [`ObjectsSpecBuilder::build`].
#[derive(Clone, Debug)]
pub struct ObjectsSpecBuilder(ObjectsSpec);

impl ObjectsSpec {
    /// Objects of this cluster: none yet, in namespace `default`.
    pub fn builder(owner: &Owner, cluster: ClusterRefs) -> ObjectsSpecBuilder {
        ObjectsSpecBuilder(Self {
            owner: owner.clone(),
            cluster,
            namespace: "default".to_owned(),
            nodes: Vec::new(),
            roles: Vec::new(),
            classes: Vec::new(),
            claims: Vec::new(),
            pods: Vec::new(),
            mounters: BTreeMap::new(),
            services: Vec::new(),
            ingresses: Vec::new(),
            subnets: None,
            controllers: None,
            service_needs: Vec::new(),
            existing_classes: BTreeSet::new(),
            public_zones: PUBLIC_ZONES,
            driver_role: None,
        })
    }

    /// The owner.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether applying the spec lets a claim bind: its class binds at once, or a Pod mounts it, or its class is not known.
    pub(crate) fn may_bind(&self, claim: &Claim) -> bool {
        self.pods_of(claim).next().is_some() || self.class_of(claim).is_none_or(|class| class.binding == Binding::Immediate)
    }

    pub(crate) fn class_of(&self, claim: &Claim) -> Option<&StorageClass> {
        match &claim.class {
            Some(name) => self.classes.iter().find(|class| class.name == *name),
            None => self.classes.iter().find(|class| class.is_default()),
        }
    }
}

impl ObjectsSpecBuilder {
    /// The namespace of claims, Pods and Services; it must exist. Default `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.0.namespace = namespace.into();
        self
    }

    /// Waits until the nodes of a group of workers are Ready.
    #[must_use]
    pub fn nodes(mut self, workers: WorkersRefs) -> Self {
        self.0.nodes.push(workers);
        self
    }

    /// Maps a node role in `aws-auth`, beside whatever is mapped there. `group` is the name of its workers.
    #[must_use]
    pub fn map_role(mut self, group: impl Into<String>, role: Ref<RoleArn>) -> Self {
        self.0.roles.push((group.into(), role));
        self
    }

    /// Adds a StorageClass.
    #[must_use]
    pub fn storage_class(mut self, class: StorageClass) -> Self {
        self.0.classes.push(class);
        self
    }

    /// A StorageClass that claims may name although this spec does not make it, such as EKS's `gp2`.
    #[must_use]
    pub fn existing_class(mut self, name: impl Into<String>) -> Self {
        self.0.existing_classes.insert(name.into());
        self
    }

    /// Adds a claim.
    #[must_use]
    pub fn claim(mut self, claim: Claim) -> Self {
        self.0.claims.push(claim);
        self
    }

    /// Adds a Pod.
    #[must_use]
    pub fn pod(mut self, pod: Pod) -> Self {
        let at = self.0.pods.len();
        for (claim, _) in &pod.mounts {
            let mounters = self.0.mounters.entry(claim.clone()).or_default();
            if mounters.last() != Some(&at) {
                mounters.push(at);
            }
        }
        self.0.pods.push(pod);
        self
    }

    /// Adds a Service.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.0.services.push(service);
        self
    }

    /// Adds an Ingress.
    #[must_use]
    pub fn ingress(mut self, ingress: Ingress) -> Self {
        self.0.ingresses.push(ingress);
        self
    }

    /// The subnets of the cluster's VPC, all of them. A plan then tells into which of them new load balancers go, and is refused if
    /// their controller would find too few.
    #[must_use]
    pub fn subnets(mut self, subnets: impl IntoIterator<Item = VpcSubnet>) -> Self {
        self.0.subnets.get_or_insert_default().extend(subnets);
        self
    }

    /// What there is of controllers in the cluster. A plan then warns if nobody would make a load balancer.
    #[must_use]
    pub fn controllers(mut self, found: ControllersFound) -> Self {
        self.0.controllers = Some(found);
        self
    }

    /// Steps that internet-facing load balancers need: their subnets' route to the internet gateway.
    #[must_use]
    pub fn service_needs(mut self, steps: impl IntoIterator<Item = StepKey>) -> Self {
        self.0.service_needs.extend(steps);
        self
    }

    /// The role that the EBS CSI driver's controller has by a Pod Identity association, which Kubernetes does not show. Without it, and
    /// without an annotation of the controller's ServiceAccount, a plan warns that EC2 will refuse volumes.
    #[must_use]
    pub fn driver_role(mut self, role: RoleArn) -> Self {
        self.0.driver_role = Some(role);
        self
    }

    /// In how many zones the cluster has public subnets: an internet-facing load balancer has a public IPv4 address in each, and a
    /// plan shows what they cost. Default 2, the fewest zones that EKS accepts.
    #[must_use]
    pub fn public_zones(mut self, zones: u32) -> Self {
        self.0.public_zones = zones;
        self
    }

    /// Checks everything, without a call.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that is broken.
    pub fn build(self) -> Result<ObjectsSpec, SpecError> {
        let spec = self.0;
        let mut problems = Problems::new();
        name::check_label(&mut problems, "namespace", &spec.namespace);
        spec.check_nodes(&mut problems);
        spec.classes.iter().for_each(|class| class.check(&mut problems));
        spec.check_claims(&mut problems);
        spec.check_pods(&mut problems);
        spec.services.iter().for_each(|service| service.check(&mut problems));
        spec.check_ingresses(&mut problems);
        spec.check_duplicates(&mut problems);
        let title = format!("objects of cluster {}", spec.cluster.name);
        problems.finish(title, || spec)
    }
}

impl ObjectsSpec {
    fn check_nodes(&self, problems: &mut Problems) {
        let mode = self.cluster.authentication;
        if mode == AuthenticationMode::Api && !self.roles.is_empty() {
            problems.add(
                "aws-auth-unread",
                "aws-auth",
                "in authentication mode API nobody reads it",
                "leave map_role out and give nodes an access entry, or choose API_AND_CONFIG_MAP",
            );
        }
        for workers in &self.nodes {
            let subject = format!("nodes {}", workers.name);
            if mode == AuthenticationMode::ConfigMap && !self.roles.iter().any(|(group, _)| *group == workers.name) {
                let rule = "in authentication mode CONFIG_MAP nodes join by aws-auth alone, and their role is not mapped";
                problems.add("role-unmapped", &subject, rule, format!("add map_role({:?}, …)", workers.name));
            }
            let (key, value) = &workers.node_label;
            name::check_pair(problems, &subject, key, value);
            if StepKey::new(["k8s", "nodes", &workers.name]).is_err() {
                problems.add("name", &subject, "the name cannot be part of a step key", "use letters, digits, . _ and -");
            }
        }
    }

    fn check_claims(&self, problems: &mut Problems) {
        for claim in &self.claims {
            let subject = format!("claim {}", claim.name);
            let before = claim.gib();
            claim.check(problems);
            if let Some(class) =
                claim.class.as_ref().filter(|class| self.class_of(claim).is_none() && !self.existing_classes.contains(*class))
            {
                let remedy = format!("add storage_class(StorageClass::gp3({class:?})), or existing_class({class:?}) if the cluster has it");
                problems.add("class-unknown", &subject, format!("no storage class {class} is specified"), remedy);
            }
            if let Some(class) = self.class_of(claim).filter(|_| before > 0) {
                class.check_size(problems, &subject, before);
            }
        }
    }

    fn check_pods(&self, problems: &mut Problems) {
        // The first of those with one name.
        let claims: BTreeMap<&str, &Claim> = self.claims.iter().rev().map(|claim| (claim.name.as_str(), claim)).collect();
        for pod in &self.pods {
            let subject = format!("pod {}", pod.name);
            pod.check(problems);
            for (name, _) in &pod.mounts {
                let Some(&claim) = claims.get(name.as_str()) else {
                    problems.add(
                        "claim-unknown",
                        &subject,
                        format!("it mounts {name}, which is not claimed"),
                        format!("add claim(Claim::new({name:?}, …))"),
                    );
                    continue;
                };
                let zones = self.class_of(claim).map(StorageClass::zones).unwrap_or_default();
                if let Some(zone) = pod.wanted_zone().filter(|zone| !zones.is_empty() && !zones.iter().any(|other| other == zone)) {
                    let rule = format!(
                        "it runs in {zone}, but volumes of {name} are in {}; a volume is mounted in its own zone",
                        zones.join(", ")
                    );
                    problems.add("zone-apart", &subject, rule, "choose one zone for both");
                }
            }
        }
    }

    fn check_ingresses(&self, problems: &mut Problems) {
        for ingress in &self.ingresses {
            ingress.check(problems);
            for (name, port) in ingress.backends() {
                // Services that are not of this spec may be there all the same.
                let Some(service) = self.services.iter().find(|service| service.name == name) else { continue };
                if !service.has_port(port) {
                    let rule = format!("it sends to port {port} of service {name}, which has no such port");
                    problems.add("rule", format!("ingress {}", ingress.name), rule, "name a port of the Service");
                }
            }
        }
    }

    fn check_duplicates(&self, problems: &mut Problems) {
        let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let all = (self.classes.iter().map(|class| ("storage class", class.name.as_str())))
            .chain(self.claims.iter().map(|claim| ("claim", claim.name.as_str())))
            .chain(self.pods.iter().map(|pod| ("pod", pod.name.as_str())))
            .chain(self.services.iter().map(|service| ("service", service.name.as_str())))
            .chain(self.ingresses.iter().map(|ingress| ("ingress", ingress.name.as_str())))
            .chain(self.nodes.iter().map(|workers| ("nodes", workers.name.as_str())))
            .chain(self.roles.iter().map(|(group, _)| ("role of", group.as_str())));
        for (kind, name) in all {
            *seen.entry((kind, name)).or_default() += 1;
        }
        for ((kind, name), _) in seen.iter().filter(|(_, count)| **count > 1) {
            problems.add("duplicate", format!("{kind} {name}"), "it is specified twice", "specify each once");
        }
        if self.classes.iter().filter(|class| class.is_default()).count() > 1 {
            problems.add("duplicate", "storage classes", "more than one is the default class", "make one the default");
        }
        for (kind, name) in (self.claims.iter().map(|claim| (Kind::Claim, &claim.name)))
            .chain(self.pods.iter().map(|pod| (Kind::Pod, &pod.name)))
            .chain(self.ingresses.iter().map(|ingress| (Kind::Ingress, &ingress.name)))
        {
            if name.len() + self.namespace.len() > 180 {
                problems.add(
                    "name",
                    format!("{kind} {name}"),
                    "with its namespace it is longer than a step key allows",
                    "choose a shorter name",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{cluster, owner, workers};

    fn codes(result: Result<ObjectsSpec, SpecError>) -> Vec<&'static str> {
        result.err().map(|error| error.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
    }

    #[test]
    fn the_chapter_is_valid() {
        assert_eq!(codes(crate::fixture::chapter().build()), [""; 0]);
    }

    #[test]
    fn everything_at_once() {
        let builder = ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::ConfigMap))
            .namespace("Default")
            .nodes(workers("w"))
            .storage_class(StorageClass::gp3("fast").zone("us-east-1a"))
            .claim(Claim::new("a", "10GB").class("fast"))
            .claim(Claim::new("a", "0").class("slow"))
            .claim(Claim::new("b", "1Gi").class("fast"))
            .pod(Pod::new("p", "x").mount("b", "/b").mount("c", "/c").zone("us-east-1b"));
        let error = builder.build().unwrap_err();
        insta::assert_snapshot!(error, @r#"
        objects of cluster chap10: 8 problems
          - namespace: "Default" is not an RFC 1123 label: 1–63 of a-z 0-9 -, beginning and ending with a letter or digit; choose another name
          - nodes w: in authentication mode CONFIG_MAP nodes join by aws-auth alone, and their role is not mapped; add map_role("w", …)
          - claim a: "10GB" is not a quantity: a decimal number, then nothing, a decimal suffix (n u m k M G T P E), a binary one (Ki Mi Gi Ti Pi Ei) or an exponent (e3); write a size such as 10Gi
          - claim a: 0 is not above zero; write a size such as 10Gi
          - claim a: no storage class slow is specified; add storage_class(StorageClass::gp3("slow")), or existing_class("slow") if the cluster has it
          - pod p: it runs in us-east-1b, but volumes of b are in us-east-1a; a volume is mounted in its own zone; choose one zone for both
          - pod p: it mounts c, which is not claimed; add claim(Claim::new("c", …))
          - claim a: it is specified twice; specify each once
        "#);
    }

    #[test]
    fn aws_auth_follows_the_authentication_mode() {
        let with = |mode| ObjectsSpec::builder(&owner(), cluster(mode)).nodes(workers("w")).map_role("w", workers("w").role).build();
        assert_eq!(codes(with(AuthenticationMode::Api)), ["aws-auth-unread"]);
        assert_eq!(codes(with(AuthenticationMode::ConfigMap)), [""; 0]);
        let without = ObjectsSpec::builder(&owner(), cluster(AuthenticationMode::ApiAndConfigMap)).nodes(workers("w")).build();
        assert_eq!(codes(without), [""; 0]);
    }
}
