//! The steps of an answer and their failures at a real endpoint: a process that
//! speaks chat completions over HTTP.

use super::Ear;
use crate::{
    answerer::{
        Allowance, AnswerError, Answerer, Brief, Material, ModelChoice, Observation, Revision,
        Source, Step, ToolSpec,
    },
    model::{ApiKey, BaseUrl, ModelAnswerer, ModelSettings, Models, Patience},
};
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const KEY: &str = "sk-for-tests-only";

/// A process that ends with the test.
struct ModelServer {
    url: String,
    _process: Child,
}

impl ModelServer {
    async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/clients/python/model_server.py");
        let python = std::env::var("TASKGATE_TEST_PYTHON");
        let mut process = Command::new(python.as_deref().unwrap_or("python3"))
            .arg(script)
            .args(["--key", KEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("the server's port");
        Self { url: format!("http://127.0.0.1:{port}/v1"), _process: process }
    }

    fn settings(&self) -> ModelSettings {
        let models = Models::new(None, Some("test-model".to_owned()), None).unwrap();
        let mut settings = ModelSettings::new(BaseUrl::new(&self.url).unwrap(), models);
        settings.api_key = Some(ApiKey::new(KEY).unwrap());
        settings.prices = "test-model=0.5/1.5".parse().unwrap();
        settings.patience = Patience { backoff: Duration::from_micros(1), ..Patience::default() };
        settings
    }

    fn answerer(&self) -> ModelAnswerer {
        ModelAnswerer::new(self.settings()).unwrap()
    }
}

fn brief<'a>(question: &'a str, model: &'a ModelChoice) -> Brief<'a> {
    Brief { question, history: &[], instructions: None, model, allowance: Allowance::default() }
}

fn fault(kind: &str) -> ModelChoice {
    ModelChoice { name: Some(format!("fault:{kind}")), ..ModelChoice::default() }
}

fn sources() -> Vec<Source> {
    let source = |title: &str, text: &str| Source {
        url: format!("docs/{}.md", title.to_lowercase()),
        title: title.to_owned(),
        publisher: "taskgate documentation".to_owned(),
        text: text.to_owned(),
        credibility: 1.0,
        quality: 1.0,
    };
    vec![
        source("Limits", "A key may send 100 requests in 60 seconds. More are refused."),
        source("Keys", "Keys are stored as hashes. Nobody can read them."),
    ]
}

const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        name: "local_search",
        description: "Searches the documents.",
        parameter: "query",
        parameter_description: "What to look for.",
    },
    ToolSpec {
        name: "calculator",
        description: "Calculates.",
        parameter: "expression",
        parameter_description: "What to calculate.",
    },
];

#[tokio::test]
async fn a_question_is_planned_researched_answered_and_verified() {
    let server = ModelServer::start().await;
    let answerer = server.answerer();
    let model = ModelChoice::default();
    let brief = brief("How many requests may I send and how are keys kept?", &model);

    let plan = answerer.plan(&brief, 4, None).await.unwrap().value;
    assert_eq!(plan.questions, ["How many requests may I send", "how are keys kept"]);
    let revision = Revision { plan: &plan.text, feedback: "Look at bursts too" };
    let plan = answerer.plan(&brief, 2, Some(&revision)).await.unwrap().value;
    assert_eq!(plan.questions, ["Look at bursts too", "How many requests may I send"]);

    let step = answerer.next(&brief, TOOLS, &[]).await.unwrap().value;
    let Step::Use { tool, input } = step else { panic!("{step:?}") };
    assert_eq!((&*tool, &*input), ("local_search", brief.question));
    let done = Observation { tool, input, text: "[1] Limits".to_owned(), sources: sources() };
    let step = answerer.next(&brief, TOOLS, &[done]).await.unwrap().value;
    assert_eq!(step, Step::Answer);

    let sources = sources();
    let ear = Ear::default();
    let material = Material { sources: &sources, notes: &[] };
    let reply = answerer.answer(&brief, &material, &ear).await.unwrap();
    let text = reply.value.text;
    insta::assert_snapshot!(text, @"A key may send 100 requests in 60 seconds [1]. Keys are stored as hashes [2].");
    let heard = ear.heard();
    assert!(heard.len() > 5, "{heard:?}");
    assert_eq!(heard.concat(), text);
    insta::assert_debug_snapshot!(reply.call, @r#"
    ModelCall {
        provider: "custom",
        model: "test-model",
        tokens: Tokens {
            prompt: 151,
            completion: 20,
            total: 171,
        },
        cost: Usd(
            105500,
        ),
    }
    "#);

    let claims = answerer.verify(&brief, &text, &sources).await.unwrap().value;
    insta::assert_debug_snapshot!(claims, @r#"
    [
        Claim {
            text: "A key may send 100 requests in 60 seconds",
            supporting: [
                1,
            ],
            conflicting: [],
            confidence: 0.9,
        },
        Claim {
            text: "Keys are stored as hashes",
            supporting: [
                2,
            ],
            conflicting: [],
            confidence: 0.9,
        },
    ]
    "#);
    let facts = answerer.extract(&brief, &text, &sources).await.unwrap().value;
    insta::assert_debug_snapshot!(facts, @r#"
    [
        Fact {
            statement: "A key may send 100 requests in 60 seconds",
            confidence: 0.9,
            sources: [
                1,
            ],
            category: "number",
            entities: [],
            time: None,
            quantitative: true,
        },
        Fact {
            statement: "Keys are stored as hashes",
            confidence: 0.9,
            sources: [
                2,
            ],
            category: "product",
            entities: [
                "Keys",
            ],
            time: None,
            quantitative: false,
        },
    ]
    "#);
}

#[tokio::test]
async fn a_question_in_japanese_is_answered_in_japanese() {
    let server = ModelServer::start().await;
    let model = ModelChoice::default();
    let brief = brief("鍵はどう保管されますか。", &model);
    let mut sources = sources();
    sources[0].text = "鍵はハッシュとして保管されます。誰にも読めません。".to_owned();
    let material = Material { sources: &sources[..1], notes: &[] };
    let reply = server.answerer().answer(&brief, &material, &Ear::default()).await.unwrap();
    assert_eq!(reply.value.text, "鍵はハッシュとして保管されます [1]。");
}

#[tokio::test]
async fn a_tool_that_a_question_hints_at_is_called() {
    let server = ModelServer::start().await;
    for model in [ModelChoice::default(), fault("no-tools"), fault("plain")] {
        let brief = brief("What is 6 * 7?", &model);
        let step = server.answerer().next(&brief, TOOLS, &[]).await.unwrap().value;
        let expected = Step::Use { tool: "calculator".to_owned(), input: "6 * 7".to_owned() };
        assert_eq!(step, expected, "{model:?}");
    }
}

#[tokio::test]
async fn faults_that_pass_do_not_reach_the_answer() {
    let server = ModelServer::start().await;
    let answerer = server.answerer();
    for kind in [
        "down:2",
        "limited:1",
        "failing:2",
        "loading:1",
        "html:1",
        "cut:1",
        "broken:1",
        "error:1",
        "empty:1",
        "blank:1",
        "plain",
        "no-usage",
        "slow",
        "thinking",
    ] {
        let ear = Ear::default();
        let model = fault(kind);
        let reply = answerer
            .answer(&brief("Is anybody there?", &model), &Material::default(), &ear)
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(reply.value.text, "You asked: Is anybody there?", "{kind}");
        assert_eq!(ear.heard().concat(), reply.value.text, "{kind}");
        assert!(reply.call.tokens.prompt() > 20, "{kind}");
    }
}

#[tokio::test]
async fn json_is_found_in_what_stands_around_it() {
    let server = ModelServer::start().await;
    for (kind, questions) in [("fenced", 2), ("prose:1", 2), ("prose", 1)] {
        let model = fault(kind);
        let plan = server.answerer().plan(&brief("Why and how?", &model), 4, None).await.unwrap();
        assert_eq!(plan.value.questions.len(), questions, "{kind}");
    }
}

#[tokio::test]
async fn faults_that_last_are_told_in_a_sentence() {
    let server = ModelServer::start().await;
    let mut settings = server.settings();
    settings.patience.attempts = 2;
    settings.patience.silence = Duration::from_millis(200);
    let mut wrong_key = settings.clone();
    wrong_key.api_key = Some(ApiKey::new("sk-wrong").unwrap());
    let answerer = ModelAnswerer::new(settings).unwrap();
    let mut sentences = Vec::new();
    for kind in [
        "down", "limited", "failing", "loading", "html", "cut", "stall", "broken", "error",
        "empty", "blank", "refused", "unknown", "denied", "filtered",
    ] {
        let model = fault(kind);
        let brief = brief("Is anybody there?", &model);
        let answer = answerer.answer(&brief, &Material::default(), &Ear::default()).await;
        sentences.push(describe(kind, answer.unwrap_err()));
    }
    let model = ModelChoice::default();
    let answer = ModelAnswerer::new(wrong_key)
        .unwrap()
        .answer(&brief("Is anybody there?", &model), &Material::default(), &Ear::default())
        .await;
    sentences.push(describe("wrong key", answer.unwrap_err()));
    insta::assert_snapshot!(sentences.join("\n"), @"
    down: may pass: the model provider custom cannot be reached: connection closed before message completed (asked 2 times)
    limited: may pass: the model provider custom limits how much it is asked (429): Rate limit reached (asked 2 times)
    failing: may pass: the model provider custom failed (500): The server had an error (asked 2 times)
    loading: may pass: the model provider custom failed (503): Loading model (asked 2 times)
    html: may pass: the model provider custom failed (502) (asked 2 times)
    cut: may pass, paid for: the model provider custom broke off in the middle of its answer (asked 2 times)
    stall: may pass, paid for: the model provider custom stopped in the middle of its answer for 0.2 s (asked 2 times)
    broken: may pass, paid for: the model provider custom sent an answer that cannot be read as a chat completion (asked 2 times)
    error: may pass, paid for: the model provider custom reported an error in its answer: The server had an error (asked 2 times)
    empty: may pass, paid for: the model provider custom sent an empty answer (asked 2 times)
    blank: may pass, paid for: the model provider custom sent an empty answer (asked 2 times)
    refused: lasts: the model provider custom refuses the request (400): This prompt is too long
    unknown: lasts: the model provider custom knows no such model or address (404): The model does not exist
    denied: lasts: the model provider custom refuses the key (401)
    filtered: lasts, paid for: the model provider custom withheld the answer by its content filter
    wrong key: lasts: the model provider custom refuses the key (401)
    ");
}

fn describe(kind: &str, error: AnswerError) -> String {
    let (error, call) = error.split();
    let paid = if call.is_some() { ", paid for" } else { "" };
    match error {
        AnswerError::Unavailable(sentence) => format!("{kind}: may pass{paid}: {sentence}"),
        AnswerError::Refused(sentence) => format!("{kind}: lasts{paid}: {sentence}"),
        other => panic!("{kind}: {other:?}"),
    }
}

#[tokio::test]
async fn a_model_that_reached_its_limit_keeps_what_it_wrote() {
    let server = ModelServer::start().await;
    let model = fault("length");
    let brief = brief("Is anybody there?", &model);
    let reply =
        server.answerer().answer(&brief, &Material::default(), &Ear::default()).await.unwrap();
    assert_eq!(reply.value.text, "You asked: Is ");
}

#[tokio::test]
async fn whoever_tests_can_order_faults_and_read_what_was_asked() {
    let server = ModelServer::start().await;
    let control = reqwest::Client::new();
    let base = server.url.trim_end_matches("/v1");
    let fault = serde_json::json!({"kind": "failing", "times": 2});
    control.post(format!("{base}/fault")).json(&fault).send().await.unwrap();
    let model = ModelChoice::default();
    let brief = Brief { instructions: Some("Be kind."), ..brief("Is anybody there?", &model) };
    server.answerer().answer(&brief, &Material::default(), &Ear::default()).await.unwrap();
    let requests = control.get(format!("{base}/requests")).send().await.unwrap();
    let requests: Vec<serde_json::Value> = requests.json().await.unwrap();
    assert_eq!(requests.len(), 3);
    let system = requests[2]["messages"][0]["content"].as_str().unwrap();
    assert!(system.starts_with("Be kind.\n\n"), "{system}");
}

#[tokio::test]
async fn an_answer_keeps_within_its_budget_or_fails() {
    let server = ModelServer::start().await;
    let answerer = server.answerer();
    let model = ModelChoice::default();
    let sources = sources();
    let material = Material { sources: &sources, notes: &[] };
    let ask = async |tokens| {
        let allowance = Allowance { tokens, cost: None };
        let brief = Brief { allowance, ..brief("Is anybody there?", &model) };
        answerer.answer(&brief, &material, &Ear::default()).await
    };
    let total = ask(None).await.unwrap().call.tokens.total();
    assert_eq!(ask(Some(total)).await.unwrap().call.tokens.total(), total);

    let (error, call) = ask(Some(total - 1)).await.unwrap_err().split();
    assert!(matches!(error, AnswerError::OverBudget(_)), "{error:?}");
    assert!(call.unwrap().tokens.total() < total);

    let (error, call) = ask(Some(100)).await.unwrap_err().split();
    assert!(matches!(error, AnswerError::OverBudget(_)), "{error:?}");
    assert_eq!(call, None);
}
