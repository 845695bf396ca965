//! What goes wrong at an endpoint.

use super::{Act, Ear, KEY, Scripted, answer, begun, brief, ended, event, says, settings, status};
use crate::{
    answerer::{AnswerError, Answerer, Material},
    model::{ModelAnswerer, Patience},
};
use serde_json::json;
use std::time::{Duration, Instant};
use taskgate_domain::usage::Tokens;
use tokio::net::TcpListener;

/// The sentence of a failure that may pass, after so many requests.
async fn unavailable(act: Act, change: impl FnOnce(&mut Patience)) -> String {
    let mut scripted = Scripted::new(vec![act; 3]).await;
    change(&mut scripted.settings.patience);
    let (error, _) = answer(&scripted.answerer()).await.unwrap_err().split();
    assert_eq!(scripted.requests().len(), 3, "{error}");
    let AnswerError::Unavailable(sentence) = error else { panic!("{error:?}") };
    assert!(!sentence.contains(KEY), "{sentence}");
    sentence
}

/// The sentence of a failure that is not tried again.
async fn refused(act: Act) -> String {
    let scripted = Scripted::new([act]).await;
    let (error, _) = answer(&scripted.answerer()).await.unwrap_err().split();
    let AnswerError::Refused(sentence) = error else { panic!("{error:?}") };
    assert!(!sentence.contains(KEY), "{sentence}");
    sentence
}

fn error(message: &str) -> String {
    json!({"error": {"message": message, "type": "x", "code": 1}}).to_string()
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let mut settings = settings(&url);
    settings.provider = Some("acme".to_owned());
    let error = answer(&ModelAnswerer::new(settings).unwrap()).await.unwrap_err();
    insta::assert_snapshot!(error, @"the model provider acme cannot be reached: the connection was refused (asked 3 times)");
    assert!(matches!(error, AnswerError::Unavailable(_)));
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let wrong_key = error(&format!("Incorrect API key provided: {KEY}"));
    let quota = r#"{"error": {"message": "Check your plan", "code": "insufficient_quota"}}"#;
    let acts = [
        status("401 Unauthorized", "", wrong_key),
        status("403 Forbidden", "", "<html>go away</html>"),
        status("404 Not Found", "", error("model 'medium' not found")),
        status("400 Bad Request", "", r#"{"detail": "too\nlong"}"#),
        status("307 Temporary Redirect", "location: http://[::1]/\r\n", ""),
        status("429 Too Many Requests", "", quota),
        ended(&["half"], "content_filter", &json!(null)),
        ended(&[], "length", &json!(null)),
    ];
    let mut sentences = Vec::new();
    for act in acts {
        sentences.push(refused(act).await);
    }
    insta::assert_snapshot!(sentences.join("\n"), @"
    the model provider custom refuses the key (401)
    the model provider custom refuses the key (403)
    the model provider custom knows no such model or address (404): model 'medium' not found
    the model provider custom refuses the request (400): too long
    the model provider custom answers with a redirect, which is not followed (307)
    the model provider custom limits how much it is asked (429): Check your plan
    the model provider custom withheld the answer by its content filter
    the model provider custom reached the model's limit of tokens before any text
    ");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let out_of_memory = event(&json!({"error": {"message": "out of memory"}}));
    let acts = [
        status("429 Too Many Requests", "", error("slow down")),
        status("503 Service Unavailable", "", error("Loading model")),
        status("200 OK", "", "{\"choices\": ["),
        status("200 OK", "", "{\"choices\": []}"),
        ended(&[" "], "stop", &json!(null)),
        Act::Send(String::new()),
        Act::Send(begun(&["half"])),
        Act::Send(begun(&["half"]) + "data: {\"choices\": [\n\n"),
        Act::Send(begun(&["half"]) + &out_of_memory),
    ];
    let mut sentences = Vec::new();
    for act in acts {
        sentences.push(unavailable(act, |_patience| {}).await);
    }
    insta::assert_snapshot!(sentences.join("\n"), @"
    the model provider custom limits how much it is asked (429): slow down (asked 3 times)
    the model provider custom failed (503): Loading model (asked 3 times)
    the model provider custom sent an answer that cannot be read as a chat completion (asked 3 times)
    the model provider custom sent an empty answer (asked 3 times)
    the model provider custom sent an empty answer (asked 3 times)
    the model provider custom cannot be reached: connection closed before message completed (asked 3 times)
    the model provider custom broke off in the middle of its answer (asked 3 times)
    the model provider custom sent an answer that cannot be read as a chat completion (asked 3 times)
    the model provider custom reported an error in its answer: out of memory (asked 3 times)
    ");
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up() {
    const SHORT: Duration = Duration::from_millis(300);
    let sentences = [
        unavailable(Act::Stall(String::new()), |patience| patience.silence = SHORT).await,
        unavailable(Act::Stall(begun(&["half"])), |patience| patience.silence = SHORT).await,
    ];
    insta::assert_snapshot!(sentences.join("\n"), @"
    the model provider custom did not begin to answer within 0.3 s (asked 3 times)
    the model provider custom stopped in the middle of its answer for 0.3 s (asked 3 times)
    ");
}

#[tokio::test]
async fn an_answer_comes_after_passing_failures() {
    let scripted = Scripted::new([
        status("500 Internal Server Error", "", ""),
        status("502 Bad Gateway", "", "<html>"),
        says("Yes."),
    ])
    .await;
    let reply = answer(&scripted.answerer()).await.unwrap();
    assert_eq!(reply.value.text, "Yes.");
    assert_eq!(reply.call.tokens, Tokens::new(10, 5, None).unwrap());
}

#[tokio::test]
async fn an_endpoint_is_left_alone_as_long_as_it_asks() {
    let busy = |header| status("429 Too Many Requests", header, "");
    let scripted = Scripted::new([busy("retry-after: 1\r\n"), says("Yes.")]).await;
    let begin = Instant::now();
    answer(&scripted.answerer()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_answer_that_broke_off_is_told_once_and_paid_twice() {
    let scripted =
        Scripted::new([Act::Send(begun(&["task", "gate "])), says("taskgate keeps tasks.")]).await;
    let ear = Ear::default();
    let reply = scripted.answerer().answer(&brief(), &Material::default(), &ear).await.unwrap();
    assert_eq!(reply.value.text, "taskgate keeps tasks.");
    assert_eq!(ear.heard(), ["task", "gate ", "keeps tasks."]);
    let tokens = reply.call.tokens;
    assert!(tokens.prompt() > 10 + 20, "{tokens:?}");
    assert_eq!(tokens.completion(), 5 + 3);
}

#[tokio::test]
async fn a_failure_after_some_text_says_what_was_consumed() {
    let scripted = Scripted::new(vec![Act::Send(begun(&["half an answer"])); 3]).await;
    let (_, call) = answer(&scripted.answerer()).await.unwrap_err().split();
    let call = call.unwrap();
    assert_eq!((&*call.provider, &*call.model), ("custom", "medium"));
    assert_eq!(call.tokens.completion(), 3 * 4);
    assert!(call.cost.nanos() > 0);
}

#[tokio::test]
async fn whoever_stops_waiting_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answerer =
        ModelAnswerer::new(settings(&format!("http://{}/v1", listener.local_addr().unwrap())))
            .unwrap();
    let asking = tokio::spawn(async move { answer(&answerer).await.map(drop) });
    let (mut stream, _) = listener.accept().await.unwrap();
    super::request(&mut stream).await;
    asking.abort();
    let mut byte = [0];
    let end = tokio::io::AsyncReadExt::read(&mut stream, &mut byte).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}
