//! What a person wants to watch: lines of progress, and between them nodes, Pods and budgets whenever they have changed.

use eks_core::engine::{Engine, Event};
use eks_examples::{environment::Failure, workloads};
use eks_view::Progress;
use kube::Client;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

/// Calls of a look.
const LOOK: u64 = 3;

pub(crate) struct Watch {
    progress: Progress,
    looks: Option<(UnboundedSender<()>, JoinHandle<u64>)>,
}

impl Watch {
    /// Lines of progress alone.
    pub(crate) fn plain(progress: Progress) -> Self {
        Self { progress, looks: None }
    }

    /// Looks at the cluster, too, whenever a step has ended.
    pub(crate) fn of(progress: Progress, client: Client, groups: [String; 2]) -> Self {
        let (sender, mut asked) = unbounded_channel();
        let amid = progress.clone();
        let looking = tokio::spawn(async move {
            let (mut last, mut calls) = (String::new(), 0);
            while asked.recv().await.is_some() {
                while asked.try_recv().is_ok() {}
                calls += LOOK;
                // A run that dies sees no more.
                let Ok(sight) = workloads::look(&client).await else { continue };
                let line = sight.line(&[&groups[0], &groups[1]]);
                if line != last {
                    amid.say(format_args!("┆ {line}"));
                    last = line;
                }
            }
            calls
        });
        Self { progress, looks: Some((sender, looking)) }
    }

    pub(crate) fn observing(&self, engine: Engine) -> Engine {
        let (progress, looks) = (self.progress.clone(), self.looks.as_ref().map(|(sender, _)| sender.clone()));
        engine.observer(move |event| {
            progress.observe(event);
            let moves = |key: &eks_core::StepKey| ["replace", "k8s"].contains(&key.layer());
            if let (Event::StepFinished { key, .. }, Some(looks)) = (event, &looks)
                && moves(key)
            {
                // Nobody looks any more: the run has ended.
                let _ = looks.send(());
            }
        })
    }

    /// How many calls its looks were.
    pub(crate) async fn end(self) -> Result<u64, Failure> {
        let Some((sender, looking)) = self.looks else { return Ok(0) };
        drop(sender);
        Ok(looking.await?)
    }
}
