//! What the plugins of a source said lately. Roles `auditor` and `reidentify`: messages may quote records as they came.

use std::sync::Arc;

use axum::extract::{Path, State};
use cairnlog_host::Level;
use cairnlog_ledger::Message;
use serde::Serialize;

use super::auth::Caller;
use super::extract::{Nothing, Query};
use super::problem::{Document, Problem};
use super::time;
use crate::access::Role;
use crate::recording::Detail;
use crate::state::App;

/// What a plugin said.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MessageView {
    /// `name@version`.
    plugin: String,
    /// `debug`, `info`, `warn` or `error`.
    level: &'static str,
    message: String,
}

/// What a plugin said, and when.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TimedMessageView {
    /// When it was said, RFC 3339.
    at: String,
    #[serde(flatten)]
    message: MessageView,
}

/// The last messages of a source's plugins.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MessagesView {
    /// Oldest first, 64 at most.
    items: Vec<TimedMessageView>,
}

impl From<Message> for MessageView {
    fn from(Message { plugin, level, text }: Message) -> Self {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        Self { plugin, level, message: text }
    }
}

/// What the plugins of a source said within the last day and since the server started, unless something was erased meanwhile.
#[utoipa::path(get, path = "/api/v1/logs/{log}/sources/{source}/messages", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    responses((status = 200, body = MessagesView), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((name, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<MessagesView>, Problem> {
    let log = app.records_for(&caller, Role::Auditor, &name)?;
    // A plugin sees what redactors take later.
    caller.require(Role::Reidentify, Some(&name))?;
    let messages = log.messages(&source)?;
    app.recording.read(&caller, "messages.list", &log, Detail::of_list(messages.len())).await?;
    let timed = |(at_ms, message): (u64, Message)| TimedMessageView {
        at: time::rfc3339(at_ms),
        message: message.into(),
    };
    Ok(axum::Json(MessagesView { items: messages.into_iter().map(timed).collect() }))
}
