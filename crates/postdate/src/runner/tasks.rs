//! What must not be cut off at the end: counted, and waited for.

use tokio::sync::watch;

/// See the module.
pub(super) struct Tasks(watch::Sender<usize>);

/// One of them, until it is dropped.
pub(super) struct Task(watch::Sender<usize>);

impl Default for Tasks {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Tasks {
    pub(super) fn begin(&self) -> Task {
        self.0.send_modify(|count| *count += 1);
        Task(self.0.clone())
    }

    pub(super) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Resolves when there is none.
    pub(super) async fn ended(&self) {
        // The sender is ours, so there always is one.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
