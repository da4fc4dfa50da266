//! One look at a group: what decides most is asked first, the rest takes turns.

use std::{collections::BTreeMap, time::SystemTime};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use aws_sdk_ec2::types::Filter;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use eks_core::{Class, Error, aws::failed};

use super::{
    super::{
        diagnosis::SETTLED,
        evidence::{EntryEvidence, Evidence, InstanceEvidence, ProfileEvidence},
    },
    CALLS, Diagnostician, Group, convert,
};

/// How many calls [`Look::always`] makes at most after those of the launch templates.
const ALWAYS: usize = 6;

/// A look under way.
pub(super) struct Look<'a> {
    pub(super) by: &'a Diagnostician,
    pub(super) group: Group<'a>,
    pub(super) left: usize,
    pub(super) now: SystemTime,
    /// The account of the instances.
    owner: Option<String>,
    /// Whether the VPC is another account's, which shares its subnets and shows little else.
    pub(super) shared: bool,
    pub(super) seen: Evidence,
    /// What the look before saw.
    pub(super) last: Evidence,
}

/// Whether a group has fewer instances in service than it should.
fn lacks(group: &AutoScalingGroup) -> bool {
    let in_service = |state: &LifecycleState| *state == LifecycleState::InService;
    let there = group.instances().iter().filter(|instance| instance.lifecycle_state().is_some_and(in_service)).count();
    i32::try_from(there).is_ok_and(|there| there < group.desired_capacity().unwrap_or_default())
}

pub(super) fn filter(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}

impl Diagnostician {
    /// `again`: the turns are those of the look that suspected something, to see what it saw once more.
    pub(super) async fn look(&self, group: Group<'_>, again: bool) -> Evidence {
        let now = self.now();
        let (last, turn) = self.notes(group.stack, |notes| {
            notes.refresh(now);
            if !again {
                notes.began = notes.turn;
            }
            (std::mem::take(&mut notes.last), notes.began)
        });
        let mut look = Look { by: self, group, left: CALLS, now, owner: None, shared: false, seen: Evidence::default(), last };
        look.told_by_kubernetes();
        let groups = look.groups().await;
        if !groups.is_empty() && look.instances(&groups).await && !group.only_launch {
            look.always(&groups).await;
            let next = look.turns(turn).await;
            if !again {
                self.notes(group.stack, |notes| notes.turn = next);
            }
        }
        let seen = look.seen;
        let at = self.now();
        self.notes(group.stack, |notes| (notes.last, notes.at) = (seen.clone(), Some(at)));
        seen
    }
}

impl Look<'_> {
    fn told_by_kubernetes(&mut self) {
        let Some(awaited) = self.group.awaited else { return };
        self.seen.nodes.clone_from(&awaited.nodes);
        self.seen.aws_auth.clone_from(&awaited.aws_auth);
        self.seen.daemon_sets.clone_from(&awaited.daemon_sets);
    }

    /// Whether there is a call left; it is used.
    pub(super) fn may_call(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }

    /// The answer, or a note of why there is none.
    pub(super) fn noted<T>(&mut self, call: &str, answer: Result<T, Error>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                let why = error.code().map_or_else(|| error.chain(), str::to_owned);
                self.seen.could_not_look(call, &why);
                None
            }
        }
    }

    /// The stack's Auto Scaling groups with their last activities. CloudFormation marks them with the stack's name.
    async fn groups(&mut self) -> Vec<AutoScalingGroup> {
        const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";
        const ACTIVITIES: &str = "autoscaling:DescribeScalingActivities";
        self.may_call();
        let mark = aws_sdk_autoscaling::types::Filter::builder().name("tag:aws:cloudformation:stack-name").values(self.group.stack).build();
        let answer = self.by.scaling.describe_auto_scaling_groups().filters(mark).send().await;
        let answer = answer.map_err(|error| failed(GROUPS, self.group.stack, error));
        let mut groups = self.noted(GROUPS, answer).map(|answer| answer.auto_scaling_groups.unwrap_or_default()).unwrap_or_default();
        groups.sort_by_key(|group| !lacks(group));
        // A group in each zone: those that lack instances matter, and three of them tell enough.
        for group in groups.iter().take(3) {
            let name = group.auto_scaling_group_name().unwrap_or_default();
            self.may_call();
            let answer = self.by.scaling.describe_scaling_activities().auto_scaling_group_name(name).max_records(50).send().await;
            let answer = answer.map_err(|error| failed(ACTIVITIES, name, error));
            let activities = self.noted(ACTIVITIES, answer).and_then(|answer| answer.activities).unwrap_or_default();
            self.seen.groups.push(convert::group(group, &activities, self.now));
        }
        groups
    }

    /// The instances of the groups, those that ended included. Whether one of them deserves a closer look.
    async fn instances(&mut self, groups: &[AutoScalingGroup]) -> bool {
        const CALL: &str = "ec2:DescribeInstances";
        let names = groups.iter().filter_map(|group| group.auto_scaling_group_name()).map(str::to_owned);
        self.may_call();
        let answer = self.by.ec2.describe_instances().filters(filter("tag:aws:autoscaling:groupName", names)).send().await;
        let answer = answer.map_err(|error| failed(CALL, self.group.stack, error));
        let found = self.noted(CALL, answer).and_then(|answer| answer.reservations).unwrap_or_default();
        self.owner = found.iter().find_map(|reservation| reservation.owner_id()).map(str::to_owned);
        let found = found.iter().flat_map(|reservation| reservation.instances());
        self.seen.instances = found.map(|instance| convert::instance(instance, self.now)).collect();
        self.suspect().is_some()
    }

    /// An instance that runs and is no Ready node.
    pub(super) fn suspect(&self) -> Option<&InstanceEvidence> {
        let ready = |instance: &InstanceEvidence| {
            let nodes = self.seen.nodes.iter().flatten();
            nodes.into_iter().any(|node| node.instance.as_deref() == Some(&instance.id) && node.ready && node.labelled)
        };
        self.seen.instances.iter().find(|instance| instance.state == "running" && instance.age >= SETTLED && !ready(instance))
    }

    /// What nearly every cause shows in, and what never changes.
    async fn always(&mut self, groups: &[AutoScalingGroup]) {
        self.templates(groups).await;
        self.cluster().await;
        self.profile().await;
        self.entry().await;
        self.routes().await;
        self.security_groups().await;
        self.console().await;
    }

    /// What the launch template told the instances: image and user data.
    async fn templates(&mut self, groups: &[AutoScalingGroup]) {
        const VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";
        const IMAGES: &str = "ec2:DescribeImages";
        let (mut user_data, mut images) = self.by.notes(self.group.stack, |notes| (notes.user_data.clone(), notes.images.clone()));
        let mut versions = BTreeMap::new();
        for member in groups.iter().flat_map(|group| group.instances()) {
            let template = member.launch_template();
            let version = template.and_then(|template| Some((template.launch_template_id()?.to_owned(), template.version()?.to_owned())));
            versions.extend(member.instance_id().map(str::to_owned).zip(version));
        }
        for index in 0..self.seen.instances.len() {
            let id = self.seen.instances[index].id.clone();
            let Some(version) = versions.get(&id) else { continue };
            if !user_data.contains_key(version) && self.left > ALWAYS && self.may_call() {
                let asked =
                    self.by.ec2.describe_launch_template_versions().launch_template_id(&version.0).versions(&version.1).send().await;
                let answer = self.noted(VERSIONS, asked.map_err(|error| failed(VERSIONS, &version.0, error)));
                let data = answer.and_then(|answer| answer.launch_template_versions?.into_iter().next()?.launch_template_data);
                let text = data.and_then(|data| STANDARD.decode(data.user_data.unwrap_or_default()).ok());
                user_data.extend(text.map(|bytes| (version.clone(), String::from_utf8_lossy(&bytes).into_owned())));
            }
            self.seen.instances[index].user_data = user_data.get(version).cloned();
        }
        for index in 0..self.seen.instances.len() {
            let image = self.seen.instances[index].image.clone().unwrap_or_default();
            if !image.is_empty() && !images.contains_key(&image) && self.left > ALWAYS && self.may_call() {
                let asked = self.by.ec2.describe_images().image_ids(&image).send().await;
                let answer = self.noted(IMAGES, asked.map_err(|error| failed(IMAGES, &image, error)));
                let name = answer.and_then(|answer| answer.images?.into_iter().next()?.name);
                images.extend(name.map(|name| (image.clone(), name)));
            }
            self.seen.instances[index].image = images.get(&image).cloned();
        }
        self.by.notes(self.group.stack, |notes| (notes.user_data, notes.images) = (user_data, images));
    }

    async fn cluster(&mut self) {
        const CALL: &str = "eks:DescribeCluster";
        let Some(name) = self.group.cluster.filter(|_| self.may_call()) else { return };
        let asked = self.by.eks.describe_cluster().name(name.as_str()).send().await;
        match asked.map_err(|error| failed(CALL, name.as_str(), error)) {
            Err(error) if error.class() == Class::NotFound => self.seen.cluster_missing = true,
            answer => self.seen.cluster = self.noted(CALL, answer).and_then(|answer| answer.cluster).as_ref().map(convert::cluster),
        }
    }

    /// The role of the first suspect, once it is known: a profile's role changes seldom.
    async fn profile(&mut self) {
        const CALL: &str = "iam:GetInstanceProfile";
        let Some(arn) = self.suspect().and_then(|suspect| suspect.profile.clone()) else { return };
        if let Some(known) = self.last.profiles.get(&arn).filter(|known| known.role.is_some()) {
            self.seen.profiles.insert(arn, known.clone());
            return;
        }
        if !self.may_call() {
            return;
        }
        let name = arn.rsplit('/').next().unwrap_or_default();
        let asked = self.by.iam.get_instance_profile().instance_profile_name(name).send().await;
        match asked.map_err(|error| failed(CALL, name, error)) {
            Err(error) if error.class() == Class::NotFound => drop(self.seen.profiles.insert(arn, ProfileEvidence::default())),
            answer => {
                let found = self.noted(CALL, answer).and_then(|answer| answer.instance_profile);
                let role = |profile: aws_sdk_iam::types::InstanceProfile| profile.roles().first().map(|role| role.arn().to_owned());
                self.seen
                    .profiles
                    .extend(found.map(|profile| (arn, ProfileEvidence { role: role(profile), ..ProfileEvidence::default() })));
            }
        }
    }

    async fn entry(&mut self) {
        const CALL: &str = "eks:DescribeAccessEntry";
        let Some(cluster) = self.seen.cluster.as_ref().filter(|cluster| cluster.authentication != "CONFIG_MAP") else { return };
        let name = cluster.name.clone();
        let Some(role) = self.seen.profiles.values().find_map(|profile| profile.role.clone()) else { return };
        if !self.may_call() {
            return;
        }
        let asked = self.by.eks.describe_access_entry().cluster_name(name).principal_arn(&role).send().await;
        match asked.map_err(|error| failed(CALL, &role, error)) {
            Err(error) if error.class() == Class::NotFound => drop(self.seen.entries.insert(role, None)),
            answer => {
                let entry = self.noted(CALL, answer).and_then(|answer| answer.access_entry);
                let entry = entry.map(|entry| EntryEvidence {
                    kind: entry.r#type.unwrap_or_default(),
                    username: entry.username.unwrap_or_default(),
                    groups: entry.kubernetes_groups.unwrap_or_default(),
                });
                self.seen.entries.extend(entry.map(|entry| (role, Some(entry))));
            }
        }
    }

    async fn routes(&mut self) {
        const CALL: &str = "ec2:DescribeRouteTables";
        let Some(vpc) = self.vpc().filter(|_| self.may_call()) else { return };
        let asked = self.by.ec2.describe_route_tables().filters(filter("vpc-id", [vpc.clone()])).send().await;
        let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, &vpc, error))) else { return };
        let owner = self.owner.as_deref();
        self.shared =
            answer.route_tables().iter().filter_map(|table| table.owner_id()).any(|other| owner.is_some_and(|owner| owner != other));
        for instance in &self.seen.instances {
            let route = convert::route(answer.route_tables(), &instance.subnet);
            self.seen.routes.extend(route.map(|route| (instance.subnet.clone(), route)));
        }
    }

    pub(super) fn vpc(&self) -> Option<String> {
        self.suspect().map(|suspect| suspect.vpc.clone()).filter(|vpc| !vpc.is_empty())
    }

    /// Those of the suspects, of the control plane, and of endpoints that the last look saw.
    async fn security_groups(&mut self) {
        const CALL: &str = "ec2:DescribeSecurityGroups";
        let Some(suspect) = self.suspect() else { return };
        let plane = self.seen.cluster.iter().flat_map(|cluster| cluster.security_groups.iter());
        let endpoints = self.last.endpoints.iter().flatten().flat_map(|endpoint| endpoint.security_groups.iter());
        let ids: Vec<String> = suspect.security_groups.iter().chain(plane).chain(endpoints).cloned().collect();
        if ids.is_empty() || !self.may_call() {
            return;
        }
        let asked = self.by.ec2.describe_security_groups().filters(filter("group-id", ids)).send().await;
        let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, self.group.stack, error))) else { return };
        let found = answer.security_groups().iter();
        self.seen.security_groups =
            found.filter_map(|group| Some((group.group_id()?.to_owned(), convert::security_group(group)))).collect();
    }

    /// The console of the first suspect.
    async fn console(&mut self) {
        const CALL: &str = "ec2:GetConsoleOutput";
        let joined = |id: &str| self.seen.nodes.iter().flatten().any(|node| node.instance.as_deref() == Some(id));
        let Some(id) = self.suspect().map(|suspect| suspect.id.clone()).filter(|id| !joined(id)) else { return };
        if !self.may_call() {
            return;
        }
        let asked = self.by.ec2.get_console_output().instance_id(&id).latest(true).send().await;
        let Some(answer) = self.noted(CALL, asked.map_err(|error| failed(CALL, &id, error))) else { return };
        let text = STANDARD.decode(answer.output().unwrap_or_default()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Some(instance) = self.seen.instances.iter_mut().find(|instance| instance.id == id) {
            instance.console = Some(text);
        }
    }
}
