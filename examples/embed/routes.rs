//! HTTP: what a client may ask, and what it is told.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{delete, get, post},
};
use eks_core::{Action, Owner, Plan, SpecError, Verdict};
use eks_examples::environment::Failure;
use serde_json::{Value, json};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};

use crate::desk::{Busy, Desk, Wish};

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/environments", post(plan))
        .route("/environments/{owner}", delete(tear_down))
        .route("/environments/{owner}/run", post(start).delete(stop))
        .route("/environments/{owner}/events", get(events))
        .with_state(desk)
}

async fn plan(State(desk): State<Arc<Desk>>, Json(wish): Json<Wish>) -> Result<Response, Refusal> {
    let plan = desk.plan(wish).await?;
    Ok((StatusCode::CREATED, Json(shown(&plan))).into_response())
}

async fn start(State(desk): State<Arc<Desk>>, Path(owner): Path<Owner>) -> Result<Response, Refusal> {
    desk.start(&owner).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"events": format!("/environments/{owner}/events")}))).into_response())
}

async fn stop(State(desk): State<Arc<Desk>>, Path(owner): Path<Owner>) -> Response {
    match desk.stop(&owner).await {
        true => StatusCode::NO_CONTENT.into_response(),
        false => told(StatusCode::NOT_FOUND, json!({"error": "nothing runs"})),
    }
}

async fn events(State(desk): State<Arc<Desk>>, Path(owner): Path<Owner>) -> Response {
    let Some(events) = desk.listen(&owner).await else {
        return told(StatusCode::NOT_FOUND, json!({"error": "no run: POST /environments/{owner}/run first"}));
    };
    let events = UnboundedReceiverStream::new(events).map(|event| {
        let name = event["event"].as_str().unwrap_or("message").to_owned();
        Ok::<_, Infallible>(Event::default().event(name).data(event.to_string()))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

async fn tear_down(State(desk): State<Arc<Desk>>, Path(owner): Path<Owner>) -> Result<Response, Refusal> {
    let verdict = desk.tear_down(&owner).await?;
    let word = if verdict.is_clean() { "clean" } else { "leaked" };
    Ok(Json(json!({"verdict": word, "survivors": survivors(&verdict)})).into_response())
}

/// A plan for a client that shows it to a person.
fn shown(plan: &Plan) -> Value {
    let count = |action| plan.steps().iter().filter(|step| step.action == action).count();
    json!({
        "owner": plan.owner(), "create": count(Action::Create), "update": count(Action::Update), "keep": count(Action::Keep),
        "seconds": plan.critical_path().0.as_secs(), "usd_per_month": (plan.usd_per_month() * 100.0).round() / 100.0,
        "steps": plan.changes().map(|step| json!({"key": step.key, "title": step.title, "seconds": step.typical.as_secs()})).collect::<Vec<_>>(),
        "findings": plan.findings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "iam_actions": plan.iam_actions(),
    })
}

fn survivors(verdict: &Verdict) -> Vec<Value> {
    let told = verdict.survivors().iter();
    told.map(|it| json!({"kind": it.kind, "id": it.id, "why": it.why, "remedy": it.remedy, "usd_per_month": it.usd_per_month})).collect()
}

fn told(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

/// Why something was not done: something else is being done, what was asked for breaks rules, all of which are told, or AWS did not do as
/// it was asked.
struct Refusal(Failure);

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Some(busy) = self.0.downcast_ref::<Busy>() {
            return told(StatusCode::CONFLICT, json!({"error": busy.to_string()}));
        }
        let Some(SpecError { spec, problems, .. }) = self.0.downcast_ref() else {
            return told(StatusCode::BAD_GATEWAY, json!({"error": self.0.to_string()}));
        };
        let problems = problems.iter().map(|it| json!({"code": it.code, "subject": it.subject, "rule": it.rule, "remedy": it.remedy}));
        told(StatusCode::UNPROCESSABLE_ENTITY, json!({"error": spec, "problems": problems.collect::<Vec<_>>()}))
    }
}
