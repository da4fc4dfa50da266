//! What a document says and something else in it leaves without effect: no word of a file is dropped in silence.

use eks_core::{Problems, RoleArn, SpecError};

use super::{
    Document,
    cluster::{AutoMode, Cluster},
    family::Family,
    template::Template,
    words::AccessType,
    workers::Workers,
};
use crate::specs::Part;

impl Document {
    pub(super) fn contradictions(&self) -> Vec<(Part, SpecError)> {
        let cluster = self.cluster.iter().map(|cluster| (Part::Cluster, cluster.contradictions()));
        let workers = self.workers.iter().enumerate();
        let workers = workers.map(|(place, group)| (Part::Workers(place), group.contradictions(self.objects.is_some())));
        cluster.chain(workers).filter_map(|(part, problems)| Some((part, problems.finish("the file", || ()).err()?))).collect()
    }
}

impl Cluster {
    fn contradictions(&self) -> Problems {
        let mut problems = Problems::new();
        let mut add = |subject: String, rule: &str, remedy: &str| problems.add("contradiction", subject, rule, remedy);
        if let Some(AutoMode { enabled: false, node_pools, node_role }) = &self.auto_mode
            && (!node_pools.is_empty() || node_role.is_some())
        {
            add("autoMode".into(), "it is not enabled, and has nodePools or nodeRole", "leave them out, or say enabled: true");
        }
        if let Some(role) = &self.role
            && role.existing.is_some()
            && role.legacy_service_policy == Some(true)
        {
            let rule = "nothing is attached to a role that exists, and legacyServicePolicy is true";
            add("role".into(), rule, "leave legacyServicePolicy out, and attach the policy to the role where that is made");
        }
        if self.oidc_provider == Some(false) && self.pod_roles.iter().any(|role| role.irsa == Some(true)) {
            let rule = "it is false, and roles of podRoles are by irsa, which needs it";
            add("oidcProvider".into(), rule, "leave it out, or leave irsa out: EKS Pod Identity needs no identity provider");
        }
        for role in &self.pod_roles {
            if let (Some(name), Some(true)) = (&role.name, role.load_balancer_controller) {
                let rule = "the role of loadBalancerController has a name of its own, and this gives another";
                add(format!("podRoles {name}"), rule, "leave the name out");
            }
        }
        for entry in &self.access_entries {
            let of_nodes = entry.r#type.is_some_and(|kind| kind != AccessType::Standard);
            if of_nodes && entry.principal.parse::<RoleArn>().is_err() {
                let rule = "a type other than STANDARD is for roles of nodes, and this is the ARN of no role";
                add(format!("access entry {}", entry.principal), rule, "give the ARN of the nodes' role, or leave the type out");
            }
        }
        problems
    }
}

impl Workers {
    fn contradictions(&self, has_objects: bool) -> Problems {
        let mut problems = Problems::new();
        let subject = format!("workers {}", self.name.0);
        if self.public_subnets == Some(true) && !self.zones.is_empty() {
            let rule = "publicSubnets means all public subnets, and zones chooses private ones";
            problems.add("contradiction", subject.clone(), rule, "give one of them");
        }
        let mirrors = match &self.family {
            Some(Family::AmazonLinux2023(family)) => &family.mirrors[..],
            Some(Family::Bottlerocket(family)) => &family.mirrors[..],
            _ => &[],
        };
        for mirror in mirrors.iter().filter(|mirror| mirror.endpoints.is_empty()) {
            let rule = "a mirror has no endpoints, so the registry itself is asked";
            problems.add("contradiction", format!("mirror of {}", mirror.registry), rule, "give it endpoints, or leave the mirror out");
        }
        if has_objects && matches!(self.template, Some(Template::NodeGroup2025(_))) {
            let rule =
                "objects wait for the nodes of every group by a label, and template nodeGroup2025 labels none: they would wait in vain";
            let remedy = "use our own template, or apply the objects from a file of their own";
            problems.add("nodes-unlabelled", subject, rule, remedy);
        }
        problems
    }
}
