//! From a live Ingress back to its meaning.

use std::{collections::BTreeMap, str::FromStr};

use eks_core::{KEY_TAG, OWNER_TAG, Problems, SpecError};
use serde_json::Value;

use super::{Ingress, IngressRule, Listener, PREFIX, PathType};
use crate::{
    Controller, HealthCheck,
    service::{items, pairs},
};

impl Ingress {
    /// What a live Ingress asks for. `controller` is its class's, for the Ingress does not tell. What the API server and the controller
    /// wrote (finalizers, status) is left out, and so are our own marks.
    ///
    /// # Errors
    /// [`SpecError`] if it names ports of Services by name, sends to something that is no Service, or has annotations that cannot be
    /// understood.
    pub fn read(live: &Value, controller: Controller) -> Result<Self, SpecError> {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("/metadata/name");
        let subject = format!("ingress {name}");
        let mut problems = Problems::new();
        let said = live.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten();
        let mut reading = Reading {
            left: said
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .filter(|(key, _)| key != KEY_TAG && key != "kubectl.kubernetes.io/last-applied-configuration")
                .collect(),
            wrong: Vec::new(),
        };
        let mut ingress = Self { controller, class: text("/spec/ingressClassName"), ..Self::alb(name) };
        reading.settings(&mut ingress);
        for (suffix, value) in &reading.wrong {
            problems.add("annotation", &subject, format!("annotation {PREFIX}{suffix}: {value:?} cannot be understood"), "correct it");
        }
        ingress.annotations = reading.left;
        let backend = |backend: &Value, problems: &mut Problems| {
            let service = backend.pointer("/service/name").and_then(Value::as_str);
            let port = backend.pointer("/service/port/number").and_then(Value::as_u64).and_then(|port| u32::try_from(port).ok());
            let both = service.zip(port).map(|(service, port)| (service.to_owned(), port));
            if both.is_none() {
                problems.add("rule", &subject, format!("{backend} is no Service with the number of a port"), "this type tells those alone");
            }
            both
        };
        for rule in live.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten() {
            for path in rule.pointer("/http/paths").and_then(Value::as_array).into_iter().flatten() {
                let Some((service, port)) = backend(&path["backend"], &mut problems) else { continue };
                let path_type = PathType::ALL.into_iter().find(|path_type| path["pathType"] == path_type.as_str());
                ingress.rules.push(IngressRule {
                    host: rule["host"].as_str().map(str::to_owned),
                    path: path["path"].as_str().unwrap_or("/").to_owned(),
                    path_type: path_type.unwrap_or(PathType::ImplementationSpecific),
                    service,
                    port,
                });
            }
        }
        if let Some(default) = live.pointer("/spec/defaultBackend") {
            ingress.default_backend = backend(default, &mut problems);
        }
        problems.finish(subject, || ingress)
    }
}

/// Takes annotations apart: what has a word of its own leaves `left`.
struct Reading {
    left: BTreeMap<String, String>,
    wrong: Vec<(String, String)>,
}

impl Reading {
    fn take(&mut self, suffix: &str) -> Option<String> {
        self.left.remove(&format!("{PREFIX}{suffix}"))
    }

    fn list(&mut self, suffix: &str) -> Vec<String> {
        self.take(suffix).map(|text| items(&text)).unwrap_or_default()
    }

    fn map(&mut self, suffix: &str) -> BTreeMap<String, String> {
        self.take(suffix).map(|text| pairs(&text)).into_iter().flatten().collect()
    }

    fn parse<T: FromStr>(&mut self, suffix: &str) -> Option<T> {
        let text = self.take(suffix)?;
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            self.wrong.push((suffix.to_owned(), text));
        }
        parsed
    }

    fn settings(&mut self, ingress: &mut Ingress) {
        ingress.internet_facing = self.take("scheme").as_deref() == Some("internet-facing");
        ingress.target_type = self.parse("target-type").unwrap_or_default();
        ingress.listeners = self.listeners();
        ingress.certificates = self.list("certificate-arn");
        ingress.policy = self.take("ssl-policy");
        ingress.ssl_redirect = self.parse("ssl-redirect");
        ingress.group = self.take("group.name");
        ingress.group_order = self.parse("group.order");
        ingress.health = HealthCheck {
            protocol: self.parse("healthcheck-protocol"),
            port: self.health_port(),
            path: self.take("healthcheck-path"),
            interval: self.parse("healthcheck-interval-seconds"),
            timeout: self.parse("healthcheck-timeout-seconds"),
            healthy: self.parse("healthy-threshold-count"),
            unhealthy: self.parse("unhealthy-threshold-count"),
            success_codes: self.take("success-codes"),
        };
        ingress.subnets = self.list("subnets");
        ingress.security_groups = self.list("security-groups");
        // Said with security groups, and of no effect without.
        self.take("manage-backend-security-group-rules");
        ingress.inbound_cidrs = self.list("inbound-cidrs");
        ingress.attributes = self.map("load-balancer-attributes");
        ingress.target_attributes = self.map("target-group-attributes");
        ingress.tags = self.map("tags");
        ingress.tags.remove(OWNER_TAG);
        ingress.load_balancer_name = self.take("load-balancer-name");
    }

    fn health_port(&mut self) -> Option<u32> {
        match self.take("healthcheck-port") {
            None => None,
            Some(text) if text == "traffic-port" => None,
            Some(text) => {
                let port = text.trim().parse().ok();
                if port.is_none() {
                    self.wrong.push(("healthcheck-port".to_owned(), text));
                }
                port
            }
        }
    }

    /// `[{"HTTP": 80}, {"HTTPS": 443}]`
    fn listeners(&mut self) -> Vec<Listener> {
        let Some(text) = self.take("listen-ports") else { return Vec::new() };
        let one = |(protocol, port): (&String, &Value)| {
            let port = port.as_u64().and_then(|port| u32::try_from(port).ok())?;
            match protocol.as_str() {
                "HTTP" => Some(Listener::Http(port)),
                "HTTPS" => Some(Listener::Https(port)),
                _ => None,
            }
        };
        let parsed: Option<Vec<Listener>> = serde_json::from_str::<Vec<serde_json::Map<String, Value>>>(&text)
            .ok()
            .and_then(|list| list.iter().flatten().map(one).collect());
        parsed.unwrap_or_else(|| {
            self.wrong.push(("listen-ports".to_owned(), text));
            Vec::new()
        })
    }
}
