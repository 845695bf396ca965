//! The worker protocol, step by step.

use crate::{Answer, Api, Server, eventually};
use serde_json::{Value, json};

/// A worker that does nothing unless it is told to.
#[derive(Clone)]
pub struct Worker {
    api: Api,
    lease_seconds: u32,
}

/// A task in the worker's hands.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The task's text id.
    pub id: String,
    /// The fencing number of the claim.
    pub attempt: i64,
    /// All that the claim told of the task.
    pub body: Value,
}

impl Worker {
    /// A worker of this server, with leases of 30 seconds.
    pub fn of(server: &Server) -> Self {
        Self { api: server.worker(), lease_seconds: 30 }
    }

    /// The same worker under another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { api: self.api.with_key(key), ..self.clone() }
    }

    /// The same worker with the shortest lease, 5 seconds.
    #[must_use]
    pub fn with_short_lease(&self) -> Self {
        Self { lease_seconds: 5, ..self.clone() }
    }

    /// Asks once for tasks of these kinds.
    pub async fn claim(&self, kinds: &[&str], max: u32, wait_seconds: u32) -> Vec<Claimed> {
        let body = json!({
            "worker_id": "test-worker", "kinds": kinds, "max": max,
            "lease_seconds": self.lease_seconds, "wait_seconds": wait_seconds,
        });
        let answer = self.api.post("/api/v1/worker/claim", &body).await.expect(200);
        let tasks = answer["tasks"].as_array().expect("a list of tasks");
        tasks.iter().map(Claimed::from_wire).collect()
    }

    /// Waits for a task of this kind.
    pub async fn claim_one(&self, kind: &str) -> Claimed {
        eventually("a task to claim", async || self.claim(&[kind], 1, 1).await.pop()).await
    }

    /// Sends a heartbeat with these further members.
    pub async fn heartbeat(&self, task: &Claimed, more: Value) -> Answer {
        self.report(task, "heartbeat", more).await
    }

    /// Records these events.
    pub async fn record(&self, task: &Claimed, events: Value) -> Answer {
        self.report(task, "events", json!({ "events": events })).await
    }

    /// Completes the task with this outcome.
    pub async fn complete(&self, task: &Claimed, outcome: Value) -> Answer {
        self.report(task, "complete", outcome).await
    }

    /// Fails the task.
    pub async fn fail(&self, task: &Claimed, error: &str, retry: bool) -> Answer {
        self.report(task, "fail", json!({ "error": error, "retry": retry })).await
    }

    /// Gives the task back, after so much was consumed.
    pub async fn release(&self, task: &Claimed, usage: Value) -> Answer {
        self.report(task, "release", json!({ "usage": usage })).await
    }

    /// Proposes this plan, and lets go of the task.
    pub async fn propose(&self, task: &Claimed, plan: Value) -> Answer {
        self.report(task, "plan", plan).await
    }

    /// Reports the ends of several tasks in one call.
    pub async fn finish(&self, items: Value) -> Answer {
        self.api.post("/api/v1/worker/finish", &json!({ "items": items })).await
    }

    async fn report(&self, task: &Claimed, what: &str, mut body: Value) -> Answer {
        body["attempt"] = task.attempt.into();
        self.api.post(&format!("/api/v1/worker/tasks/{}/{what}", task.id), &body).await
    }
}

impl Claimed {
    fn from_wire(body: &Value) -> Self {
        Self {
            id: body["task_id"].as_str().expect("a task id").to_owned(),
            attempt: body["attempt"].as_i64().expect("an attempt"),
            body: body.clone(),
        }
    }
}
