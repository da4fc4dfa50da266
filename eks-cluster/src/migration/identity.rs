//! Who a client is in the cluster, as the API server sees it.

use std::collections::BTreeSet;

/// A Kubernetes user. Kubernetes API reference, SelfSubjectReview.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever reviews identities by other means builds it")]
pub struct KubernetesIdentity {
    /// User name.
    pub username: String,
    /// Groups.
    pub groups: BTreeSet<String>,
}

/// Asks the API server who this client is. Whoever is let in may ask.
///
/// # Errors
/// If the call fails; 401 means that nobody lets the principal in.
#[cfg(feature = "kube")]
pub async fn who_am_i(client: &kube::Client) -> Result<KubernetesIdentity, kube::Error> {
    let body = serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string().into_bytes();
    let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(kube::Error::HttpError)?;
    let answer: serde_json::Value = client.request(request).await?;
    let user = &answer["status"]["userInfo"];
    let groups = user["groups"].as_array().into_iter().flatten();
    Ok(KubernetesIdentity {
        username: user["username"].as_str().unwrap_or_default().to_owned(),
        groups: groups.filter_map(|group| group.as_str()).map(str::to_owned).collect(),
    })
}
