//! A scripted endpoint, and what is asked of it.

mod budgets;
mod failures;
mod process;
mod prompts;
mod steps;

use super::{ApiKey, BaseUrl, ModelAnswerer, ModelSettings, Models, Patience};
use crate::answerer::{
    Answer, AnswerError, Answerer, Brief, Listener, Material, ModelChoice, Reply,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const KEY: &str = "sk-never-to-be-seen";

/// What the endpoint does with a request.
#[derive(Clone)]
enum Act {
    /// Sends this and closes the connection.
    Send(String),
    /// Sends this and nothing more.
    Stall(String),
}

/// An endpoint that does one thing after another.
struct Scripted {
    settings: ModelSettings,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Scripted {
    async fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let seen = Arc::clone(&requests);
        let acts: Vec<Act> = acts.into_iter().collect();
        tokio::spawn(async move {
            // Connections that shall stall have to stay.
            let mut open = Vec::new();
            for act in acts {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = request(&mut stream).await;
                seen.lock().unwrap().push(request);
                let (Act::Send(text) | Act::Stall(text)) = &act;
                stream.write_all(text.as_bytes()).await.unwrap();
                if matches!(act, Act::Stall(_)) {
                    open.push(stream);
                }
            }
            std::future::pending::<()>().await;
        });
        Self { settings: settings(&url), requests }
    }

    fn answerer(&self) -> ModelAnswerer {
        ModelAnswerer::new(self.settings.clone()).unwrap()
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

fn settings(url: &str) -> ModelSettings {
    let mut settings = ModelSettings::new(
        BaseUrl::new(url).unwrap(),
        Models::new(Some("small".to_owned()), Some("medium".to_owned()), None).unwrap(),
    );
    settings.api_key = Some(ApiKey::new(KEY).unwrap());
    settings.prices = "medium=1/2".parse().unwrap();
    settings.patience = Patience {
        silence: Duration::from_secs(60),
        attempts: 3,
        backoff: Duration::from_micros(1),
        ..Patience::default()
    };
    settings
}

/// Reads a request and returns its body.
async fn request(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "a whole request");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
        assert!(head.contains(&format!("Bearer {KEY}")), "{head}");
        if let Ok(body) = serde_json::from_str(body) {
            return body;
        }
    }
}

/// A reply of this status, with headers and a JSON body.
fn status(status: &str, headers: &str, body: impl Into<String>) -> Act {
    let body = body.into();
    Act::Send(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         {headers}connection: close\r\n\r\n{body}",
        body.len()
    ))
}

/// The beginning of a stream with these texts.
fn begun(texts: &[&str]) -> String {
    let mut stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
         connection: close\r\n\r\n"
        .to_owned();
    for text in texts {
        stream += &event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
    }
    stream
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A stream with these texts that ends for a reason, having taken so much.
fn ended(texts: &[&str], finish: &str, usage: &Value) -> Act {
    let end = event(&json!({"choices": [{"delta": {}, "finish_reason": finish}]}));
    let usage = event(&json!({"choices": [], "usage": usage}));
    Act::Send(begun(texts) + &end + &usage + "data: [DONE]\n\n")
}

/// A whole answer.
fn says(text: &str) -> Act {
    ended(&[text], "stop", &json!({"prompt_tokens": 10, "completion_tokens": 5}))
}

/// Hears and keeps.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

#[async_trait]
impl Listener for Ear {
    async fn hear(&self, piece: &str) {
        self.0.lock().unwrap().push(piece.to_owned());
    }
}

impl Ear {
    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

const MEDIUM: &ModelChoice = &ModelChoice { tier: crate::answerer::Tier::Medium, name: None };

fn brief() -> Brief<'static> {
    Brief {
        question: "What is taskgate?",
        history: &[],
        instructions: None,
        model: MEDIUM,
        allowance: crate::answerer::Allowance { tokens: None, cost: None },
    }
}

async fn answer(answerer: &ModelAnswerer) -> Result<Reply<Answer>, AnswerError> {
    answerer.answer(&brief(), &Material::default(), &Ear::default()).await
}
