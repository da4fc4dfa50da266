//! Permissions that a call needs, with the condition keys that it brings.

use serde_json::{Value, json};

use crate::{
    call::{Args, Service},
    ec2,
    world::World,
};

/// Condition keys, in lower case, with their values.
pub(super) type Context = Vec<(String, Vec<String>)>;

/// Tags by key.
pub(super) type Tags = Vec<(String, String)>;

/// One permission: an action on a resource.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) context: Context,
}

/// Collects what a call needs.
pub(super) struct Asker<'a> {
    pub(super) world: &'a mut World,
    pub(super) args: Args,
    /// Keys that every request has ("AWS global condition context keys").
    global: Context,
    needs: Vec<Need>,
    /// Something that the call names does not exist: the service says so, whoever asks (assumption).
    unknown: bool,
}

impl<'a> Asker<'a> {
    pub(super) fn new(world: &'a mut World, args: &Args, via: Option<&str>) -> Self {
        let region = vec![world.region.clone()];
        let mut global = vec![
            ("aws:requestedregion".to_owned(), region.clone()),
            ("ec2:region".to_owned(), region),
            ("aws:principalaccount".to_owned(), vec![world.account.clone()]),
            ("aws:securetransport".to_owned(), vec!["true".to_owned()]),
        ];
        if let Some(via) = via {
            let keys = ["aws:calledvia", "aws:calledviafirst", "aws:calledvialast"];
            global.extend(keys.map(|key| (key.to_owned(), vec![via.to_owned()])));
        }
        Self { world, args: args.clone(), global, needs: Vec::new(), unknown: false }
    }

    pub(super) fn into_needs(self) -> Vec<Need> {
        if self.unknown { Vec::new() } else { self.needs }
    }

    /// `arn:aws:ec2:us-east-1:123456789012:vpc/*`
    pub(super) fn arn(&self, service: &str, rest: impl AsRef<str>) -> String {
        let World { region, account, .. } = &*self.world;
        let region = if service == "iam" { "" } else { region };
        format!("arn:aws:{service}:{region}:{account}:{}", rest.as_ref())
    }

    /// Needs `action` on `resource`, with these keys beside the global ones.
    pub(super) fn need(&mut self, action: &str, resource: impl Into<String>, keys: Context) {
        let context = self.global.iter().cloned().chain(keys).collect();
        self.needs.push(Need { action: action.to_owned(), resource: resource.into(), context });
    }

    /// Needs an action that knows no resources.
    pub(super) fn plain(&mut self, action: &str) {
        self.need(action, "*", Vec::new());
    }

    /// What is named does not exist.
    pub(super) fn not_there(&mut self) {
        self.unknown = true;
    }

    /// Text of a parameter, or nothing.
    pub(super) fn text(&self, name: &str) -> String {
        self.args.str(name).unwrap_or_default().to_owned()
    }

    /// What a service tells of something that exists.
    pub(super) fn ask(&mut self, service: Service, action: &str, args: Value) -> Value {
        let caller = self.world.service_caller("authorization");
        self.world.call(service, action, args, &caller).unwrap_or_default()
    }

    /// Tags of an EC2 resource, if it exists.
    pub(super) fn ec2_tags(&self, id: &str) -> Option<Tags> {
        ec2::tags_of(self.world, id)
    }

    /// IAM actions that make a service act under a role: `iam:PassRole` with the service.
    pub(super) fn pass_role(&mut self, role_arn: &str, service: &str) {
        let keys = vec![("iam:passedtoservice".to_owned(), vec![service.to_owned()])];
        self.need("iam:PassRole", role_arn, keys);
    }

    /// The service's own role is made with its first use, by the caller's permission (IAM user guide, "Create a service-linked role").
    pub(super) fn service_linked(&mut self, service: &str, name: &str) {
        let there = self.ask(Service::Iam, "GetRole", json!({"RoleName": name})).get("Role").is_some();
        if !there {
            let resource = self.arn("iam", format!("role/aws-service-role/{service}/{name}"));
            self.need("iam:CreateServiceLinkedRole", resource, vec![("iam:awsservicename".to_owned(), vec![service.to_owned()])]);
        }
    }
}

/// Keys that a request's tags bring.
pub(super) fn request_tags(tags: &[(String, String)]) -> Context {
    if tags.is_empty() {
        return Vec::new();
    }
    let each = tags.iter().map(|(key, value)| (format!("aws:requesttag/{}", key.to_lowercase()), vec![value.clone()]));
    each.chain([("aws:tagkeys".to_owned(), tags.iter().map(|(key, _)| key.clone()).collect())]).collect()
}

/// Keys that the tags of what exists bring; `service` has a key of its own beside the global one.
pub(super) fn resource_tags(service: &str, tags: &[(String, String)]) -> Context {
    let both = |(key, value): &(String, String)| {
        let key = key.to_lowercase();
        [format!("aws:resourcetag/{key}"), format!("{service}:resourcetag/{key}")].map(|key| (key, vec![value.clone()]))
    };
    tags.iter().flat_map(both).collect()
}

/// `[{"Key": …, "Value": …}]`
pub(super) fn listed(tags: &[Value]) -> Tags {
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    tags.iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// `{"key": "value"}`
pub(super) fn mapped(tags: &Value) -> Tags {
    let each = tags.as_object().into_iter().flatten();
    each.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}
