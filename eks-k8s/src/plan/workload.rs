//! Pods, and the Services before them.

use std::time::Duration;

use eks_core::Error;

use super::{key_of, nodes::nodes_key, object::Wanted};
use crate::{Kind, LoadBalancerKind, ObjectsSpec, Pod, Service};

impl ObjectsSpec {
    pub(super) fn pod(&self, pod: &Pod) -> Result<Wanted, Error> {
        let mut needs = Vec::new();
        for (claim, _) in &pod.mounts {
            needs.push(key_of(Kind::Claim, &self.namespace, claim)?);
        }
        for workers in &self.nodes {
            needs.push(nodes_key(&workers.name)?);
        }
        if !pod.mounts.is_empty() {
            needs.extend(self.cluster.volumes_need.iter().cloned());
        }
        let seconds = if pod.mounts.is_empty() { 9 } else { 18 };
        Ok(Wanted {
            kind: Kind::Pod,
            title: format!("Pod {}", pod.name),
            manifest: pod.manifest(&self.namespace),
            needs,
            typical: Duration::from_secs(seconds),
            prices: Vec::new(),
            wait: true,
        })
    }

    pub(super) fn service(&self, service: &Service) -> Wanted {
        let price = service.price();
        let routes = self.service_needs.iter().filter(|_| service.is_internet_facing());
        let needs = service.needs.iter().chain(routes).cloned().collect();
        let reach = if service.is_internet_facing() { "internet-facing" } else { "internal" };
        Wanted {
            kind: Kind::Service,
            title: format!("Service {} with {reach} {}", service.name, price.item),
            manifest: service.manifest(&self.namespace, &self.owner),
            needs,
            typical: Duration::from_secs(match service.kind() {
                LoadBalancerKind::Classic => 6,
                LoadBalancerKind::Network => 151,
            }),
            prices: std::iter::once(price).chain(service.address_prices(self.public_zones)).collect(),
            wait: true,
        }
    }
}
