//! Resource types: how each is made, changed and deleted by calls to its service.

mod autoscaling;
mod ec2;
mod eks;
mod iam;
mod network;
mod schema;

use serde_json::{Map, Value, json};

use super::stack::{Resource, service, stack};
use crate::{
    call::{Args, Service},
    error::ApiError,
    world::World,
};
use schema::Schema;

/// What a resource is to become.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) kind: String,
    pub(super) logical: String,
    stack_name: String,
    /// The stack's tags and CloudFormation's own; a resource's own tags come on top.
    tags: Vec<(String, String)>,
    props: Args,
}

/// A resource that was made.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
}

/// How far a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    /// Not there yet, and what it last said.
    Pending(Option<String>),
}

/// How a change is carried out.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// With these attributes changed.
    InPlace(Map<String, Value>),
    Replace,
}

/// Why a resource could not be made, changed or deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    pub(super) message: String,
    code: String,
    status: u16,
    said: String,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, ..Self::default() }
    }
}

impl Failure {
    /// Goes away by itself: throttling, a fault of the service, or eventual consistency of IAM (see the API references of
    /// RunInstances and CreateAutoScalingGroup, and IAM's "Changes that I make are not always immediately visible"). That a new role of the
    /// same stack may get an access entry is an assumption: Amazon's node group template rests on it.
    pub(super) fn is_transient(&self) -> bool {
        let said = self.said.to_ascii_lowercase();
        self.status >= 500
            || matches!(
                self.code.as_str(),
                "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "ResourcePropagationDelayException"
            )
            || said.contains("iaminstanceprofile")
            || said.contains("invalid iam instance profile")
            || said.contains("invalid principal")
    }

    /// Something else still uses the resource.
    pub(super) fn is_dependency(&self) -> bool {
        matches!(self.code.as_str(), "DependencyViolation" | "ScalingActivityInProgress" | "ResourceInUse" | "InvalidIPAddress.InUse")
    }

    fn is_gone(&self) -> bool {
        self.code.contains("NotFound") || self.code == "NoSuchEntity" || (self.code == "ValidationError" && self.said.contains("not found"))
    }
}

pub(super) fn is_known(kind: &str) -> bool {
    Schema::of(kind).is_some()
}

pub(super) fn has_attribute(kind: &str, attribute: &str) -> bool {
    Schema::of(kind).is_some_and(|schema| schema.attributes.contains(&attribute))
}

/// The property paths of a type, whose changes need another resource.
pub(super) fn replaces(kind: &str, old: &Value, new: &Value) -> bool {
    Schema::of(kind).is_some_and(|schema| schema.create_only.iter().any(|name| old.get(name) != new.get(name)))
}

impl Target {
    pub(super) fn of(world: &World, id: &str, logical: &str, properties: &Value) -> Self {
        let stack = stack(world, id);
        let kind = stack
            .and_then(|stack| stack.definition.template.resource(logical)?.get("Type")?.as_str())
            .or_else(|| stack.and_then(|stack| Some(stack.resources.get(logical)?.kind.as_str())));
        Self {
            kind: kind.unwrap_or_default().to_owned(),
            logical: logical.to_owned(),
            stack_name: stack.map(|stack| stack.name.clone()).unwrap_or_default(),
            tags: stack.map(|stack| stack.resource_tags(logical)).unwrap_or_default(),
            props: Args(properties.clone()),
        }
    }

    /// The name given by `property`, or one made of stack, logical id and twelve random characters.
    fn name(&self, world: &mut World, property: &str, longest: usize) -> String {
        if let Some(name) = self.props.str(property) {
            return name.to_owned();
        }
        let random: String = world.draw.hex("cloudformation-name", 12).to_ascii_uppercase();
        // Both parts are cut so that the whole fits (User Guide, "Name type").
        let room = longest - random.len() - 2;
        let logical: String = self.logical.chars().take(room / 2).collect();
        let stack: String = self.stack_name.chars().take(room - logical.len()).collect();
        format!("{stack}-{logical}-{random}")
    }

    /// All tags, as `[{Key, Value}]`.
    fn tags(&self) -> Vec<Value> {
        let own: Vec<_> =
            self.props.nested("Tags").iter().filter_map(|tag| Some((tag.str("Key")?.to_owned(), tag.str("Value")?.to_owned()))).collect();
        let inherited = self.tags.iter().filter(|(key, _)| !own.iter().any(|(mine, _)| mine == key));
        own.iter().chain(inherited).map(|(key, value)| json!({"Key": key, "Value": value})).collect()
    }

    /// EC2's `TagSpecification` of a resource.
    fn tag_specification(&self, kind: &str) -> Value {
        json!([{"ResourceType": kind, "Tag": self.tags()}])
    }

    fn check(&self) -> Result<(), Failure> {
        let Some(schema) = Schema::of(&self.kind) else { return Ok(()) };
        let given = self.props.0.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        if let Some(unknown) = given.into_iter().find(|name| !schema.create_only.contains(name) && !schema.mutable.contains(name)) {
            return Err(Failure::from(format!("Encountered unsupported property {unknown}")));
        }
        match schema.required.iter().find(|name| self.props.get(name).is_none()) {
            Some(missing) => Err(Failure::from(format!("Property {missing} cannot be empty."))),
            None => Ok(()),
        }
    }
}

/// A call to a service, whose refusal is worded as CloudFormation words it.
pub(super) fn call(world: &mut World, target: Service, action: &str, args: Value) -> Result<Value, Failure> {
    let caller = service(world);
    let allowed = crate::authorize::check_for_stack(world, target, action, &args);
    allowed.and_then(|()| world.call(target, action, args, &caller)).map_err(|error| refusal(world, target, &error))
}

fn refusal(world: &mut World, target: Service, error: &ApiError) -> Failure {
    let service = match target {
        Service::AutoScaling => "AmazonAutoScaling",
        Service::Ec2 => "AmazonEC2",
        Service::Eks => "AmazonEKS",
        Service::Iam => "AmazonIdentityManagement",
        Service::CloudFormation | Service::Elb | Service::Ssm | Service::Sts => "AmazonCloudFormation",
    };
    let request = super::stack::uuid(world);
    Failure {
        message: format!(
            "{} (Service: {service}; Status Code: {}; Error Code: {}; Request ID: {request}; Proxy: null)",
            error.message, error.status, error.code
        ),
        code: error.code.clone(),
        status: error.status,
        said: error.message.clone(),
    }
}

/// The text at `pointer` of a reply.
fn text(reply: &Value, pointer: &str) -> String {
    reply.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn attributes<const N: usize>(pairs: [(&str, String); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// A deletion that was not needed is done.
fn gone(result: Result<Value, Failure>) -> Result<Progress, Failure> {
    match result {
        Ok(_) => Ok(Progress::Done),
        Err(failure) if failure.is_gone() => Ok(Progress::Done),
        Err(failure) => Err(failure),
    }
}

pub(super) fn create(world: &mut World, target: &Target) -> Result<Made, Failure> {
    target.check()?;
    match target.kind.as_str() {
        "AWS::IAM::Role" => iam::create_role(world, target),
        "AWS::IAM::InstanceProfile" => iam::create_profile(world, target),
        "AWS::EC2::SecurityGroup" => ec2::create_group(world, target),
        "AWS::EC2::SecurityGroupIngress" => ec2::create_rule(world, target, "Ingress"),
        "AWS::EC2::SecurityGroupEgress" => ec2::create_rule(world, target, "Egress"),
        "AWS::EC2::LaunchTemplate" => ec2::create_template(world, target),
        "AWS::AutoScaling::AutoScalingGroup" => autoscaling::create_group(world, target),
        "AWS::AutoScaling::LifecycleHook" => autoscaling::create_hook(world, target),
        "AWS::AutoScaling::LaunchConfiguration" => autoscaling::create_configuration(world, target),
        "AWS::EKS::AccessEntry" => eks::create(world, target),
        "AWS::CloudFormation::WaitConditionHandle" => Ok(Made {
            id: format!("https://cloudformation-waitcondition-{}.s3.amazonaws.com/{}", world.region, target.logical),
            attributes: Map::new(),
        }),
        _ => network::create(world, target),
    }
}

/// Whether the resource is usable.
pub(super) fn progress(world: &mut World, resource: &Resource) -> Result<Progress, Failure> {
    let id = resource.physical.as_deref().unwrap_or_default();
    match resource.kind.as_str() {
        "AWS::AutoScaling::AutoScalingGroup" => autoscaling::progress(world, id),
        "AWS::EC2::NatGateway" => network::nat_progress(world, id),
        _ => Ok(Progress::Done),
    }
}

pub(super) fn update(world: &mut World, target: &Target, now: &Resource) -> Result<Change, Failure> {
    target.check()?;
    if replaces(&target.kind, &now.properties, &target.props.0) {
        return Ok(Change::Replace);
    }
    let id = now.physical.clone().unwrap_or_default();
    let old = Args(now.properties.clone());
    match target.kind.as_str() {
        "AWS::IAM::Role" => iam::update_role(world, target, &id, &old),
        "AWS::IAM::InstanceProfile" => iam::update_profile(world, target, &id, &old),
        "AWS::EC2::SecurityGroup" => ec2::update_group(world, target, &id, &old),
        "AWS::EC2::LaunchTemplate" => ec2::update_template(world, target, &id),
        "AWS::AutoScaling::AutoScalingGroup" => autoscaling::update_group(world, target, &id, &old),
        "AWS::AutoScaling::LifecycleHook" => autoscaling::put_hook(world, target, &id).map(|()| Change::InPlace(Map::new())),
        "AWS::EKS::AccessEntry" => eks::update(world, target, &old),
        "AWS::EC2::EIP" => {
            let allocation = text(&Value::Object(now.attributes.clone()), "/AllocationId");
            ec2::update_tags(world, target, &allocation, &old).map(|()| Change::InPlace(Map::new()))
        }
        "AWS::EC2::VPC" | "AWS::EC2::Subnet" => {
            network::set_attributes(world, target, &id)?;
            ec2::update_tags(world, target, &id, &old).map(|()| Change::InPlace(Map::new()))
        }
        _ => ec2::update_tags(world, target, &id, &old).map(|()| Change::InPlace(Map::new())),
    }
}

pub(super) fn delete(world: &mut World, resource: &Resource) -> Result<Progress, Failure> {
    let id = resource.physical.clone().unwrap_or_default();
    let props = Args(resource.properties.clone());
    match resource.kind.as_str() {
        "AWS::IAM::Role" => iam::delete_role(world, &id, &props),
        "AWS::IAM::InstanceProfile" => iam::delete_profile(world, &id, &props),
        "AWS::EC2::SecurityGroup" => gone(call(world, Service::Ec2, "DeleteSecurityGroup", json!({"GroupId": id}))),
        "AWS::EC2::SecurityGroupIngress" => ec2::delete_rule(world, &props, "Ingress"),
        "AWS::EC2::SecurityGroupEgress" => ec2::delete_rule(world, &props, "Egress"),
        "AWS::EC2::LaunchTemplate" => gone(call(world, Service::Ec2, "DeleteLaunchTemplate", json!({"LaunchTemplateId": id}))),
        "AWS::AutoScaling::AutoScalingGroup" => autoscaling::delete_group(world, &id),
        "AWS::AutoScaling::LaunchConfiguration" => {
            gone(call(world, Service::AutoScaling, "DeleteLaunchConfiguration", json!({"LaunchConfigurationName": id})))
        }
        "AWS::AutoScaling::LifecycleHook" => {
            let args = json!({"AutoScalingGroupName": props.str("AutoScalingGroupName"), "LifecycleHookName": id});
            gone(call(world, Service::AutoScaling, "DeleteLifecycleHook", args))
        }
        "AWS::EKS::AccessEntry" => eks::delete(world, &props),
        _ => network::delete(world, &resource.kind, &id, &props, &resource.attributes),
    }
}
