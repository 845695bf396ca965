//! What the offline answerer makes of real questions about the real documents.
//!
//! Run with `--nocapture` it prints every answer.

use super::*;
use crate::{
    answerer::{Allowance, ModelChoice},
    marks::renumbered,
};

/// A question, a section that must be among the first three sources, and words
/// that must be in the answer.
type Case = (&'static str, &'static str, &'static str);

const ENGLISH: &[Case] = &[
    (
        "How does taskgate keep a task from running twice?",
        "docs/worker-protocol.md#rules-of-a-lease",
        "A task may be run twice, never finished twice.",
    ),
    (
        "What does the exit code 3 of taskgate tasks watch mean?",
        "docs/command-line.md#watch",
        "Exit code 3: the task has failed.",
    ),
    ("How do I start taskgate?", "README.md#two-commands", "cargo run --release -- dev"),
    ("How do I back up the database?", "docs/operations.md#backup", "in the database"),
    (
        "What happens when a worker is killed?",
        "docs/architecture.md#when-something-breaks",
        "taken back by the reaper",
    ),
    ("What happens when a task is paused?", "docs/gateway-api.md#pause-and-resume", "paused"),
    (
        "How long does a key work after it is revoked?",
        "docs/gateway-keys.md#revoke-a-key",
        "five seconds",
    ),
    (
        "What is the rate limit of the gateway?",
        "docs/gateway-api.md#rate-limit",
        "100 requests in any 60 seconds",
    ),
    ("What is the default pool size?", "README.md#configuration", "Default: `16`"),
    ("Can I use taskgate without API keys?", "docs/operations.md#without-keys", "--no-auth"),
    ("Why is a cancel final?", "docs/decisions/0002-cancel-ends-a-task-at-once.md#", "Cancelling"),
    ("How does nginx have to be configured for streams?", "docs/operations.md#streams", "nginx"),
    ("What is an attempt?", "docs/architecture.md#claim-lease-attempt", "fencing number"),
    (
        "When are LLM_PARTIAL events deleted?",
        "docs/gateway-streams.md#events",
        "about a minute after the end",
    ),
    ("What does /readiness answer?", "docs/operations.md#health-and-readiness", "503"),
    ("Is total_count exact?", "README.md#guarantees", "exact"),
    ("How do I delete a session?", "docs/gateway-sessions.md#delete", "deleted session is hidden"),
    (
        "How do I write a worker in Python?",
        "docs/worker-protocol.md#a-worker-in-python",
        "Python 3",
    ),
    (
        "What do I do on 409 lease_lost?",
        "docs/worker-protocol.md#rules-of-a-lease",
        "drop the task",
    ),
    (
        "How often should a worker send a heartbeat?",
        "docs/worker-protocol.md#rules-of-a-lease",
        "a third of its length",
    ),
    (
        "How can a Rust program use taskgate without a web server?",
        "docs/embedding.md#embedding",
        "Rust program",
    ),
];

const JAPANESE: &[Case] = &[
    (
        "タスクを一時停止するとどうなりますか?",
        "docs/gateway-api.ja.md#一時停止と再開",
        "タスクは一時停止しています。",
    ),
    (
        "セッションを削除するとどうなりますか?",
        "docs/gateway-sessions.ja.md#削除",
        "見えなくなるだけ",
    ),
    ("レート制限は1分間に何回ですか?", "docs/gateway-api.ja.md#レート制限", "60 秒間に 100 回"),
    ("ストリームを再開するには?", "docs/gateway-streams.ja.md#再開", "Last-Event-ID"),
    ("APIキーを交換する方法を教えてください", "docs/gateway-keys.ja.md#キーの交換", "交換"),
    (
        "キャンセルしたタスクの結果はどうなりますか?",
        "docs/gateway-api.ja.md#タスクのキャンセル",
        "結果は受け付けられません",
    ),
    (
        "WebSocketのクローズコード1012の意味は?",
        "docs/gateway-streams.ja.md#websocket",
        "サーバーが停止する",
    ),
    (
        "ブラウザーからストリームを使うには?",
        "docs/gateway-streams.ja.md#ブラウザーから使う",
        "EventSource",
    ),
    ("Idempotency-Keyは何時間有効ですか?", "docs/gateway-api.ja.md#登録の再送", "24 時間以内"),
    ("タイトルは何文字までですか?", "docs/gateway-sessions.ja.md#タイトルの変更", "1〜60 文字"),
    ("401が返るのはどんなときですか?", "docs/gateway-api.ja.md#認証", "同じ 401 が返ります"),
    ("LLM_PARTIALはいつ削除されますか?", "docs/gateway-streams.ja.md#イベント", "約 1 分後"),
    ("実行モードにはどんな種類がありますか?", "docs/gateway-api.ja.md#実行モード", "SIMPLE"),
];

/// Nothing in the documents speaks of these.
const UNKNOWN: &[(&str, &str)] = &[
    ("What is the capital of France?", "Nothing found."),
    ("How do I bake a chocolate cake?", "Nothing found."),
    ("Does taskgate support Kafka?", "Nothing found."),
    ("Who won the world cup in 2018?", "Nothing found."),
    ("Is there a Kubernetes operator?", "Nothing found."),
    ("What is the password of the administrator?", "Nothing found."),
    ("日本の首都はどこですか?", "該当する記述は見つかりませんでした。"),
    ("カレーの作り方を教えてください", "該当する記述は見つかりませんでした。"),
    ("量子コンピューターとは何ですか?", "該当する記述は見つかりませんでした。"),
];

#[tokio::test]
async fn questions_in_english_are_answered_by_the_right_sections() {
    evaluate("English", ENGLISH).await;
}

#[tokio::test]
async fn questions_in_japanese_are_answered_by_the_right_sections() {
    evaluate("Japanese", JAPANESE).await;
}

#[tokio::test]
async fn questions_that_no_document_speaks_of_are_answered_plainly() {
    let offline = offline();
    for (question, expected) in UNKNOWN {
        assert_eq!(answer(&offline, question).await.text, *expected, "{question}");
    }
}

/// Asks all the questions and tells of all that went wrong, not of the first.
async fn evaluate(language: &str, cases: &[Case]) {
    let offline = offline();
    let mut failures = Vec::new();
    let (mut found, mut first) = (0, 0);
    for (question, section, words) in cases {
        let answer = answer(&offline, question).await;
        println!("{question}\n{}\n", answer.text);
        let mut marks = Vec::new();
        renumbered(&answer.text, |n| {
            if !marks.contains(&n) {
                marks.push(n);
            }
            Some(n)
        });
        assert!(marks.into_iter().eq(1..=answer.sources.len()), "{question}: {}", answer.text);
        let sources = offline.library.search(question, SECTIONS);
        let urls: Vec<&str> = sources.iter().map(|source| source.url.as_str()).collect();
        let place = urls.iter().take(3).position(|url| url.starts_with(section));
        found += usize::from(place.is_some());
        first += usize::from(place == Some(0));
        if place.is_none() {
            failures.push(format!("{question}: {section} is not among the first of {urls:?}"));
        }
        if !answer.text.contains(words) {
            failures.push(format!("{question}: {words:?} is not in {:?}", answer.text));
        }
    }
    let asked = cases.len();
    println!("{language}: {found} of {asked} among the first three, {first} the first");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn offline() -> Offline {
    Offline::new(Arc::new(Library::embedded().unwrap()))
}

async fn answer(offline: &Offline, question: &str) -> Answer {
    let brief = Brief {
        question,
        history: &[],
        instructions: None,
        model: &ModelChoice::default(),
        allowance: Allowance::default(),
    };
    offline.answer(&brief, &Material::default(), &Deaf).await.unwrap().value
}

struct Deaf;

#[async_trait]
impl Listener for Deaf {
    async fn hear(&self, _: &str) {}
}
