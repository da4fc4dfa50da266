//! The account: every service's state, and the events that are still to come.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::Value;

use crate::{
    authorize, autoscaling,
    call::{Args, Caller, Service},
    clock::Clock,
    cloudformation,
    door::Doors,
    draw::Draw,
    ec2, eks, elb,
    error::ApiError,
    fault::FaultPlan,
    iam,
    inventory::Inventory,
    kube,
    ledger::{Ledger, ServiceTime},
    log::CallLog,
    node, ssm, sts,
    throttle::Throttle,
    times::Time,
};

/// Something that is still to come, copied with its world.
trait Event: Send {
    fn happen(self: Box<Self>, world: &mut World);
    fn copy(&self) -> Box<dyn Event>;
}

impl<F: FnOnce(&mut World) + Clone + Send + 'static> Event for F {
    fn happen(self: Box<Self>, world: &mut World) {
        self(world);
    }

    fn copy(&self) -> Box<dyn Event> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Event> {
    fn clone(&self) -> Self {
        (**self).copy()
    }
}

/// One AWS account in one Region, with its clusters. Pure state: it never waits, it is advanced, and it can be copied.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) clock: Clock,
    /// Simulated time, as far as events have been carried out.
    pub(crate) now: Duration,
    pub(crate) draw: Draw,
    /// How many times longer than usual everything takes.
    pub(crate) slowness: f64,
    pub(crate) ledger: Ledger,
    pub(crate) log: CallLog,
    pub(crate) faults: FaultPlan,
    pub(crate) throttle: Throttle,
    /// How many times its default every quota of the Region is that Service Quotas can raise.
    pub(crate) quota_factor: usize,
    /// The client's process is dead: nothing of it reaches us.
    pub(crate) killed: bool,
    /// Grows with each change that a Kubernetes watch may have to tell.
    pub(crate) watch_revision: u64,
    /// Where clusters listen, while the simulator is served.
    pub(crate) doors: Doors,
    events: BTreeMap<(Duration, u64), Box<dyn Event>>,
    event_count: u64,

    pub(crate) authorize: authorize::State,
    pub(crate) autoscaling: autoscaling::State,
    pub(crate) cloudformation: cloudformation::State,
    pub(crate) ec2: ec2::State,
    pub(crate) eks: eks::State,
    pub(crate) elb: elb::State,
    pub(crate) iam: iam::State,
    pub(crate) kube: kube::State,
    pub(crate) node: node::State,
    pub(crate) ssm: ssm::State,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(account: String, region: String, seed: u64, clock: Clock) -> Self {
        let mut world = Self {
            account,
            region,
            clock,
            now: Duration::ZERO,
            draw: Draw::new(seed),
            slowness: 1.0,
            ledger: Ledger::default(),
            log: CallLog::default(),
            faults: FaultPlan::default(),
            throttle: Throttle::default(),
            quota_factor: 1,
            killed: false,
            watch_revision: 0,
            doors: Doors::default(),
            events: BTreeMap::new(),
            event_count: 0,
            authorize: authorize::State::default(),
            autoscaling: autoscaling::State::default(),
            cloudformation: cloudformation::State::default(),
            ec2: ec2::State::default(),
            eks: eks::State::default(),
            elb: elb::State::default(),
            iam: iam::State::default(),
            kube: kube::State::default(),
            node: node::State::default(),
            ssm: ssm::State::default(),
        };
        // What a new account already has: zones, instance types, AWS's managed policies, public SSM parameters.
        ec2::furnish(&mut world);
        iam::furnish(&mut world);
        ssm::furnish(&mut world);
        world
    }

    /// An empty account in `region`, for tests of one service's own logic.
    #[cfg(test)]
    pub(crate) fn for_tests(region: &str) -> Self {
        Self::new("123456789012".to_owned(), region.to_owned(), 1, Clock::new(std::time::SystemTime::now(), 1.0))
    }

    /// Carries out a call of a client or of another service.
    pub(crate) fn call(&mut self, service: Service, action: &str, args: impl Into<Args>, caller: &Caller) -> Result<Value, ApiError> {
        let args = args.into();
        match service {
            Service::AutoScaling => autoscaling::handle(self, caller, action, &args),
            Service::CloudFormation => cloudformation::handle(self, caller, action, &args),
            Service::Ec2 => ec2::handle(self, caller, action, &args),
            Service::Eks => eks::handle(self, caller, action, &args),
            Service::Elb => elb::handle(self, caller, action, &args),
            Service::Iam => iam::handle(self, caller, action, &args),
            Service::Ssm => ssm::handle(self, caller, action, &args),
            Service::Sts => sts::handle(self, caller, action, &args),
        }
    }

    /// The identity under which an AWS service acts in the account, as `eks.amazonaws.com` does.
    pub(crate) fn service_caller(&self, principal: &str) -> Caller {
        Caller { arn: format!("arn:aws:iam::{}:role/aws-service-role/{principal}", self.account), user_id: principal.to_owned() }
    }

    /// Carries out `event` after a delay.
    pub(crate) fn after(&mut self, delay: Duration, event: impl FnOnce(&mut Self) + Clone + Send + 'static) {
        self.event_count += 1;
        self.events.insert((self.now + delay, self.event_count), Box::new(event));
    }

    /// Carries out `event` when `subject` has taken the time that AWS takes for it; writes the ledger.
    pub(crate) fn take(&mut self, time: Time, subject: &str, event: impl FnOnce(&mut Self) + Clone + Send + 'static) -> Duration {
        let took = self.record(time, subject);
        self.after(took, event);
        took
    }

    /// Draws a service time for `subject` and writes the ledger, without an event.
    pub(crate) fn record(&mut self, time: Time, subject: &str) -> Duration {
        let took = self.duration(time);
        self.ledger.record(subject, ServiceTime { kind: format!("{time:?}"), began: self.now, took });
        took
    }

    /// Draws a service time that belongs to no subject.
    pub(crate) fn duration(&mut self, time: Time) -> Duration {
        Duration::from_secs_f64(self.draw.triangular(&format!("{time:?}"), time.seconds()) * self.slowness)
    }

    /// A fresh resource id such as `vpc-0a1b2c3d4e5f60718`.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{}", self.draw.hex(prefix, 16))
    }

    /// When the next event happens.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// Carries out every event up to `to`, in order.
    pub(crate) fn advance(&mut self, to: Duration) {
        while let Some((&(at, number), _)) = self.events.iter().next().filter(|((at, _), _)| *at <= to) {
            self.now = at;
            if let Some(event) = self.events.remove(&(at, number)) {
                event.happen(self);
            }
        }
        self.now = self.now.max(to);
    }

    /// What every service holds, as a number. What is still to come follows from that.
    pub(crate) fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        let services: [&dyn fmt::Debug; 9] =
            [&self.autoscaling, &self.cloudformation, &self.ec2, &self.eks, &self.elb, &self.iam, &self.kube, &self.node, &self.ssm];
        services.iter().for_each(|service| format!("{service:?}").hash(&mut hasher));
        hasher.finish()
    }

    /// The present as RFC 3339 (XML services).
    pub(crate) fn timestamp(&self) -> String {
        let wall = jiff::Timestamp::try_from(self.clock.wall_at(self.now)).unwrap_or_default();
        wall.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    }

    /// The present as seconds since 1970 (JSON services).
    pub(crate) fn epoch_seconds(&self) -> f64 {
        self.clock.wall_at(self.now).duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    /// Everything that exists and was not there from the start.
    pub(crate) fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        autoscaling::inventory(self, &mut inventory);
        cloudformation::inventory(self, &mut inventory);
        ec2::inventory(self, &mut inventory);
        eks::inventory(self, &mut inventory);
        elb::inventory(self, &mut inventory);
        iam::inventory(self, &mut inventory);
        kube::inventory(self, &mut inventory);
        inventory.items.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
        inventory
    }
}
