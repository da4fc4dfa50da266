//! From a live Service back to its meaning.

use std::{collections::BTreeMap, str::FromStr};

use eks_core::{KEY_TAG, OWNER_TAG, Problems, SpecError};
use serde_json::Value;

use super::{
    Controller, LoadBalancerKind, PREFIX, Service, Tls,
    annotations::{CROSS_ZONE, DRAINING, IDLE, MAPS, PROXY, SHARED, items, pairs, text_of},
    port,
    settings::Settings,
};

/// kubectl's record of what was applied; no part of a Service's meaning.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Service {
    /// What a live Service of type LoadBalancer asks for. Defaults that the API server and controllers wrote (node ports, finalizers,
    /// status) are left out, and so are our own marks.
    ///
    /// # Errors
    /// [`SpecError`] if it is of another type, of a class of another controller, or has ports or annotations that this type cannot
    /// tell: SCTP, a number that is none.
    pub fn read(live: &Value) -> Result<Self, SpecError> {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = text("/metadata/name").to_owned();
        let subject = format!("service {name}");
        let mut problems = Problems::new();
        if text("/spec/type") != "LoadBalancer" {
            let rule = format!("it is of type {:?}", text("/spec/type"));
            problems.add("type", &subject, rule, "only Services of type LoadBalancer have one");
        }
        let annotations: BTreeMap<String, String> = live
            .pointer("/metadata/annotations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .filter(|(key, _)| key != KEY_TAG && key != LAST_APPLIED)
            .collect();
        let said = |suffix: &str| annotations.get(&format!("{PREFIX}-{suffix}")).map(String::as_str);
        let elsewhere = matches!(said("type"), Some("external" | "nlb-ip"));
        let controller = match text("/spec/loadBalancerClass") {
            "" if elsewhere => Controller::LoadBalancerController,
            "" => Controller::CloudProvider,
            class => {
                let known = [Controller::AutoMode, Controller::LoadBalancerController];
                known.into_iter().find(|controller| controller.service_class() == Some(class)).unwrap_or_else(|| {
                    let rule = format!("class {class} is none of EKS's controllers'");
                    problems.add("controller", &subject, rule, "ask the controller that takes this class");
                    Controller::LoadBalancerController
                })
            }
        };
        let internet_facing = match controller {
            Controller::CloudProvider => matches!(said("internal"), None | Some("" | "false")),
            Controller::AutoMode | Controller::LoadBalancerController => said("scheme") == Some("internet-facing"),
        };
        let kind = (controller == Controller::CloudProvider && said("type") == Some("nlb")).then_some(LoadBalancerKind::Network);
        let selector = live.pointer("/spec/selector").and_then(Value::as_object).into_iter().flatten();
        let ranges = live.pointer("/spec/loadBalancerSourceRanges").and_then(Value::as_array).into_iter().flatten();
        let mut service = Self {
            name,
            controller,
            kind,
            internet_facing,
            ports: port::read(live, said(SHARED) == Some("true"), &subject, &mut problems),
            selector: selector.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
            source_ranges: ranges.filter_map(Value::as_str).map(str::to_owned).collect(),
            settings: Settings::default(),
            annotations: BTreeMap::new(),
            needs: Vec::new(),
        };
        let mut reading = Reading { left: annotations, names: port_names(live), wrong: Vec::new() };
        service.settings = reading.settings(controller);
        if elsewhere && text("/spec/loadBalancerClass").is_empty() {
            reading.left.remove(&format!("{PREFIX}-type"));
        }
        for (suffix, value) in reading.wrong {
            problems.add("annotation", &subject, format!("annotation {PREFIX}-{suffix}: {value:?} cannot be understood"), "correct it");
        }
        let mut derived = super::annotations::all(&service, None);
        // An idle timeout of some listeners alone has no word here.
        let listeners = format!("{PREFIX}-listener-attributes.");
        if derived.keys().any(|key| key.starts_with(&listeners) && !live["metadata"]["annotations"][key].is_string()) {
            let seconds = service.settings.idle_timeout.take().unwrap_or_default();
            let taken = live["metadata"]["annotations"].as_object().into_iter().flatten().filter(|(key, _)| key.starts_with(&listeners));
            reading.left.extend(taken.map(|(key, _)| (key.clone(), format!("{IDLE}={seconds}"))));
            derived = super::annotations::all(&service, None);
        }
        service.annotations = reading.left.into_iter().filter(|(key, value)| derived.get(key) != Some(value)).collect();
        problems.finish(subject, || service)
    }

    /// What the annotations given by hand ask for, where there is a word for it; and those that cannot be understood, by suffix.
    pub(super) fn by_hand(&self) -> (Settings, Vec<(String, String)>) {
        let names =
            self.ports.iter().filter(|port| port.speaks_tcp()).map(|port| (format!("tcp-{}", port.listens), port.listens)).collect();
        let mut reading = Reading { left: self.annotations.clone(), names, wrong: Vec::new() };
        (reading.settings(self.controller), reading.wrong)
    }
}

fn port_names(live: &Value) -> BTreeMap<String, u32> {
    let ports = live.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    ports.filter_map(|port| Some((port["name"].as_str()?.to_owned(), u32::try_from(port["port"].as_u64()?).ok()?))).collect()
}

/// Takes annotations apart: what has a word of its own leaves `left`.
struct Reading {
    left: BTreeMap<String, String>,
    names: BTreeMap<String, u32>,
    wrong: Vec<(String, String)>,
}

impl Reading {
    fn take(&mut self, suffix: &str) -> Option<String> {
        self.left.remove(&format!("{PREFIX}-{suffix}"))
    }

    fn list(&mut self, suffix: &str) -> Vec<String> {
        self.take(suffix).map(|text| items(&text)).unwrap_or_default()
    }

    fn parse<T: FromStr>(&mut self, suffix: &str) -> Option<T> {
        let text = self.take(suffix)?;
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(_) => {
                self.wrong.push((suffix.to_owned(), text));
                None
            }
        }
    }

    /// Takes one pair out of a map, and leaves the others.
    fn pair<T: FromStr>(&mut self, map: &str, key: &str) -> Option<T> {
        let all = format!("{PREFIX}-{map}");
        let mut rest = pairs(self.left.get(&all)?);
        let place = rest.iter().position(|(name, _)| name == key)?;
        let (_, text) = rest.remove(place);
        if rest.is_empty() {
            self.left.remove(&all);
        } else {
            self.left.insert(all, text_of(rest.iter().map(|(key, value)| (key, value))));
        }
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => {
                self.wrong.push((map.to_owned(), format!("{key}={text}")));
                None
            }
        }
    }

    fn settings(&mut self, controller: Controller) -> Settings {
        let mut settings = Settings {
            backend: self.parse("backend-protocol"),
            subnets: self.list("subnets"),
            security_groups: self.list("security-groups"),
            eip_allocations: self.list("eip-allocations"),
            ..Settings::default()
        };
        self.health(&mut settings);
        settings.tls = self.tls();
        for (key, value) in self.take(MAPS[0]).map(|text| pairs(&text)).unwrap_or_default() {
            if key != OWNER_TAG {
                settings.tags.insert(key, value);
            }
        }
        if controller != Controller::AutoMode {
            settings.proxy_protocol = match self.take("proxy-protocol").as_deref() {
                Some("*") => true,
                None => false,
                Some(other) => {
                    self.wrong.push(("proxy-protocol".to_owned(), other.to_owned()));
                    false
                }
            };
        }
        if controller == Controller::CloudProvider {
            settings.extra_security_groups = self.list("extra-security-groups");
            settings.cross_zone = self.parse("cross-zone-load-balancing-enabled");
            settings.idle_timeout = self.parse("connection-idle-timeout");
            // Without a timeout draining takes the 300 s that are its default.
            let drains: Option<bool> = self.parse("connection-draining-enabled");
            let timeout: Option<u32> = self.parse("connection-draining-timeout");
            settings.draining = timeout.or(Some(300)).filter(|_| drains == Some(true));
            return settings;
        }
        settings.target_type = self.parse("nlb-target-type").unwrap_or_default();
        settings.load_balancer_name = self.take("name");
        settings.cross_zone = self.pair(MAPS[1], CROSS_ZONE);
        settings.draining = self.pair(MAPS[2], DRAINING);
        if controller == Controller::AutoMode {
            settings.proxy_protocol = self.pair(MAPS[2], PROXY) == Some(true);
        } else {
            settings.idle_timeout = self.idle();
        }
        settings
    }

    fn health(&mut self, settings: &mut Settings) {
        let health = &mut settings.health;
        health.protocol = self.parse("healthcheck-protocol");
        // `traffic-port` is the default.
        health.port = match self.take("healthcheck-port").as_deref() {
            None | Some("traffic-port") => None,
            Some(text) => text.trim().parse().map_err(|_| self.wrong.push(("healthcheck-port".to_owned(), text.to_owned()))).ok(),
        };
        health.path = self.take("healthcheck-path");
        health.interval = self.parse("healthcheck-interval");
        health.timeout = self.parse("healthcheck-timeout");
        health.healthy = self.parse("healthcheck-healthy-threshold");
        health.unhealthy = self.parse("healthcheck-unhealthy-threshold");
        health.success_codes = self.take("healthcheck-success-codes");
    }

    /// TLS, or what is left of it: ports and a policy without a certificate are told, for they are a mistake.
    fn tls(&mut self) -> Option<Tls> {
        let certificates = self.list("ssl-cert");
        let named = self.take("ssl-ports");
        let policy = self.take("ssl-negotiation-policy");
        let mut ports = Vec::new();
        for item in named.as_deref().filter(|list| *list != "*").map(items).unwrap_or_default() {
            match item.parse().ok().or_else(|| self.names.get(&item).copied()) {
                Some(port) => ports.push(port),
                None => self.wrong.push(("ssl-ports".to_owned(), item)),
            }
        }
        let said = !certificates.is_empty() || !ports.is_empty() || policy.is_some();
        said.then_some(Tls { certificates, ports, policy })
    }

    /// The idle timeout, if all listeners that have one have the same.
    fn idle(&mut self) -> Option<u32> {
        let prefix = format!("{PREFIX}-listener-attributes.TCP-");
        let said: Vec<(String, Option<u32>)> = self
            .left
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, text)| (key.clone(), text.strip_prefix(IDLE).and_then(|rest| rest.strip_prefix('=')?.parse().ok())))
            .collect();
        let (_, first) = said.first()?;
        let same = first.is_some() && said.iter().all(|(_, seconds)| seconds == first);
        if same {
            for (key, _) in &said {
                self.left.remove(key);
            }
            return *first;
        }
        None
    }
}
