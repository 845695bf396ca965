//! An endpoint of chat completions, as a process of its own.

use crate::{api, client};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

/// `clients/python/model_server.py`, which says what it answers and which
/// faults its models have. It ends when it is dropped.
pub struct ModelServer {
    /// It ends with its standard input.
    process: Child,
    base: String,
}

impl ModelServer {
    /// An endpoint on a free port, without a key.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// An endpoint that refuses whoever has another key.
    pub fn with_key(key: &str) -> Self {
        Self::start_with(&["--key", key])
    }

    fn start_with(args: &[&str]) -> Self {
        let mut process = client::python("model_server.py")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python can be started");
        let mut port = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut port).expect("the endpoint's port");
        Self { process, base: format!("http://127.0.0.1:{}", port.trim()) }
    }

    /// What `--model-base-url` takes.
    pub fn url(&self) -> String {
        format!("{}/v1", self.base)
    }

    /// The bodies of all requests so far.
    pub async fn requests(&self) -> Vec<Value> {
        self.read("/requests").await
    }

    /// What all answers so far have taken: a model and its tokens for each.
    pub async fn usages(&self) -> Vec<Value> {
        self.read("/usages").await
    }

    /// How many answers are under way.
    pub async fn running(&self) -> u64 {
        self.read("/running").await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = api::http().get(format!("{}{path}", self.base)).send().await;
        let answer = answer.expect("an answer");
        let text = answer.text().await.expect("a body");
        serde_json::from_str(&text).expect("what was asked for")
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
