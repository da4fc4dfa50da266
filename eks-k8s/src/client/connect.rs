//! The handle, and how it gets its client.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use eks_core::{
    BoxError, Class, ClusterName, Error, Owner, Plan, Teardown,
    engine::{BoxFuture, WatchNodes},
};
use kube::Client;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::error::{CONNECT, is_out_of_reach};
use crate::{Access, AccessRef, ObjectsSpec, Observed, Unanswered, observed::Scope, teardown::unanswering};

type Connect = dyn Fn(Access) -> BoxFuture<'static, Result<Client, BoxError>> + Send + Sync;

/// How long a client is kept: EKS tokens end after 15 minutes, and a client may have been given one that is not renewed.
const KEEP: Duration = Duration::from_secs(10 * 60);

/// A client that is refused although it is as young as this is not made anew.
const FRESH: Duration = Duration::from_secs(30);

/// How many looks in a row must fail before an API server counts as one that does not answer: a lost or throttled answer, or an access
/// entry that has no effect yet, is over by then.
const LOOKS: u32 = 4;
const LOOK_AGAIN: Duration = Duration::from_secs(5);

enum Source {
    Known(Client),
    Connecting { connect: Box<Connect>, clients: Mutex<BTreeMap<Access, (Instant, Client)>> },
}

/// The Kubernetes objects of clusters: observes them, and carries out plans and teardowns of layer `k8s`. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    source: Arc<Source>,
    /// Ids of what this handle has seen to be gone.
    pub(super) gone: Arc<std::sync::Mutex<std::collections::BTreeSet<String>>>,
    /// Who knows why nodes do not come.
    watch: Option<Arc<dyn WatchNodes>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &*self.source {
            Source::Known(_) => "a client",
            Source::Connecting { .. } => "connecting",
        };
        f.debug_struct("Objects").field("source", &source).finish_non_exhaustive()
    }
}

impl Objects {
    /// Objects of the cluster that `client` is connected to.
    pub fn new(client: Client) -> Self {
        Self { source: Arc::new(Source::Known(client)), gone: Arc::default(), watch: None }
    }

    /// Objects of a cluster that may not exist yet: `connect` makes a client once the cluster's endpoint is known, and again when the
    /// last one is ten minutes old, as EKS tokens end after fifteen.
    pub fn connecting<F, R>(connect: F) -> Self
    where
        F: Fn(Access) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Client, BoxError>> + Send + 'static,
    {
        let connect: Box<Connect> = Box::new(move |access| Box::pin(connect(access)));
        Self { source: Arc::new(Source::Connecting { connect, clients: Mutex::default() }), gone: Arc::default(), watch: None }
    }

    /// While nodes are waited for, asks `watch` whether they will come: the step fails with [`Error::Diagnosed`] as soon as it is
    /// certain why not, instead of at the end of its time. eks-nodes has one, which knows the machines behind them.
    #[must_use]
    pub fn diagnosing(mut self, watch: impl WatchNodes + 'static) -> Self {
        self.watch = Some(Arc::new(watch));
        self
    }

    /// Plans a spec against what exists, in at most one call for each kind of object in it.
    ///
    /// `access` is where the cluster's API server is, if it exists: what eks-cluster observed. Without it, and if the spec
    /// itself knows no endpoint, nothing exists yet and nothing is called.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer; what [`ObjectsSpec::plan`] refuses.
    pub async fn plan(&self, spec: &ObjectsSpec, access: Option<Access>) -> Result<Plan, Error> {
        spec.plan(&self.observe(spec, access).await?)
    }

    /// What exists of a spec.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer; [`Error::Refused`] if aws-auth is broken.
    pub async fn observe(&self, spec: &ObjectsSpec, access: Option<Access>) -> Result<Observed, Error> {
        let access = access.or_else(|| AccessRef::from(&spec.cluster).known());
        self.look(&spec.owner, Scope::of(spec, access)).await
    }

    /// What has to be removed of an owner's. Without `access`, and if no client was given, there is no cluster and nothing in it.
    ///
    /// # Errors
    /// [`Error::Call`] if the API server does not answer.
    pub async fn teardown(&self, owner: &Owner, access: Option<Access>) -> Result<Teardown, Error> {
        self.look(owner, Scope::everything(access)).await?.teardown(owner)
    }

    /// As [`Objects::teardown`], with a choice of what is done where the API server does not answer, or a controller does not let go of
    /// what it made: then and with [`Unanswered::LeaveToAws`], nothing of the cluster is listed, a finding says so, and it goes with the
    /// cluster. That is concluded only from four looks in a row, five seconds apart: nobody could know any more which volumes may go, so
    /// all of them stay, and are told.
    ///
    /// A server that refuses (401, 403) does answer, and what is in it could be taken away in order by somebody else.
    ///
    /// # Errors
    /// As [`Objects::teardown`]; with [`Unanswered::LeaveToAws`] none for an API server that does not answer, and [`Error::Refused`] if it
    /// lets us in at none of the looks.
    pub async fn teardown_or(&self, owner: &Owner, access: Option<Access>, unanswered: Unanswered) -> Result<Teardown, Error> {
        let at = access.as_ref().map_or_else(|| "the cluster".to_owned(), |access| format!("cluster {}", access.name));
        let (mut looks, mut answers) = (1, false);
        let error = loop {
            let error = match self.look(owner, Scope::everything(access.clone())).await {
                Ok(now) => return now.teardown_or(owner, unanswered),
                Err(error) if unanswered == Unanswered::Hold => return Err(error),
                Err(error) => error,
            };
            answers |= !is_out_of_reach(&error);
            // An access entry that was made just now may have no effect yet.
            let may_heal = matches!(error.class(), Class::Denied | Class::Inconsistent | Class::Throttled) || is_out_of_reach(&error);
            if !may_heal {
                return Err(error);
            }
            if looks == LOOKS {
                break error;
            }
            looks += 1;
            sleep(LOOK_AGAIN).await;
        };
        if error.class() == Class::Denied {
            return Err(Error::Refused {
                subject: format!("the API server of {at}"),
                rule: format!("answers, but does not let us look at what is in it ({})", error.chain()),
                remedy: "tear down under the role that made the cluster, or give yours an access entry with AmazonEKSClusterAdminPolicy"
                    .to_owned(),
            });
        }
        if answers {
            return Err(error);
        }
        unanswering(owner, access, &format!("the API server of {at} does not answer ({}); what is in it goes with it", error.chain()))
    }

    /// The client; `None` if there is no cluster.
    pub(super) async fn client(&self, access: Option<&Access>) -> Result<Option<Client>, Error> {
        let (connect, clients) = match (&*self.source, access) {
            (Source::Known(client), _) => return Ok(Some(client.clone())),
            (Source::Connecting { .. }, None) => return Ok(None),
            (Source::Connecting { connect, clients }, Some(access)) => (connect, (clients, access)),
        };
        let (clients, access) = clients;
        // Held while connecting: several steps that start together share one client.
        let mut clients = clients.lock().await;
        if let Some((_, client)) = clients.get(access).filter(|(made, _)| made.elapsed() < KEEP) {
            return Ok(Some(client.clone()));
        }
        let client = connect(access.clone()).await.map_err(|source| Error::Call {
            call: CONNECT.to_owned(),
            subject: format!("the API server of cluster {}", access.name),
            class: Class::Permanent,
            code: None,
            request_id: None,
            source,
        })?;
        clients.insert(access.clone(), (Instant::now(), client.clone()));
        Ok(Some(client))
    }

    /// Drops a client whose token the API server no longer takes, unless it was made just now, by another call that met the same. Whether
    /// another one can be made.
    async fn renew(&self, access: Option<&Access>) -> bool {
        let (Source::Connecting { clients, .. }, Some(access)) = (&*self.source, access) else { return false };
        let mut clients = clients.lock().await;
        if clients.get(access).is_some_and(|(made, _)| made.elapsed() >= FRESH) {
            clients.remove(access);
        }
        true
    }

    pub(super) fn place(&self, access: Option<Access>) -> Place<'_> {
        Place { objects: self, access }
    }
}

/// An API server, as steps see it.
pub(super) struct Place<'a> {
    objects: &'a Objects,
    access: Option<Access>,
}

impl Place<'_> {
    /// A client whose token is fresh enough for the next call; not to be kept.
    pub(super) async fn client(&self) -> Result<Client, Error> {
        let missing = || Error::Plan { subject: "layer k8s".to_owned(), reason: "nothing tells where the API server is".to_owned() };
        self.objects.client(self.access.as_ref()).await?.ok_or_else(missing)
    }

    /// Who knows why nodes do not come.
    pub(super) fn watch(&self) -> Option<&dyn WatchNodes> {
        self.objects.watch.as_deref()
    }

    /// The cluster, if it is known by name.
    pub(super) fn cluster(&self) -> Option<ClusterName> {
        self.access.as_ref().map(|access| access.name.clone())
    }

    /// Has the next call get a new client. Whether that can be.
    pub(super) async fn renew(&self) -> bool {
        self.objects.renew(self.access.as_ref()).await
    }
}
