//! The handle that users hold.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{
    rt::sleep::{AsyncSleep, Sleep},
    time::TimeSource,
};
use aws_types::{SdkConfig, region::Region};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    authorize::{self, Authorization, PolicyError},
    autoscaling,
    call::{Args, Caller, Service},
    clock::Clock,
    cloudformation, ec2, eks,
    error::ApiError,
    fault::{Fault, When},
    iam,
    inventory::Inventory,
    kube::{self, KubeService},
    ledger::Ledger,
    log::{Call, CallLog},
    transport::{Body, TransportError},
    world::World,
};

/// One simulated AWS account in one Region, with its Kubernetes clusters. Cheap to clone; clones are the same account.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sim = eks_sim::Sim::builder().region("eu-west-1").seed(7).build();
/// let config = sim.sdk_config(); // give this to any AWS SDK client
/// assert_eq!(config.region().map(|region| region.as_ref()), Some("eu-west-1"));
/// assert!(sim.log().is_empty());
/// # }
/// ```
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    clock: Clock,
    on_call: Option<OnCall>,
    watched: watch::Sender<u64>,
    /// What stale answers tell of.
    remembered: Mutex<Option<Box<World>>>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("clock", &self.0.clock).finish_non_exhaustive()
    }
}

/// An account as it was at one moment: from it, the same moment can be lived through again and again.
#[derive(Clone)]
pub struct Snapshot(World);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.0).finish()
    }
}

impl Snapshot {
    /// Equal for two moments of one account between which nothing has changed in it: only calls were made that read, and time has passed.
    pub fn fingerprint(&self) -> u64 {
        self.0.fingerprint()
    }

    /// An account of its own that goes on from that moment.
    ///
    /// # Panics
    /// Outside a tokio runtime, as its clock is tokio's.
    pub fn open(&self) -> Sim {
        self.opened(None)
    }

    /// The same; `told` is told of each call when it has ended, as by [`SimBuilder::on_call`].
    ///
    /// # Panics
    /// As [`Snapshot::open`].
    pub fn open_telling(&self, told: impl Fn(&Call) + Send + Sync + 'static) -> Sim {
        self.opened(Some(Arc::new(told)))
    }

    fn opened(&self, on_call: Option<OnCall>) -> Sim {
        let mut world = self.0.clone();
        world.clock = world.clock.set(world.now);
        let clock = world.clock;
        Sim::of(world, clock, on_call)
    }
}

/// A [`Sim`] that does not keep the account alive: what the account itself holds has it.
#[derive(Clone)]
pub(crate) struct WeakSim(Weak<Shared>);

impl WeakSim {
    pub(crate) fn upgrade(&self) -> Option<Sim> {
        self.0.upgrade().map(Sim)
    }
}

type OnCall = Arc<dyn Fn(&Call) + Send + Sync>;

/// Settings of a [`Sim`].
#[derive(Clone)]
pub struct SimBuilder {
    on_call: Option<OnCall>,
    account: String,
    region: String,
    seed: u64,
    speed: f64,
    starting_at: Option<SystemTime>,
    standard_vcpus: Option<u32>,
    launch_configurations: bool,
    log_kept: Option<usize>,
    throttled: bool,
    quota_factor: usize,
}

impl fmt::Debug for SimBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimBuilder")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl SimBuilder {
    /// Twelve digits. Default `123456789012`.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Default `us-east-1`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Seeds every service time and id. Default 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Simulated seconds for each second of tokio's clock. Default 1.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// The quota of running On-Demand Standard instances, in vCPUs, as after a quota increase. Default 5, as for a new account.
    #[must_use]
    pub fn standard_vcpus(mut self, vcpus: u32) -> Self {
        self.standard_vcpus = Some(vcpus);
        self
    }

    /// The log keeps the last calls only: so many at least, twice as many at most. For a long life with millions of calls; whoever has to
    /// count them does so with [`SimBuilder::on_call`]. Default: all.
    #[must_use]
    pub fn log_at_least(mut self, calls: usize) -> Self {
        self.log_kept = Some(calls);
        self
    }

    /// Whether too many requests are refused, as EC2 and Elastic Load Balancing publish it: token buckets for each action or kind of
    /// action. Default: no, so that tests of other things need not wait.
    #[must_use]
    pub fn throttled(mut self, throttled: bool) -> Self {
        self.throttled = throttled;
        self
    }

    /// The quotas of VPCs, internet gateways, Elastic IP addresses, NAT gateways a zone, security groups, network interfaces,
    /// clusters, identity providers and load balancers are that many times their default, as after quota increases. Default 1.
    #[must_use]
    pub fn quotas_times(mut self, factor: usize) -> Self {
        self.quota_factor = factor.max(1);
        self
    }

    /// An account made before 2024-10-01, which may have launch configurations (Auto Scaling user guide, "Auto Scaling launch configurations").
    /// Default off.
    #[must_use]
    pub fn launch_configurations(mut self, allowed: bool) -> Self {
        self.launch_configurations = allowed;
        self
    }

    /// The calendar time at which the account comes to be: what is in support, and for how long, depends on it. Default: now.
    #[must_use]
    pub fn starting_at(mut self, time: SystemTime) -> Self {
        self.starting_at = Some(time);
        self
    }

    /// Who is told of each call when it has ended (one that hangs: when it begins), as the log has it.
    #[must_use]
    pub fn on_call(mut self, told: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        self.on_call = Some(Arc::new(told));
        self
    }

    /// The account, empty but for what AWS puts into every new one.
    ///
    /// # Panics
    /// Outside a tokio runtime, as its clock is tokio's.
    pub fn build(self) -> Sim {
        let clock = Clock::new(self.starting_at.unwrap_or_else(SystemTime::now), self.speed);
        let mut world = World::new(self.account, self.region, self.seed, clock);
        world.throttle.on = self.throttled;
        world.log.kept = self.log_kept;
        world.quota_factor = self.quota_factor;
        if let Some(vcpus) = self.standard_vcpus {
            ec2::set_standard_vcpus(&mut world, vcpus);
        }
        if self.launch_configurations {
            autoscaling::allow_configurations(&mut world);
        }
        Sim::of(world, clock, self.on_call)
    }
}

impl Sim {
    fn of(world: World, clock: Clock, on_call: Option<OnCall>) -> Self {
        let watched = watch::Sender::new(0);
        Self(Arc::new(Shared { world: Mutex::new(world), clock, on_call, watched, remembered: Mutex::default() }))
    }

    /// An account in us-east-1 with default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for another account.
    pub fn builder() -> SimBuilder {
        SimBuilder {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            seed: 1,
            speed: 1.0,
            starting_at: None,
            standard_vcpus: None,
            launch_configurations: false,
            log_kept: None,
            throttled: false,
            quota_factor: 1,
            on_call: None,
        }
    }

    /// Configuration for AWS SDK clients: this account, its administrator's credentials, simulated time.
    pub fn sdk_config(&self) -> SdkConfig {
        let region = self.with(|world| world.region.clone());
        SdkConfig::builder()
            .behavior_version(aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(self.credentials())
            .http_client(self.clone())
            .sleep_impl(ScaledSleep(self.0.clock))
            .time_source(SimulatedTime(self.0.clock))
            .build()
    }

    /// The administrator's credentials.
    pub fn credentials(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Credentials::from_keys(iam::ADMIN_ACCESS_KEY, iam::ADMIN_SECRET_KEY, None))
    }

    /// A tower service for `kube::Client`: requests go to the cluster whose endpoint the host names.
    pub fn kube_service(&self) -> KubeService {
        KubeService::new(self.clone())
    }

    /// Answers one HTTP request, of a client that is neither the AWS SDK nor `kube`: to Kubernetes if the host is a cluster's endpoint, to
    /// AWS otherwise.
    ///
    /// # Errors
    /// If an injected fault lets no answer come.
    pub async fn answer(&self, request: http::Request<bytes::Bytes>) -> Result<http::Response<Body>, TransportError> {
        self.any(request).await
    }

    /// The simulator's clock.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Every call so far.
    pub fn log(&self) -> CallLog {
        self.with(|world| world.log.clone())
    }

    /// What everything took.
    pub fn ledger(&self) -> Ledger {
        self.with(|world| world.ledger.clone())
    }

    /// What exists now.
    pub fn inventory(&self) -> Inventory {
        self.with(|world| world.inventory())
    }

    /// Forgets every injected fault that has not happened, and those of every call.
    pub fn heal(&self) {
        self.with(|world| world.faults.clear());
    }

    /// Makes a call go wrong.
    pub fn inject(&self, when: When, fault: Fault) {
        self.with(|world| world.faults.add(when, fault));
    }

    /// From now on EKS has no room for another control plane in this zone: CreateCluster and changes of subnets with one there are refused
    /// with UnsupportedAvailabilityZoneException, as any zone may be at any time (EKS user guide, "Troubleshooting": "Insufficient
    /// capacity").
    pub fn exhaust_zone(&self, zone: &str) {
        self.with(|world| eks::exhaust_zone(world, zone));
    }

    /// What a cluster's API server stores of a resource (`apps`, `deployments`; the core group is empty), for an observer that is not to be
    /// seen: no call is made.
    pub fn stored(&self, cluster: &str, group: &str, plural: &str) -> Vec<Arc<Value>> {
        self.with(|world| kube::stored(world, cluster, group, plural))
    }

    /// Nodes of a cluster whose kubelets run, and are let in by no access entry and no mapping.
    pub fn locked_out(&self, cluster: &str) -> Vec<String> {
        self.with(|world| kube::locked_out(world, cluster))
    }

    /// Keeps the account as it is now for [`Fault::Stale`] to answer from.
    pub fn remember(&self) {
        let world = self.with(|world| Box::new(world.clone()));
        *self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(world);
    }

    /// What a service that has not caught up answers, if that is something else than what is so by now.
    pub(crate) fn stale_answer(
        &self,
        world: &World,
        service: Service,
        action: &str,
        args: &Args,
        caller: &Caller,
    ) -> Option<Result<Value, ApiError>> {
        let mut then = self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.clone();
        let then = then.call(service, action, args.clone(), caller);
        let now = world.clone().call(service, action, args.clone(), caller);
        let reads = ["Describe", "Get", "List"].iter().any(|verb| action.starts_with(verb));
        let is_stale = match (&then, &now) {
            (Err(then), Err(now)) => reads && then.code != now.code,
            (Ok(then), Ok(now)) => reads && then != now,
            (Err(_), Ok(_)) => true,
            (Ok(_), Err(_)) => reads,
        };
        is_stale.then_some(then)
    }

    /// The account as it is now, to begin anew from.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|world| Snapshot(world.clone()))
    }

    /// From now on the administrator has these permissions policies and no others, each a managed policy's document: what they do not allow
    /// is refused in the service's own words, before it is carried out. Kubernetes asks its own authorizers.
    ///
    /// # Errors
    /// If IAM would not take a document: its grammar, or more than 6,144 characters.
    pub fn enforce<S: AsRef<str>>(&self, policies: impl IntoIterator<Item = S>) -> Result<(), PolicyError> {
        let documents: Vec<String> = policies.into_iter().map(|document| document.as_ref().to_owned()).collect();
        self.with(|world| authorize::enforce(world, &documents))
    }

    /// Ends [`Sim::enforce`]: the administrator may do everything again. Tells each permission that was asked for in between.
    pub fn trust(&self) -> Vec<Authorization> {
        self.with(authorize::trust)
    }

    /// Each permission that was asked for since [`Sim::enforce`].
    pub fn authorizations(&self) -> Vec<Authorization> {
        self.with(|world| authorize::asked(world))
    }

    /// From now on whatever begins takes this many times longer than usual.
    pub fn slow_down(&self, times: f64) {
        self.with(|world| world.slowness = times);
    }

    /// From now on EC2 has no room for another instance in this zone: RunInstances there is refused with InsufficientInstanceCapacity, as
    /// may happen at any time (EC2 user guide, "Insufficient instance capacity").
    pub fn exhaust_capacity(&self, zone: &str) {
        self.with(|world| ec2::exhaust_capacity(world, zone));
    }

    /// From now on the machines under instances in this zone fail: they are impaired by their status checks and run nothing (EC2 user
    /// guide, "Status checks for Amazon EC2 instances").
    pub fn impair_zone(&self, zone: &str) {
        self.with(|world| ec2::impair_zone(world, zone));
    }

    /// From now on the key of encrypted EBS volumes may not be used: an instance with such a volume ends at launch with
    /// Client.InternalError (Auto Scaling user guide, "Client.InternalError: Client error on launch").
    pub fn lock_volume_key(&self) {
        self.with(ec2::lock_volume_key);
    }

    /// Puts a template, in JSON or YAML, where `TemplateURL` finds it: at an `https://` address in S3. Another one there is replaced.
    pub fn serve_template(&self, url: impl Into<String>, body: impl Into<String>) {
        let (url, body) = (url.into(), body.into());
        self.with(|world| cloudformation::serve(world, url, body));
    }

    /// How many injected faults have not happened yet.
    pub fn faults_pending(&self) -> usize {
        self.with(|world| world.faults.pending())
    }

    /// A new process of the client, after a fault killed the last one.
    pub fn revive(&self) {
        self.with(|world| world.killed = false);
    }

    pub(crate) fn downgrade(&self) -> WeakSim {
        WeakSim(Arc::downgrade(&self.0))
    }

    /// Works on the account as it is now: due events are carried out first.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.0.clock.now());
        let result = work(&mut world);
        let revision = world.watch_revision;
        drop(world);
        self.0.watched.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
        result
    }

    /// Writes a call that has ended into the log.
    pub(crate) fn log_call(&self, call: impl FnOnce(&World) -> Call) {
        let call = self.with(|world| {
            let call = call(world);
            world.log.push(call.clone());
            call
        });
        if let Some(told) = &self.0.on_call {
            told(&call);
        }
    }

    /// Waits until something that a watch may have to tell has happened, or the next event is due.
    pub(crate) async fn changed(&self, watched: &mut watch::Receiver<u64>) {
        let next = self.with(|world| world.next_event());
        let due = async {
            match next {
                Some(at) => self.0.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = watched.changed() => {}
            () = due => {}
        }
    }

    /// A receiver for [`Sim::changed`]; make it before reading the state that is watched.
    pub(crate) fn watched(&self) -> watch::Receiver<u64> {
        self.0.watched.subscribe()
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Copy, Debug)]
struct SimulatedTime(Clock);

impl TimeSource for SimulatedTime {
    fn now(&self) -> SystemTime {
        self.0.wall()
    }
}

/// The SDK's own sleeps (retry backoff), on simulated time.
#[derive(Clone, Copy, Debug)]
struct ScaledSleep(Clock);

impl AsyncSleep for ScaledSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0;
        Sleep::new(async move { clock.sleep(duration).await })
    }
}
