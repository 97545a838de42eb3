//! What is kept, by class, and sweeps. Role `compliance`.

use std::sync::Arc;

use axum::extract::{Path, State};
use cairnlog_ledger::limits::SWEEP_ASKED_MAX;
use cairnlog_ledger::{ClassDue, Sweep, Swept};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::extract::{JsonIfAny, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use super::time;
use crate::access::Role;
use crate::state::App;

const DAY_MS: u64 = 86_400_000;

/// What is kept by a class.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ClassDueView {
    class: String,
    /// The rule behind it.
    basis: String,
    /// How many records are kept by it.
    records: u64,
    /// The day on which the next of them is due, `2027-11-23`; absent if none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_due: Option<String>,
    /// How many are due and not erased yet.
    overdue: u64,
    /// How many of these are held.
    held: u64,
}

impl From<ClassDue> for ClassDueView {
    fn from(due: ClassDue) -> Self {
        let day = |day: u32| time::rfc3339(u64::from(day) * DAY_MS).chars().take(10).collect();
        Self {
            class: due.class,
            basis: due.rules.basis,
            records: due.records,
            next_due: due.next_due_day.map(day),
            overdue: due.overdue,
            held: due.held,
        }
    }
}

/// What is due when, class by class.
#[utoipa::path(get, path = "/api/v1/logs/{log}/retention", tag = "retention", security(("token" = [])), params(("log" = String, Path), PageQuery),
    responses((status = 200, body = Page<ClassDueView>), (status = "4XX", body = Document)))]
pub(crate) async fn due(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<ClassDueView>>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &name)?;
    let classes = log.retention().await?.into_iter().map(ClassDueView::from).collect();
    let list = format!("retention {name}");
    Ok(axum::Json(page.page(&app, &caller.id, &list, classes, |class: &ClassDueView| class.class.clone())?))
}

/// How to sweep.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SweepRequest {
    /// Only says what a sweep would do.
    #[serde(default)]
    dry_run: bool,
    /// With `dry_run`: as if it were then, RFC 3339.
    at: Option<String>,
}

/// What a sweep came to.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SweepView {
    /// Records whose time was over.
    due: u64,
    erased: u64,
    held: u64,
    by_class: Vec<SweptView>,
    /// Whether that was all; otherwise its time was over, and another sweep goes on.
    complete: bool,
}

/// What became of a class's records.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SweptView {
    /// The class, or `quarantine`.
    class: String,
    due: u64,
    erased: u64,
    held: u64,
}

impl From<Sweep> for SweepView {
    fn from(sweep: Sweep) -> Self {
        let Swept { due, erased, held } = sweep.total();
        let view = |(class, Swept { due, erased, held })| SweptView { class, due, erased, held };
        Self {
            due,
            erased,
            held,
            by_class: sweep.by_class.into_iter().map(view).collect(),
            complete: sweep.is_complete,
        }
    }
}

/// Erases what is due, or says what would be.
#[utoipa::path(post, path = "/api/v1/logs/{log}/retention/sweeps", tag = "retention", security(("token" = [])), params(("log" = String, Path)),
    request_body = Option<SweepRequest>, responses((status = 200, body = SweepView), (status = "4XX", body = Document)))]
pub(crate) async fn sweep(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    JsonIfAny(wanted): JsonIfAny<SweepRequest>,
) -> Result<axum::Json<SweepView>, Problem> {
    let log = app.records_for(&caller, Role::Compliance, &log)?;
    let at_ms = match wanted.at.as_deref() {
        Some(_) if !wanted.dry_run => {
            return Err(Problem::bad_request("at is for a dry run; records go by the server's own clock"));
        }
        Some(at) => Some(u64::try_from(time::parse_ms("at", at)?).unwrap_or_default()),
        None => None,
    };
    let swept = if wanted.dry_run {
        log.sweep_dry(at_ms, SWEEP_ASKED_MAX).await?
    } else {
        log.sweep(&caller.id, SWEEP_ASKED_MAX).await?
    };
    if !wanted.dry_run {
        app.sweeper.wake();
    }
    Ok(axum::Json(swept.into()))
}
