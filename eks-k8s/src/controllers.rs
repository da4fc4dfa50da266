//! Whether the controller that is to make load balancers is there, can act, and takes what is asked of it.
//!
//! AWS Load Balancer Controller: EKS user guide, "Install AWS Load Balancer Controller with Helm". Classes: its page "IngressClass", and
//! the user guide's "Create an IngressClass to configure an Application Load Balancer" for Auto Mode.

use eks_core::{Problem, Problems};
use serde_json::Value;

use crate::{Controller, Ingress, Service};

/// Where the controller's chart puts it.
pub(crate) const NAMESPACE: &str = "kube-system";
/// Its Deployment, and unless that says otherwise its service account.
pub(crate) const NAME: &str = "aws-load-balancer-controller";
const ROLE: &str = "eks.amazonaws.com/role-arn";

/// What there is of controllers in a cluster, as its API tells. `Objects::controllers` reads it; or fill it from answers at hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControllersFound {
    deployment: Option<Value>,
    account: Option<Value>,
    classes: Vec<Value>,
    pod_identity: bool,
}

/// What was found out for one Service or Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControllerReview {
    /// Why its load balancer would not be made.
    pub problems: Vec<Problem>,
    /// What may be so on purpose.
    pub remarks: Vec<String>,
}

impl ControllersFound {
    /// Nothing found yet.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The Deployment `kube-system/aws-load-balancer-controller`.
    #[must_use]
    pub fn deployment(mut self, deployment: Value) -> Self {
        self.deployment = Some(deployment);
        self
    }

    /// The ServiceAccount that it runs under.
    #[must_use]
    pub fn service_account(mut self, account: Value) -> Self {
        self.account = Some(account);
        self
    }

    /// An IngressClass.
    #[must_use]
    pub fn ingress_class(mut self, class: Value) -> Self {
        self.classes.push(class);
        self
    }

    /// EKS has a Pod Identity association for that ServiceAccount.
    #[must_use]
    pub fn pod_identity(mut self) -> Self {
        self.pod_identity = true;
        self
    }

    /// The ServiceAccount under which the Deployment runs.
    pub fn account_name(&self) -> &str {
        let named = self.deployment.as_ref().and_then(|deployment| deployment.pointer("/spec/template/spec/serviceAccountName")?.as_str());
        named.unwrap_or(NAME)
    }

    /// Whether the load balancer of a Service will be made.
    pub fn review_service(&self, service: &Service) -> ControllerReview {
        let mut review = Review::of(format!("service {}", service.name()));
        if service.made_by() == Controller::LoadBalancerController {
            self.installed(&mut review);
        } else if service.made_by() == Controller::CloudProvider && self.mutates() {
            review.remarks.push(format!(
                "{NAME} is installed, and unless its webhook is off (enableServiceMutatorWebhook=false) it takes every new Service of type LoadBalancer"
            ));
        }
        review.finish()
    }

    /// Whether the load balancer of an Ingress will be made.
    pub fn review_ingress(&self, ingress: &Ingress) -> ControllerReview {
        let mut review = Review::of(format!("ingress {}", ingress.name()));
        let name = ingress.class_name();
        let expected = match ingress.made_by() {
            Controller::AutoMode => "eks.amazonaws.com/alb",
            Controller::CloudProvider | Controller::LoadBalancerController => "ingress.k8s.aws/alb",
        };
        if ingress.made_by() == Controller::LoadBalancerController {
            self.installed(&mut review);
        }
        match self.classes.iter().find(|class| class["metadata"]["name"] == name) {
            None => review.add(
                "ingress-class",
                format!("there is no IngressClass {name}, so no controller takes the Ingress"),
                format!("make it, with controller {expected}"),
            ),
            Some(class) if class["spec"]["controller"] != expected => {
                let actual = class["spec"]["controller"].as_str().unwrap_or("nobody");
                review.add(
                    "ingress-class",
                    format!("IngressClass {name} is of {actual}, not of {expected}"),
                    "name another class, or another controller",
                );
            }
            Some(_) => {}
        }
        review.finish()
    }

    /// Whether the controller's webhook may claim new Services.
    fn mutates(&self) -> bool {
        self.available() > 0
    }

    fn available(&self) -> u64 {
        self.deployment.as_ref().and_then(|deployment| deployment.pointer("/status/availableReplicas")?.as_u64()).unwrap_or_default()
    }

    fn installed(&self, review: &mut Review) {
        if self.deployment.is_none() {
            let rule = format!("Deployment {NAMESPACE}/{NAME} is not there: nobody makes the load balancer");
            review.add("controller", rule, "install the AWS Load Balancer Controller (EKS user guide), or use another controller");
            return;
        }
        if self.available() == 0 {
            let rule = format!("Deployment {NAMESPACE}/{NAME} has no available replica: nobody makes the load balancer");
            review.add("controller", rule, format!("look why: kubectl -n {NAMESPACE} describe deployment {NAME}"));
        }
        let name = self.account_name();
        let Some(account) = &self.account else {
            let rule = format!("ServiceAccount {NAMESPACE}/{name} is not there: the controller's Pods cannot start anew");
            review.add("controller-role", rule, "make it, with a role for the controller");
            return;
        };
        let role = account["metadata"]["annotations"][ROLE].as_str();
        match role {
            Some(role) if role.parse::<eks_core::RoleArn>().is_err() => {
                let rule = format!("annotation {ROLE} of ServiceAccount {NAMESPACE}/{name} is {role:?}, no ARN of a role");
                review.add("controller-role", rule, "correct it");
            }
            None if !self.pod_identity => review.remarks.push(format!(
                "ServiceAccount {NAMESPACE}/{name} has neither annotation {ROLE} nor a Pod Identity association: the controller may do only what its nodes' role may"
            )),
            _ => {}
        }
    }
}

/// A review being written.
struct Review {
    subject: String,
    problems: Problems,
    remarks: Vec<String>,
}

impl Review {
    fn of(subject: String) -> Self {
        Self { subject, problems: Problems::new(), remarks: Vec::new() }
    }

    fn add(&mut self, code: &'static str, rule: impl Into<String>, remedy: impl Into<String>) {
        self.problems.add(code, &self.subject, rule, remedy);
    }

    fn finish(self) -> ControllerReview {
        let problems = self.problems.finish(self.subject, || ()).err().map(|error| error.problems).unwrap_or_default();
        ControllerReview { problems, remarks: self.remarks }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Service {
        Service::load_balancer("web").controller(Controller::LoadBalancerController)
    }

    fn deployment(available: u64) -> Value {
        json!({"spec": {"template": {"spec": {"serviceAccountName": "lbc"}}}, "status": {"availableReplicas": available}})
    }

    fn account(role: Option<&str>) -> Value {
        let mut account = json!({"metadata": {"name": "lbc", "annotations": {}}});
        if let Some(role) = role {
            account["metadata"]["annotations"][ROLE] = json!(role);
        }
        account
    }

    fn class(controller: &str) -> Value {
        json!({"metadata": {"name": "alb"}, "spec": {"controller": controller}})
    }

    fn codes(review: &ControllerReview) -> String {
        review.problems.iter().map(|problem| problem.code).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_missing() {
        let role = Some("arn:aws:iam::123456789012:role/lbc");
        let nothing = ControllersFound::nothing;
        for (found, code, remarks) in [
            (nothing(), "controller", 0),
            (nothing().deployment(deployment(0)).service_account(account(role)), "controller", 0),
            (nothing().deployment(deployment(2)), "controller-role", 0),
            (nothing().deployment(deployment(2)).service_account(account(Some("lbc"))), "controller-role", 0),
            (nothing().deployment(deployment(2)).service_account(account(None)), "", 1),
            (nothing().deployment(deployment(2)).service_account(account(None)).pod_identity(), "", 0),
            (nothing().deployment(deployment(2)).service_account(account(role)), "", 0),
        ] {
            let review = found.review_service(&service());
            assert_eq!((codes(&review).as_str(), review.remarks.len()), (code, remarks), "{found:?}");
            assert_eq!(found.review_service(&service().controller(Controller::AutoMode)), ControllerReview::default());
        }
    }

    #[test]
    fn classes() {
        let role = Some("arn:aws:iam::123456789012:role/lbc");
        let installed = ControllersFound::nothing().deployment(deployment(2)).service_account(account(role));
        let ingress = Ingress::alb("web");
        assert_eq!(codes(&installed.review_ingress(&ingress)), "ingress-class");
        let found = installed.clone().ingress_class(class("ingress.k8s.aws/alb"));
        assert_eq!(codes(&found.review_ingress(&ingress)), "");
        let auto = ingress.controller(Controller::AutoMode);
        assert_eq!(codes(&found.review_ingress(&auto)), "ingress-class");
        assert_eq!(codes(&ControllersFound::nothing().ingress_class(class("eks.amazonaws.com/alb")).review_ingress(&auto)), "");
        assert_eq!(codes(&ControllersFound::nothing().review_ingress(&auto.class("other"))), "ingress-class");
    }

    #[test]
    fn the_cloud_provider_may_be_forestalled() {
        let review = ControllersFound::nothing().deployment(deployment(1)).review_service(&Service::load_balancer("web"));
        assert!(review.problems.is_empty() && review.remarks[0].contains("enableServiceMutatorWebhook"), "{review:?}");
    }
}
