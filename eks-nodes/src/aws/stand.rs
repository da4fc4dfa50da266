//! Waiting for a stack whose instances may never come.

use eks_core::{
    Error, Outputs,
    engine::{StepContext, Wait},
};

use super::Workers;

impl Workers {
    /// Waits; with a diagnostician, only as long as the stack's instances may still come.
    #[cfg(feature = "diagnosis")]
    pub(super) async fn stands(&self, cx: &StepContext, stack: &str, wait: Wait) -> Result<Outputs, Error> {
        use std::time::Duration;

        use eks_core::engine::BoxFuture;

        /// The pause between two questions, of a handful of calls each.
        const EVERY: Duration = Duration::from_secs(20);
        if !self.diagnoses {
            return cx.wait(wait).await;
        }
        let began = tokio::time::Instant::now();
        let doubt = || -> BoxFuture<'_, Option<Error>> {
            Box::pin(async move {
                let diagnosis = self.diagnostician.launches(stack, began.elapsed()).await?;
                Some(Error::Diagnosed { subject: format!("instances of stack {stack}"), diagnosis: Box::new(diagnosis) })
            })
        };
        cx.unless(cx.wait(wait), EVERY, doubt).await
    }

    /// Waits.
    #[cfg(not(feature = "diagnosis"))]
    pub(super) async fn stands(&self, cx: &StepContext, _: &str, wait: Wait) -> Result<Outputs, Error> {
        cx.wait(wait).await
    }
}
