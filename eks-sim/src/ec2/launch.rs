//! RunInstances.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    Reply, State, address, attachment,
    disk::{self, Disk},
    ids, image,
    instance::{self, Instance, InstanceState, Metadata},
    instance_types::{self, InstanceType},
    interface,
    interface_ipv6::Ipv6Wanted,
    invalid, quota, tags, template, trouble, volume, zones,
};
use crate::{
    call::{Args, Caller, Service},
    error::ApiError,
    iam,
    times::Time,
    world::World,
};

/// The kinds that RunInstances tags.
const TAGGED: [&str; 4] = ["instance", "volume", "network-interface", "spot-instances-request"];

/// A launch, checked as a whole before anything is made.
struct Launch {
    count: usize,
    image: String,
    instance_type: &'static InstanceType,
    key_name: Option<String>,
    profile: Option<String>,
    user_data: String,
    metadata: Metadata,
    protected: bool,
    subnet: String,
    zone: String,
    vpc: String,
    groups: Vec<String>,
    /// What the interfaces shall be; without any, one in the subnet.
    interfaces: Vec<Args>,
    public_ip: bool,
    /// The interface of an instance that names none.
    plain: Args,
    disks: Vec<(String, Disk, bool)>,
}

pub(super) fn run(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    if let Some(made) = world.ec2.made_before("RunInstances", args)?.map(<[String]>::to_vec) {
        let told = instance::told(world, &made);
        if told.is_empty() || told.iter().all(|item| item["instanceState"]["name"] == "terminated") {
            let message = format!("The instance(s) launched with this client token have been terminated: {}", made.join(", "));
            return Err(ApiError::new("IdempotentInstanceTerminated", message));
        }
        let id = made.first().and_then(|id| world.ec2.instances.get(id)).map(|found| found.reservation.clone()).unwrap_or_default();
        return Ok(instance::reservation(world, &id, told));
    }
    let mut merged = merge(&world.ec2, args)?;
    resolve_image(world, caller, &mut merged)?;
    let launch = check(world, &merged)?;
    let tags_of = |kind: &str| tags::specified(&merged, caller, kind, &TAGGED);
    let (instance_tags, volume_tags, interface_tags) = (tags_of("instance")?, tags_of("volume")?, tags_of("network-interface")?);
    let reservation = world.id("r");
    let mut made = Vec::new();
    for index in 0..launch.count {
        let id = world.id(ids::INSTANCE.prefix);
        let primary = connect(world, &id, &launch, &interface_tags)?;
        let launched = world.timestamp();
        let found = &world.ec2.interfaces[&primary];
        let instance = Instance {
            reservation: reservation.clone(),
            index,
            state: InstanceState::Pending,
            image: launch.image.clone(),
            instance_type: launch.instance_type.name.to_owned(),
            key_name: launch.key_name.clone(),
            profile: launch.profile.clone(),
            user_data: launch.user_data.clone(),
            metadata: launch.metadata.clone(),
            protected: launch.protected,
            subnet: launch.subnet.clone(),
            vpc: launch.vpc.clone(),
            zone: launch.zone.clone(),
            private_ip: found.private_ip(),
            groups: found.groups.clone(),
            public: launch.public_ip,
            launched,
            client_token: args.str("ClientToken").map(str::to_owned),
            reason: None,
        };
        world.ec2.instances.insert(id.clone(), instance);
        world.ec2.tag(&id, instance_tags.clone());
        for (device, disk, delete) in &launch.disks {
            volume::make_attached(world, disk.clone(), &launch.zone, &id, device, *delete, volume_tags.clone());
        }
        let event = id.clone();
        world.take(Time::InstanceLaunch, &id, move |world| instance::start(world, &event));
        made.push(id);
    }
    world.ec2.remember("RunInstances", args, made.clone());
    let told = instance::told(world, &made);
    Ok(instance::reservation(world, &reservation, told))
}

/// The call's parameters over its launch template's ("Launch instances from a launch template": the call's win, tags are
/// put together).
fn merge(state: &State, args: &Args) -> Result<Args, ApiError> {
    if args.get("LaunchTemplate").is_none() {
        return Ok(args.clone());
    }
    let data = template::resolve(state, &args.sub("LaunchTemplate"))?;
    let mut merged = data.as_object().cloned().unwrap_or_default();
    for (name, value) in args.0.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match (name.as_str(), merged.get_mut(name)) {
            ("TagSpecification", Some(present)) => *present = merge_tags(present, value),
            _ => {
                merged.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(Args(Value::Object(merged)))
}

/// `resolve:ssm:name` stands for the image that a parameter names (RunInstances, "Use a Systems Manager parameter instead of an AMI
/// ID"). The code for a parameter that does not exist is an assumption.
fn resolve_image(world: &mut World, caller: &Caller, args: &mut Args) -> Result<(), ApiError> {
    let Some(name) = args.str("ImageId").and_then(|image| image.strip_prefix("resolve:ssm:")).map(str::to_owned) else { return Ok(()) };
    let reply = world.call(Service::Ssm, "GetParameter", json!({"Name": name}), caller).unwrap_or_default();
    let image = reply.pointer("/Parameter/Value").and_then(Value::as_str);
    let image = image.ok_or_else(|| invalid(format!("The parameter {name} does not exist or does not name an image.")))?;
    args.0["ImageId"] = json!(image);
    Ok(())
}

fn merge_tags(template: &Value, call: &Value) -> Value {
    let mut by_kind: Map<String, Value> = Map::new();
    for specification in [template, call].into_iter().flat_map(|list| list.as_array().into_iter().flatten()) {
        let kind = specification["ResourceType"].as_str().unwrap_or_default();
        let tags = by_kind.entry(kind).or_insert_with(|| json!({}));
        for tag in specification["Tag"].as_array().into_iter().flatten() {
            tags[tag["Key"].as_str().unwrap_or_default()] = tag["Value"].clone();
        }
    }
    let list = by_kind.into_iter().map(|(kind, tags)| {
        let tags: Vec<_> = tags.as_object().into_iter().flatten().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        json!({"ResourceType": kind, "Tag": tags})
    });
    list.collect()
}

fn check(world: &World, args: &Args) -> Result<Launch, ApiError> {
    let state = &world.ec2;
    let count = |name: &str| args.int(name).ok_or_else(|| ApiError::missing(name));
    let (least, most) = (count("MinCount")?, count("MaxCount")?);
    if least < 1 || most < least {
        return Err(invalid(format!("Value ({most}) for parameter maxCount is invalid. Expecting a value of at least {}.", least.max(1))));
    }
    let image = args.required("ImageId")?.to_owned();
    image::check(&image)?;
    // The API's own default is a type that this table does not have, so a type must be given.
    let type_name = args.required("InstanceType")?;
    let instance_type = instance_types::find(type_name).ok_or_else(|| invalid(format!("Invalid value '{type_name}' for InstanceType.")))?;
    let known = image::known(world, &image);
    if let Some(other) = known.as_ref().map(|known| known.architecture).filter(|other| *other != instance_type.architecture) {
        return Err(invalid(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{other}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
            instance_type.architecture
        )));
    }
    let key_name = args.str("KeyName").map(str::to_owned);
    if let Some(name) = &key_name {
        state.check_key(name)?;
    }
    let profile = profile(world, &args.sub("IamInstanceProfile"))?;
    let user_data = args.str("UserData").unwrap_or_default().to_owned();
    check_user_data(&user_data)?;

    let mut interfaces = args.nested("NetworkInterface");
    interfaces.sort_by_key(|interface| interface.int("DeviceIndex").unwrap_or(0));
    if !interfaces.is_empty() {
        let clash = |what: &str| {
            let message = format!("Network interfaces and an instance-level {what} may not be specified on the same request");
            Err(ApiError::new("InvalidParameterCombination", message))
        };
        // A subnet beside a template's interfaces is what Auto Scaling gives; it goes to the interfaces without one.
        if args.str("SubnetId").is_some() && interfaces.iter().any(|interface| interface.str("SubnetId").is_some()) {
            return clash("subnet ID");
        }
        if !args.list("SecurityGroupId").is_empty() {
            return clash("security groups");
        }
        if args.str("PrivateIpAddress").is_some() {
            return clash("private address");
        }
    } else if let Some(address) = args.str("PrivateIpAddress") {
        if most > 1 {
            let message = "The parameter privateIpAddress cannot be used when more than one instance is launched";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        interfaces.push(Args(json!({"DeviceIndex": 0, "PrivateIpAddress": address})));
    }
    let primary = interfaces.first().cloned().unwrap_or_default();
    let subnet = match primary.str("NetworkInterfaceId") {
        Some(id) => {
            let found = ids::NETWORK_INTERFACE.find(&state.interfaces, id)?;
            if found.attachment.is_some() {
                return Err(ApiError::new("InvalidNetworkInterface.InUse", format!("Interface: {id} in use.")));
            }
            found.subnet.clone()
        }
        None => match primary.str("SubnetId").or(args.str("SubnetId")) {
            Some(id) => id.to_owned(),
            None => default_subnet(state, args.sub("Placement").str("AvailabilityZone"))?,
        },
    };
    let found = ids::SUBNET.find(&state.subnets, &subnet)?;
    let (zone, vpc) = (found.zone.clone(), found.vpc.clone());
    if args.sub("Placement").str("AvailabilityZone").is_some_and(|wanted| wanted != zone) {
        return Err(invalid(format!("The availability zone of subnet {subnet} is {zone}")));
    }
    if !instance_types::is_offered(instance_type, &zones::id_of(&world.region, &zone)) {
        let message = format!("Your requested instance type ({type_name}) is not supported in your requested Availability Zone ({zone}).");
        return Err(ApiError::new("Unsupported", message));
    }
    let mut groups = args.strings("SecurityGroupId");
    for name in args.strings("SecurityGroup") {
        let by_name = state.security_groups.iter().find(|(_, group)| group.vpc == vpc && group.name == name);
        let message = || format!("The security group '{name}' does not exist in VPC '{vpc}'");
        groups.push(by_name.map(|(id, _)| id.clone()).ok_or_else(|| ApiError::new("InvalidGroup.NotFound", message()))?);
    }
    for given in interfaces.iter().map(|interface| interface.strings("SecurityGroupId")).chain([groups.clone()]) {
        state.groups_for(&given, &subnet, &vpc)?;
    }
    let wanted = usize::try_from(most).unwrap_or(1);
    let free = state.free_in(&subnet);
    if free < usize::try_from(least).unwrap_or(1) {
        let message = format!("There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances.");
        return Err(ApiError::new("InsufficientFreeAddressesInSubnet", message));
    }
    let count = wanted.min(free);
    check_vcpus(state, instance_type, count)?;
    trouble::check_capacity(state, type_name, &zone)?;
    let public_ip = primary.bool("AssociatePublicIpAddress").unwrap_or(found.map_public_ip);
    Ok(Launch {
        count,
        disks: disks(world, &image, args)?,
        image,
        instance_type,
        key_name,
        profile,
        user_data,
        metadata: metadata(&args.sub("MetadataOptions"), known.is_none_or(|known| known.imds_v2))?,
        protected: args.bool("DisableApiTermination") == Some(true),
        subnet,
        zone,
        vpc,
        groups,
        interfaces,
        public_ip,
        plain: Args(json!({"Ipv6AddressCount": args.get("Ipv6AddressCount"), "Ipv6Addresses": args.get("Ipv6Address")})),
    })
}

/// The instance profile by ARN. Services see a new one only after a while, and say then that it is invalid ("Troubleshoot IAM":
/// changes are not always immediately visible).
fn profile(world: &World, given: &Args) -> Result<Option<String>, ApiError> {
    let (text, member, what) = match (given.str("Arn"), given.str("Name")) {
        (Some(arn), _) => (arn, "arn", "ARN"),
        (None, Some(name)) => (name, "name", "name"),
        (None, None) => return Ok(None),
    };
    if iam::profile_role(world, text).is_none() {
        return Err(invalid(format!(
            "Value ({text}) for parameter iamInstanceProfile.{member} is invalid. Invalid IAM Instance Profile {what}"
        )));
    }
    let is_arn = text.starts_with("arn:");
    Ok(Some(if is_arn { text.to_owned() } else { format!("arn:aws:iam::{}:instance-profile/{text}", world.account) }))
}

/// User data is base64 of at most 16 KB ("Work with instance user data").
pub(super) fn check_user_data(text: &str) -> Result<(), ApiError> {
    let decoded = STANDARD.decode(text).map_err(|_| invalid("Invalid BASE64 encoding of user data."))?;
    if decoded.len() > 16_384 {
        return Err(invalid("User data is limited to 16384 bytes"));
    }
    Ok(())
}

/// What a call leaves open is as the image has it: IMDSv2 only and two hops, or EC2's old defaults ("Order of precedence for
/// instance metadata options").
fn metadata(options: &Args, v2: bool) -> Result<Metadata, ApiError> {
    let (tokens, hop_limit) = if v2 { ("required", 2) } else { ("optional", 1) };
    let one_of = |name: &str, values: [&str; 2], default: &str| {
        let value = options.str(name).unwrap_or(default);
        let refused = || invalid(format!("Value ({value}) for parameter {name} is invalid. Valid values: {}", values.join(", ")));
        if values.contains(&value) { Ok(value.to_owned()) } else { Err(refused()) }
    };
    let hop_limit = options.int("HttpPutResponseHopLimit").unwrap_or(hop_limit);
    // InstanceMetadataOptionsRequest.
    if !(1..=64).contains(&hop_limit) {
        return Err(invalid(format!("Value ({hop_limit}) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64")));
    }
    Ok(Metadata {
        tokens: one_of("HttpTokens", ["optional", "required"], tokens)?,
        hop_limit,
        endpoint: one_of("HttpEndpoint", ["enabled", "disabled"], "enabled")?,
    })
}

fn default_subnet(state: &State, zone: Option<&str>) -> Result<String, ApiError> {
    let mut subnets = state.subnets.iter().filter(|(_, subnet)| subnet.default_for_zone);
    let found = subnets.find(|(_, subnet)| zone.is_none_or(|zone| subnet.zone == zone)).map(|(id, _)| id.clone());
    found.ok_or_else(|| ApiError::new("MissingInput", "No subnets found for the default VPC. Please specify a subnet."))
}

pub(super) fn check_vcpus(state: &State, wanted: &InstanceType, count: usize) -> Result<(), ApiError> {
    let counts = |instance: &&Instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running);
    let vcpus = |instance: &Instance| instance_types::find(&instance.instance_type).map_or(0, |found| found.vcpus);
    let used: usize = state.instances.values().filter(counts).map(vcpus).sum();
    let quota = state.standard_vcpus.unwrap_or(quota::STANDARD_VCPUS);
    let message = format!(
        "You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
    );
    quota::within(used + wanted.vcpus * count, quota + 1, "VcpuLimitExceeded", &message)
}

/// The volumes of an instance: the image's root volume, changed and joined by what the call maps.
fn disks(world: &World, image: &str, args: &Args) -> Result<Vec<(String, Disk, bool)>, ApiError> {
    let root = Disk::of_snapshot("gp3", image::root_gib(world, image), image::snapshot(image));
    let mut disks = vec![(image::ROOT_DEVICE.to_owned(), root, true)];
    for mapping in args.nested("BlockDeviceMapping") {
        let device = mapping.required("DeviceName")?;
        let ebs = mapping.sub("Ebs");
        let present = disks.iter().position(|(name, _, _)| name == device);
        if mapping.get("NoDevice").is_some() {
            disks.retain(|(name, _, _)| name != device);
            continue;
        }
        let base = present.map(|index| disks[index].clone());
        let (_, from_image, delete) = base.clone().unwrap_or_else(|| (device.to_owned(), Disk::of_type("gp2"), false));
        let disk = disk::parse(&ebs, "VolumeSize", Some(&from_image))?;
        if base.is_some() && disk.size < from_image.size {
            let snapshot = from_image.snapshot.as_deref().unwrap_or_default();
            let message =
                format!("Volume of size {}GB is smaller than snapshot '{snapshot}', expect size >= {}GB", disk.size, from_image.size);
            return Err(ApiError::new("InvalidBlockDeviceMapping", message));
        }
        let entry = (device.to_owned(), disk, ebs.bool("DeleteOnTermination").unwrap_or(delete));
        match present {
            Some(index) => disks[index] = entry,
            None => disks.push(entry),
        }
    }
    Ok(disks)
}

/// Makes and attaches an instance's interfaces; tells the primary one.
fn connect(world: &mut World, id: &str, launch: &Launch, tags: &tags::Tags) -> Result<String, ApiError> {
    let plain = [launch.plain.clone()];
    let specifications = if launch.interfaces.is_empty() { &plain[..] } else { &launch.interfaces[..] };
    let mut primary = String::new();
    for (index, specification) in specifications.iter().enumerate() {
        let interface = match specification.str("NetworkInterfaceId") {
            Some(existing) => existing.to_owned(),
            None => {
                let given = specification.strings("SecurityGroupId");
                let wanted = interface::Wanted {
                    subnet: specification.str("SubnetId").unwrap_or(&launch.subnet).to_owned(),
                    address: interface::parse_address(specification.str("PrivateIpAddress"))?,
                    ipv6: Ipv6Wanted::parse(specification, "Ipv6Addresses")?,
                    groups: if given.is_empty() { launch.groups.clone() } else { given },
                    description: specification.str("Description").unwrap_or_default().to_owned(),
                    tags: tags.clone(),
                    ..interface::Wanted::default()
                };
                interface::make(world, wanted)?
            }
        };
        let existing = specification.str("NetworkInterfaceId").is_some();
        let delete = specification.bool("DeleteOnTermination").unwrap_or(!existing);
        let device = specification.int("DeviceIndex").unwrap_or(0);
        attachment::attach_to(world, &interface, Some(id), device, delete);
        if index == 0 {
            if launch.public_ip && world.ec2.attached_gateway(&launch.vpc).is_some() {
                let ip = address::from_pool(world);
                ids::NETWORK_INTERFACE.find_mut(&mut world.ec2.interfaces, &interface)?.public_ip = Some(ip);
            }
            primary = interface;
        }
    }
    Ok(primary)
}
