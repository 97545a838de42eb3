//! Reading records. Role `auditor`. Each read is in the control log before it is answered.

use std::sync::Arc;

use axum::extract::{Path, State};
use cairnlog_ledger::payload::RedactionNote;
use cairnlog_ledger::{Kept, LedgerError, Log, Order, Position, Record, Search};
use cairnlog_verify::value::VALUE_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::extract::{Json, Nothing, Query};
use super::list::{Page, rows};
use super::problem::{Document, Problem, Slug};
use super::{proofs, time};
use crate::access::{Principal, Role};
use crate::recording::Detail;
use crate::state::App;

/// An entry opened: what it says.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RecordView {
    index: u64,
    /// Base64.
    leaf_hash: String,
    /// `record`, `log`, `plugin`, `pipeline`, `quarantine`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// RFC 3339, UTC; the server's time.
    received: String,
    /// The event, nested; what was dropped is absent from it.
    event: serde_json::Value,
    /// What was taken away, by which rule.
    redactions: Vec<RedactionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<RetentionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
}

/// One redaction.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RedactionView {
    path: String,
    /// `drop`, `mask` or `pseudonymize`.
    action: String,
    entity: String,
    rule: String,
    /// `name@version`.
    plugin: String,
}

/// How long a record lives, by whose rule.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RetentionView {
    class: String,
    rule: String,
    basis: String,
    trigger: String,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum_until: Option<String>,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_until: Option<String>,
}

impl From<RedactionNote> for RedactionView {
    fn from(note: RedactionNote) -> Self {
        let RedactionNote { path, action, entity, rule, plugin } = note;
        Self { path, action: action.as_str().to_owned(), entity, rule, plugin }
    }
}

impl From<Kept> for RetentionView {
    fn from(kept: Kept) -> Self {
        let Kept { class, rule, basis, trigger, minimum_until_ms, maximum_until_ms } = kept;
        let (minimum_until, maximum_until) =
            (minimum_until_ms.map(time::rfc3339), maximum_until_ms.map(time::rfc3339));
        Self { class, rule, basis, trigger, minimum_until, maximum_until }
    }
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        Self {
            index: record.index,
            leaf_hash: record.leaf_hash.to_string(),
            kind: record.kind,
            source: record.source,
            received: time::rfc3339(record.received_ms),
            event: record.event,
            redactions: record.redactions.into_iter().map(RedactionView::from).collect(),
            retention: record.retention.map(RetentionView::from),
            pipeline: record.pipeline.map(|digest| digest.to_string()),
        }
    }
}

/// One entry of any kind, opened.
#[utoipa::path(get, path = "/api/v1/logs/{log}/records/{index}", tag = "reading", security(("token" = [])),
    params(("log" = String, Path), ("index" = u64, Path)), responses((status = 200, body = RecordView), (status = "4XX", body = Document)))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path((log, index)): Path<(String, String)>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<axum::Json<RecordView>, Problem> {
    let log = app.records_for(&caller, Role::Auditor, &log)?;
    let index = proofs::parse_index(&index)?;
    match log.record(index).await {
        Ok(record) => {
            app.recording.read(&caller, "records.read", &log, Detail::of(index)).await?;
            Ok(axum::Json(record.into()))
        }
        Err(error) => Err(not_opened(&log, index, error).await),
    }
}

/// Why an entry is not opened, with what is left of one that was erased: the proof that it was there.
pub(crate) async fn not_opened(log: &Log, index: u64, error: LedgerError) -> Problem {
    if !matches!(error, LedgerError::Erased(_)) {
        return error.into();
    }
    match log.tree().receipt(index).await {
        Ok(receipt) => Problem::from(error).with("receipt", receipt.to_string()),
        Err(failure) => failure.into(),
    }
}

/// Which records, in which order.
#[derive(Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchBody {
    source: Option<String>,
    /// A user's or session's uid, name or e-mail, as kept.
    actor: Option<String>,
    /// The operation, event code or activity.
    action: Option<String>,
    /// `class_uid`.
    #[serde(default, deserialize_with = "number_or_text")]
    #[schema(value_type = Option<i64>)]
    #[param(value_type = Option<i64>)]
    class: Option<String>,
    /// `status_id`.
    #[serde(default, deserialize_with = "number_or_text")]
    #[schema(value_type = Option<i64>)]
    #[param(value_type = Option<i64>)]
    status: Option<String>,
    /// A resource's or entity's uid or name, a file's path, a page's URL.
    resource: Option<String>,
    /// `src_endpoint.ip`.
    ip: Option<String>,
    /// Event time, inclusive, RFC 3339.
    from: Option<String>,
    /// Event time, exclusive, RFC 3339.
    to: Option<String>,
    /// By (time, index); `desc` by default.
    order: Option<OrderName>,
    /// Rows of the page, 100 by default, 1,000 at most.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What records are looked for by: the filters of a search, without its order and page.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filters {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(default, with = "number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    class: Option<String>,
    #[serde(default, with = "number", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// Event time, inclusive, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Event time, exclusive, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

/// A direction.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderName {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// An integer, as JSON has it, or its text, as a query string has it.
fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Either;
    impl serde::de::Visitor<'_> for Either {
        type Value = Option<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an integer")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let number: i64 = text.parse().map_err(|_| E::custom("an integer is expected"))?;
            Ok(Some(number.to_string()))
        }
    }
    deserializer.deserialize_any(Either)
}

/// An integer that is kept as its text.
mod number {
    pub(super) use super::number_or_text as deserialize;

    #[allow(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: serde::Serializer>(
        number: &Option<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let number: Option<i64> = number.as_ref().and_then(|text| text.parse().ok());
        serde::Serialize::serialize(&number, serializer)
    }
}

impl Filters {
    /// What a search by them looks for.
    ///
    /// # Errors
    /// `bad-request`.
    pub(crate) fn search(self) -> Result<Search, Problem> {
        let Self { source, actor, action, class, status, resource, ip, from, to } = self;
        check_lengths([&source, &actor, &action, &resource, &ip].into_iter().flatten())?;
        let (from_ms, to_ms) = (moment("from", from.as_deref())?, moment("to", to.as_deref())?);
        Ok(Search { source, actor, action, class, status, resource, ip, from_ms, to_ms, ..Search::default() })
    }

    /// The filters of a search.
    pub(crate) fn of(search: &Search) -> Self {
        let Search { source, actor, action, class, status, resource, ip, from_ms, to_ms, .. } =
            search.clone();
        let (from, to) = (from_ms.map(time::rfc3339_of), to_ms.map(time::rfc3339_of));
        Self { source, actor, action, class, status, resource, ip, from, to }
    }
}

/// No value is longer than a filter may be, and no entry could say it.
fn check_lengths(filters: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), Problem> {
    if filters.into_iter().any(|filter| filter.as_ref().len() > VALUE_BYTES_MAX) {
        return Err(Problem::bad_request(format!("a filter has {VALUE_BYTES_MAX} bytes at most")));
    }
    Ok(())
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(|text| time::parse_ms(name, text)).transpose()
}

impl SearchBody {
    /// The filters that are given, by name.
    fn filters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("source", &self.source),
            ("actor", &self.actor),
            ("action", &self.action),
            ("class", &self.class),
            ("status", &self.status),
            ("resource", &self.resource),
            ("ip", &self.ip),
            ("from", &self.from),
            ("to", &self.to),
        ];
        all.into_iter().filter_map(|(name, filter)| Some((name, filter.as_deref()?)))
    }

    /// What they ask for of who may find a person by the plaintext, or may not.
    fn search(&self, reidentify: bool) -> Result<Search, Problem> {
        check_lengths(self.filters().map(|(_, filter)| filter))?;
        let is_open = |(name, _)| matches!(name, "actor" | "action" | "resource" | "ip");
        Ok(Search {
            source: self.source.clone(),
            actor: self.actor.clone(),
            action: self.action.clone(),
            class: self.class.clone(),
            status: self.status.clone(),
            resource: self.resource.clone(),
            ip: self.ip.clone(),
            from_ms: moment("from", self.from.as_deref())?,
            to_ms: moment("to", self.to.as_deref())?,
            order: match self.order {
                Some(OrderName::Asc) => Order::Ascending,
                Some(OrderName::Desc) | None => Order::Descending,
            },
            reidentify: reidentify && self.filters().any(is_open),
            person: None,
        })
    }
}

/// Searches records.
#[utoipa::path(get, path = "/api/v1/logs/{log}/records", tag = "reading", security(("token" = [])), params(("log" = String, Path), SearchBody),
    responses((status = 200, body = Page<RecordView>), (status = "4XX", body = Document)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(query): Query<SearchBody>,
) -> Result<axum::Json<Page<RecordView>>, Problem> {
    run(&app, &caller, &log, &query).await
}

/// The same, with the query in the body: query strings get logged on the way.
#[utoipa::path(post, path = "/api/v1/logs/{log}/records/search", tag = "reading", security(("token" = [])), params(("log" = String, Path)),
    request_body = SearchBody, responses((status = 200, body = Page<RecordView>), (status = "4XX", body = Document)))]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Path(log): Path<String>,
    Query(Nothing {}): Query<Nothing>,
    Json(query): Json<SearchBody>,
) -> Result<axum::Json<Page<RecordView>>, Problem> {
    run(&app, &caller, &log, &query).await
}

async fn run(
    app: &App,
    caller: &Principal,
    name: &str,
    query: &SearchBody,
) -> Result<axum::Json<Page<RecordView>>, Problem> {
    let log = app.records_for(caller, Role::Auditor, name)?;
    let limit = rows(query.limit)?;
    let search = query.search(caller.roles.contains(&Role::Reidentify))?;
    let bound_to = bound_to(name, &search);
    let after = match &query.cursor {
        Some(cursor) => Some(position(&app.cursors.open(&caller.id, &bound_to, cursor)?)?),
        None => None,
    };
    let page = log.search(&search, after, limit).await?;
    app.recording.read(caller, "records.search", &log, said(query, search.reidentify, &page.records)).await?;
    let next_cursor = match page.next {
        Some(Position { time_ms, index }) => {
            let bytes = [time_ms.to_be_bytes(), index.to_be_bytes()].concat();
            Some(app.cursors.seal(&caller.id, &bound_to, &bytes)?)
        }
        None => None,
    };
    Ok(axum::Json(Page { items: page.records.into_iter().map(RecordView::from).collect(), next_cursor }))
}

/// What the control log is told of a search: what was looked for, and what was found.
fn said(query: &SearchBody, reidentify: bool, found: &[Record]) -> Detail {
    let detail = query
        .filters()
        .fold(Detail::default(), |detail, (name, filter)| detail.text(&format!("filters.{name}"), filter));
    let detail = if reidentify { detail.flag("reidentify") } else { detail };
    let mut indices: Vec<u64> = found.iter().map(|record| record.index).collect();
    indices.sort_unstable();
    detail.number("found.records", indices.len() as u64).text("found.indices", &spans(&indices))
}

/// Ascending indices as spans: `3,7-9`.
fn spans(indices: &[u64]) -> String {
    let spans = indices.chunk_by(|left, right| left + 1 == *right);
    let span = |span: &[u64]| match span {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    };
    spans.map(span).collect::<Vec<_>>().join(",")
}

/// What a cursor is bound to: the log and all that is looked for. It is sealed over, never shown or logged.
fn bound_to(log: &str, search: &Search) -> String {
    let Search {
        source,
        actor,
        action,
        class,
        status,
        resource,
        ip,
        person,
        from_ms,
        to_ms,
        order,
        reidentify,
    } = search;
    let filters =
        (source, actor, action, class, status, resource, (ip, person), from_ms, to_ms, order, reidentify);
    format!("records {log} {filters:?}")
}

fn position(bytes: &[u8]) -> Result<Position, Problem> {
    let refused = || Problem::new(Slug::Cursor, "the cursor can't be read");
    let (time, index) = bytes.split_first_chunk::<8>().ok_or_else(refused)?;
    let index: [u8; 8] = index.try_into().map_err(|_| refused())?;
    Ok(Position { time_ms: i64::from_be_bytes(*time), index: u64::from_be_bytes(index) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_said_as_spans() {
        assert_eq!(spans(&[]), "");
        assert_eq!(spans(&[3, 7, 8, 9, 11]), "3,7-9,11");
    }
}
