//! Talking to a face of the server.

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;
use std::{sync::LazyLock, time::Duration};

/// The key that `taskgate dev` accepts with every scope.
pub const DEV_KEY: &str = "sk_test_123456";

/// One client for all, for to make one is to read the certificates of the whole
/// web. It keeps no connection: that would belong to the runtime of one test.
pub(crate) fn http() -> reqwest::Client {
    static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0);
        client.timeout(Duration::from_secs(60)).build().expect("an HTTP client")
    });
    HTTP.clone()
}

/// A caller of one face, with or without a key.
#[derive(Clone)]
pub struct Api {
    base: String,
    key: Option<String>,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Api {
    /// A caller of the face at this address.
    pub(crate) fn new(base: String, key: Option<&str>) -> Self {
        Self { base, key: key.map(str::to_owned), http: http() }
    }

    /// The same face under another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The same face without a key.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// `http://HOST:PORT` of the face.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `HOST:PORT` of the face.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Sends a GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends a JSON body by POST.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    /// Sends a JSON body by POST, with further headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.send(Method::POST, path, headers, Some(body.to_string())).await
    }

    /// Sends a request of any kind; the body, if any, is declared as JSON.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let what = format!("{method} {path}");
        self.try_send(method, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// Like [`send`](Self::send), for a server that may be gone.
    ///
    /// # Errors
    /// When no complete answer came.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// Submits a task to the gateway and returns its id.
    pub async fn submit(&self, body: &Value) -> String {
        let task = self.post("/api/v1/tasks", body).await.expect(200);
        task["task_id"].as_str().expect("a task id").to_owned()
    }

    /// Submits a query to the gateway and returns the task's id.
    pub async fn ask(&self, query: &str) -> String {
        self.submit(&serde_json::json!({ "query": query })).await
    }

    /// Reads a task of the gateway.
    pub async fn task(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/tasks/{id}")).await.expect(200)
    }

    /// Submits a job to the research face and returns its number; without
    /// `params` it has none.
    pub async fn submit_job(&self, body: &Value) -> i64 {
        let mut body = body.clone();
        if body.get("params").is_none() {
            body["params"] = serde_json::json!({});
        }
        let answer = self.post("/api/v1/tasks", &body).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        answer.json()["data"]["id"].as_i64().expect("a task number")
    }

    /// Reads a job of the research face.
    pub async fn job(&self, id: i64) -> Value {
        self.get(&format!("/api/v1/tasks/{id}")).await.expect(200)["data"].clone()
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// A header that must be there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().expect("a header of text")
    }

    /// The status and the body's exact text, to be compared as a whole.
    pub fn bytes(&self) -> (u16, &str) {
        (self.status, &self.text)
    }
}
