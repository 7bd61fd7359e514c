//! Taking a volume away. Needs neither the API server nor the provider.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::UnpublishError;
use crate::node::Node;

impl Node {
    pub(crate) async fn unpublish(self: Arc<Self>, target: PathBuf) -> Result<(), UnpublishError> {
        // First, so that nothing is written to the API any more for a volume that is going away.
        self.reports.unmounting(&target);
        match self.on_volume(&target, |volumes, target| volumes.unpublish(target)).await {
            Ok(_) => {
                if let Some(volume) = self.ledger.forget(&target) {
                    let class = volume.class.key().clone();
                    drop(volume);
                    self.reports.unmounted(&class);
                }
                tracing::info!(target_path = %target.display(), "node unpublish volume complete");
                Ok(())
            }
            Err(error) => {
                // The end-to-end suites of the ecosystem look for these words.
                tracing::error!(target_path = %target.display(), err = error.report(), "failed to clean and unmount target path");
                Err(UnpublishError::Volume(error))
            }
        }
    }
}
