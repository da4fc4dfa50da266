//! Nodes and kube-proxy, read from a cluster's API server.

use eks_core::{BoxError, Class, Error, engine::BoxFuture};
use http::Request;
use serde_json::Value;

use super::{ReadNodes, SeenNodes};
use crate::{
    ClusterAccess, Connector, KubernetesVersion,
    upgrade::{NodeKind, NodeVersion},
};

/// Reads nodes with the clients of a [`Connector`]. The principal needs to list nodes and to get the DaemonSet kube-proxy.
#[derive(Clone, Debug)]
pub struct KubernetesNodes {
    connector: Connector,
}

impl KubernetesNodes {
    /// With the clients of this connector.
    pub fn new(connector: Connector) -> Self {
        Self { connector }
    }
}

/// Nodes a page.
const PAGE: usize = 500;
const KUBE_PROXY: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy";

impl ReadNodes for KubernetesNodes {
    fn read<'a>(&'a self, cluster: &'a ClusterAccess) -> BoxFuture<'a, Result<SeenNodes, Error>> {
        Box::pin(async move {
            let client = self.connector.connect(cluster).map_err(|error| call(cluster, Class::Permanent, None, Box::new(error)))?;
            let mut nodes = Vec::new();
            let mut next = String::new();
            loop {
                let page = get(cluster, &client, &format!("/api/v1/nodes?limit={PAGE}&continue={next}")).await?.unwrap_or_default();
                nodes.extend(page["items"].as_array().into_iter().flatten().filter_map(node));
                match page["metadata"]["continue"].as_str() {
                    Some(token) if !token.is_empty() => next = token.to_owned(),
                    _ => break,
                }
            }
            let proxy = get(cluster, &client, KUBE_PROXY).await?;
            Ok(SeenNodes { nodes, kube_proxy: proxy.as_ref().and_then(image_version) })
        })
    }
}

/// A node; one whose kubelet has not told its version yet runs nothing yet.
fn node(node: &Value) -> Option<NodeVersion> {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let kind = NodeKind::of_labels(labels.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))));
    NodeVersion::new(node["metadata"]["name"].as_str()?, kind, node["status"]["nodeInfo"]["kubeletVersion"].as_str()?).ok()
}

/// The version of an image's tag: `…/eks/kube-proxy:v1.35.0-minimal-eksbuild.2`.
fn image_version(daemon_set: &Value) -> Option<KubernetesVersion> {
    let containers = daemon_set["spec"]["template"]["spec"]["containers"].as_array()?;
    let (_, tag) = containers.first()?["image"].as_str()?.rsplit_once(':')?;
    KubernetesVersion::of_release(tag).ok()
}

/// `None` if it is not there.
async fn get(cluster: &ClusterAccess, client: &kube::Client, path: &str) -> Result<Option<Value>, Error> {
    let request = Request::get(path).body(Vec::new()).map_err(|error| call(cluster, Class::Permanent, None, Box::new(error)))?;
    match client.request(request).await {
        Ok(value) => Ok(Some(value)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) => {
            let class = match status.code {
                401 | 403 => Class::Denied,
                429 => Class::Throttled,
                500.. => Class::Transient,
                _ => Class::Permanent,
            };
            Err(call(cluster, class, Some(status.reason.clone()), status.message.clone().into()))
        }
        // No answer, or none that is JSON: an API server that goes, or a load balancer before one that comes.
        Err(error) => Err(call(cluster, Class::Transient, None, Box::new(error))),
    }
}

fn call(cluster: &ClusterAccess, class: Class, code: Option<String>, source: BoxError) -> Error {
    Error::Call { call: "kubernetes:list nodes".to_owned(), subject: cluster.name.to_string(), class, code, request_id: None, source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_kubernetes_tells() {
        let fargate = json!({
            "metadata": {"name": "fargate-ip-10-0-1-2", "labels": {"eks.amazonaws.com/compute-type": "fargate"}},
            "status": {"nodeInfo": {"kubeletVersion": "v1.34.6-eks-f69f56f"}},
        });
        assert_eq!(node(&fargate), NodeVersion::new("fargate-ip-10-0-1-2", NodeKind::Fargate, "1.34").ok());
        assert_eq!(node(&json!({"metadata": {"name": "x"}, "status": {}})), None);
        let image = "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.35.0-minimal-eksbuild.2";
        let proxy = json!({"spec": {"template": {"spec": {"containers": [{"name": "kube-proxy", "image": image}]}}}});
        assert_eq!(image_version(&proxy), Some(KubernetesVersion::V1_35));
    }
}
