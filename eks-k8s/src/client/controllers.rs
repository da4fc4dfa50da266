//! Reading what there is of load balancer controllers.

use eks_core::Error;
use kube::api::ListParams;

use super::{
    api::{Collection, DEPLOYMENTS, INGRESS_CLASSES, SERVICE_ACCOUNTS},
    connect::Objects,
};
use crate::{
    Access, ControllersFound,
    controllers::{NAME, NAMESPACE},
};

impl Objects {
    /// What there is of controllers that make load balancers, in three calls. `pod_identity`: whether EKS has a Pod Identity association
    /// for the controller's service account, which the Kubernetes API does not tell. Nothing is found where there is no cluster yet.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer, or does not allow it.
    pub async fn controllers(&self, access: Option<&Access>, pod_identity: bool) -> Result<ControllersFound, Error> {
        let mut found = ControllersFound::nothing();
        let Some(client) = self.client(access).await? else { return Ok(found) };
        if let Some(deployment) = Collection::within(&client, DEPLOYMENTS, NAMESPACE).get(NAME).await? {
            found = found.deployment(deployment);
            let account = found.account_name().to_owned();
            if let Some(account) = Collection::within(&client, SERVICE_ACCOUNTS, NAMESPACE).get(&account).await? {
                found = found.service_account(account);
            }
        }
        let (classes, _) = Collection::all(&client, INGRESS_CLASSES).list(ListParams::default()).await?;
        found = classes.into_iter().fold(found, ControllersFound::ingress_class);
        Ok(if pod_identity { found.pod_identity() } else { found })
    }
}
