//! Sources: a named stream into a log, bound to one pipeline.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use cairnlog_ledger::manifest::{self, Fallback, OnError};
use cairnlog_ledger::{Binding, Policy, Put, SourceInfo, SourceSpec, StageSpec};
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::changes::ProposedView;
use super::extract::{Json, Nothing, Query};
use super::list::{Page, PageQuery};
use super::problem::{Document, Problem};
use crate::access::{Role, no_source};
use crate::state::App;

/// One stage of a pipeline.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// `sha256:<hex>` or `name@version`.
    plugin: String,
    /// The plugin's config, if it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<serde_json::Value>,
    /// What a raw record that the stage can't process does; `quarantine` by default.
    #[serde(default)]
    on_error: OnErrorBody,
}

/// A stage's failure policy.
#[derive(Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnErrorBody {
    /// The raw record is quarantined.
    #[default]
    Quarantine,
    /// The request answers 422 and nothing of it is kept.
    Reject,
    /// Normalizers only: another one tries it.
    Fallback(FallbackBody),
}

/// The normalizer of last resort.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FallbackBody {
    /// `sha256:<hex>` or `name@version`.
    plugin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<serde_json::Value>,
}

/// The stages of a source.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pipeline {
    pub(crate) normalizer: Stage,
    #[serde(default)]
    pub(crate) redactors: Vec<Stage>,
    pub(crate) retention: Stage,
}

/// What a source is bound to.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BoundView {
    source: String,
    /// The pipeline's name: SHA-256 of its manifest.
    pipeline: String,
    /// The index of the pipeline's entry.
    pipeline_index: u64,
}

/// A source as it is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SourceView {
    source: String,
    pipeline: String,
    pipeline_index: u64,
    normalizer: Stage,
    redactors: Vec<Stage>,
    retention: Stage,
    /// What `rollback` binds it to: what it was bound to before.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousView>,
    /// Of a hundred batches, over how many another pipeline is tried beside its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary_percent: Option<u8>,
}

/// What a source was bound to before.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PreviousView {
    pipeline: String,
    /// The index of that pipeline's entry.
    pipeline_index: u64,
}

impl BoundView {
    /// The answer to who bound it.
    pub(crate) fn answer(source: String, bound: Put<Binding>) -> Response {
        let Binding { new, pipeline, pipeline_index } = match bound {
            Put::Done(bound) => bound,
            Put::Waits(id) => return ProposedView::answer(id),
        };
        let status = if new { StatusCode::CREATED } else { StatusCode::OK };
        let view = Self { source, pipeline: pipeline.to_string(), pipeline_index };
        (status, axum::Json(view)).into_response()
    }
}

impl From<Stage> for StageSpec {
    fn from(Stage { plugin, config, on_error }: Stage) -> Self {
        let on_error = match on_error {
            OnErrorBody::Quarantine => Policy::Quarantine,
            OnErrorBody::Reject => Policy::Reject,
            OnErrorBody::Fallback(FallbackBody { plugin, config }) => Policy::Fallback { plugin, config },
        };
        Self { plugin, config, on_error }
    }
}

impl From<Pipeline> for SourceSpec {
    fn from(Pipeline { normalizer, redactors, retention }: Pipeline) -> Self {
        let redactors = redactors.into_iter().map(StageSpec::from).collect();
        Self { normalizer: normalizer.into(), redactors, retention: retention.into() }
    }
}

impl From<&manifest::Stage> for Stage {
    fn from(manifest::Stage { plugin, config, on_error }: &manifest::Stage) -> Self {
        let on_error = match on_error {
            OnError::Quarantine => OnErrorBody::Quarantine,
            OnError::Reject => OnErrorBody::Reject,
            OnError::Fallback(Fallback { plugin, config }) => {
                OnErrorBody::Fallback(FallbackBody { plugin: plugin.to_string(), config: config.clone() })
            }
        };
        Self { plugin: plugin.to_string(), config: config.clone(), on_error }
    }
}

impl From<&SourceInfo> for SourceView {
    fn from(info: &SourceInfo) -> Self {
        let SourceInfo { source, pipeline, pipeline_index, manifest, previous, canary } = info;
        Self {
            source: source.clone(),
            pipeline: pipeline.to_string(),
            pipeline_index: *pipeline_index,
            normalizer: (&manifest.normalizer).into(),
            redactors: manifest.redactors.iter().map(Stage::from).collect(),
            retention: (&manifest.retention).into(),
            previous: previous.as_ref().map(|previous| PreviousView {
                pipeline: previous.pipeline.to_string(),
                pipeline_index: previous.pipeline_index,
            }),
            canary_percent: canary.as_ref().map(|canary| canary.percent),
        }
    }
}

/// Binds a source to a pipeline, from its next batch on. Role `integrator`. Where two persons are needed, a pipeline that
/// takes more away waits for one of the role `compliance`.
#[utoipa::path(put, path = "/api/v1/logs/{log}/sources/{source}", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)), request_body = Pipeline,
    responses((status = 201, body = BoundView), (status = 200, description = "changed, or the same as before", body = BoundView),
        (status = 202, description = "waits for another person's approval", body = ProposedView), (status = "4XX", body = Document)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
    Json(pipeline): Json<Pipeline>,
) -> Result<Response, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    let spec = SourceSpec::from(pipeline);
    let bound = log.change_source(&source, spec, caller.who(), app.two_person).await?;
    Ok(BoundView::answer(source, bound))
}

/// Lists sources. Role `integrator`.
#[utoipa::path(get, path = "/api/v1/logs/{log}/sources", tag = "sources", security(("token" = [])), params(("log" = String, Path), PageQuery),
    responses((status = 200, body = Page<SourceView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<SourceView>>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &name)?;
    let list = format!("sources {name}");
    let name = |source: &Arc<SourceInfo>| source.source.clone();
    let page = page.page_of_bytes(&app, &caller.id, &list, log.sources(), name, |source| bytes(source))?;
    Ok(axum::Json(page.map(|source| SourceView::from(source.as_ref()))))
}

/// One source. Role `integrator`.
#[utoipa::path(get, path = "/api/v1/logs/{log}/sources/{source}", tag = "sources", security(("token" = [])),
    params(("log" = String, Path), ("source" = String, Path)),
    responses((status = 200, body = SourceView), (status = "4XX", body = Document)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, source)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<SourceView>, Problem> {
    let log = app.records_for(&caller, Role::Integrator, &log)?;
    let info = log.source(&source).ok_or_else(|| no_source(&source))?;
    Ok(axum::Json(info.as_ref().into()))
}

/// Roughly the bytes of a source as it is shown.
fn bytes(info: &SourceInfo) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(part.len());
            Ok(part.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, info).map_or(usize::MAX, |()| count.0)
}
