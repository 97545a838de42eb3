//! The newest head kept outside the store: written behind the sequencer's back, compared when a log is opened.

use std::sync::Arc;

use cairnlog_store::{Engine, kept::KeptHead};
use cairnlog_verify::{checkpoint::Checkpoint, note::Note};
use tokio::sync::watch;

use crate::{
    error::{OpenError, StopReason},
    head::Head,
    limits::KEEP_PAUSE,
    rebuild,
};

/// Refuses a store that is older than the head kept outside it, or that is of another tree: whoever has seen that head
/// would be shown a fork.
pub(crate) async fn check(
    engine: &dyn Engine,
    log: u32,
    stored: &Head,
    file: &KeptHead,
) -> Result<(), OpenError> {
    let Some(kept) = read(file).await? else { return Ok(()) };
    let path = || file.path().to_path_buf();
    if kept.origin != stored.checkpoint.origin {
        return Err(OpenError::KeptUnreadable { path: path(), why: format!("it is of `{}`", kept.origin) });
    }
    if kept.size > stored.checkpoint.size {
        return Err(OpenError::RolledBack { path: path(), kept: kept.size, stored: stored.checkpoint.size });
    }
    let root = rebuild::stored_edge(engine, log, kept.size).await?.root();
    if root != kept.root {
        return Err(OpenError::KeptRoot { path: path(), size: kept.size, kept: kept.root, stored: root });
    }
    Ok(())
}

/// Refuses to create a log that a head is kept of.
pub(crate) async fn check_none(file: &KeptHead) -> Result<(), OpenError> {
    let kept = read(file).await?;
    kept.map_or(Ok(()), |kept| {
        Err(OpenError::RolledBack { path: file.path().to_path_buf(), kept: kept.size, stored: 0 })
    })
}

async fn read(file: &KeptHead) -> Result<Option<Checkpoint>, OpenError> {
    let unreadable = |why: String| OpenError::KeptUnreadable { path: file.path().to_path_buf(), why };
    let reader = file.clone();
    let note = tokio::task::spawn_blocking(move || reader.read()).await;
    let note = note.map_err(|error| unreadable(error.to_string()))?;
    let Some(note) = note.map_err(|error| unreadable(error.to_string()))? else { return Ok(None) };
    let note = Note::parse(&note).map_err(|error| unreadable(error.to_string()))?;
    Checkpoint::parse_text(&note.text).map(Some).map_err(|error| unreadable(error.to_string()))
}

/// Keeps the newest durable head, at most once in [`KEEP_PAUSE`], and once more when the log has stopped. What fails is
/// tried again: the file that is there then is an older one, which refuses less. The first failure is logged, and the end
/// of them; between the two [`cairnlog_store::kept::KeptHeads::failing`] tells.
pub(crate) async fn keep(
    log: u32,
    file: KeptHead,
    mut heads: watch::Receiver<Arc<Head>>,
    mut stopped: watch::Receiver<Option<StopReason>>,
) {
    let mut written = String::new();
    let mut is_failing = false;
    loop {
        let is_last = stopped.borrow().is_some();
        let note = heads.borrow_and_update().note.clone();
        if note != written {
            let (writer, text) = (file.clone(), note.clone());
            match tokio::task::spawn_blocking(move || writer.replace(&text)).await {
                Ok(outcome) => {
                    say(log, &file, outcome.as_ref().err(), &mut is_failing);
                    if outcome.is_ok() {
                        written = note;
                    }
                }
                Err(_) => return,
            }
        }
        if is_last {
            return;
        }
        // Their errors mean that the sequencer is gone; it says why before that.
        tokio::select! {
            () = tokio::time::sleep(KEEP_PAUSE) => {}
            _ = stopped.wait_for(Option::is_some) => continue,
        }
        if written == heads.borrow().note {
            tokio::select! {
                _ = heads.changed() => {}
                _ = stopped.wait_for(Option::is_some) => {}
            }
        }
    }
}

/// Logs a change: a disk that fails for days would fill a log with one line a second.
fn say(log: u32, file: &KeptHead, failure: Option<&std::io::Error>, is_failing: &mut bool) {
    let file = file.path().display();
    match failure {
        Some(error) if !*is_failing => {
            tracing::error!(log, %file, %error, "the newest head can't be kept; it is tried again");
        }
        None if *is_failing => tracing::info!(log, %file, "the newest head is kept again"),
        _ => {}
    }
    *is_failing = failure.is_some();
}
