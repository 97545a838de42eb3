//! What the server does by itself once a minute: it says how many requests were refused, and how many raw records came in
//! the hours that are over.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::limits::CHORES_PAUSE;
use crate::state::App;

/// The task that does it.
pub(crate) struct Chores {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Chores {
    /// Starts it.
    pub(crate) fn start(app: Arc<App>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(run(app, stopped)) }
    }

    /// Says what is left to say of requests, and ends it.
    pub(crate) async fn stop(self) {
        // A task that is gone has panicked, which its own message says.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn run(app: Arc<App>, mut stopped: oneshot::Receiver<()>) {
    let mut ticks = interval_at(Instant::now() + CHORES_PAUSE, CHORES_PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut stopped => break,
        }
        app.recording.say_refused().await;
        app.ledger.say_tallies().await;
    }
    app.recording.say_refused().await;
}
