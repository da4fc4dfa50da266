//! What the areas share: a cluster whose API server the client knows.

use eks_core::{AuthenticationMode, ClusterName, ClusterRefs, Ref, StepKey};

pub(crate) type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A cluster that stands; the client knows the way.
pub(crate) fn cluster() -> Tested<ClusterRefs> {
    let plane: StepKey = "cluster/control-plane".parse()?;
    Ok(ClusterRefs {
        name: ClusterName::new("chap10")?,
        version: "1.36".to_owned(),
        endpoint: Ref::Known("https://127.0.0.1".to_owned()),
        certificate_authority: Ref::Known(String::new()),
        service_cidr: Ref::Known("10.0.0.0/24".to_owned()),
        security_groups: Vec::new(),
        cluster_security_group: Ref::output(plane, "cluster_security_group"),
        authentication: AuthenticationMode::Api,
        nodes_need: Vec::new(),
        volumes_need: Vec::new(),
    })
}
