//! What prompts hold, and how much of it.

use super::{Ear, Scripted, brief, says};
use crate::{
    answerer::{Answerer, Brief, Material, Observation, Source, Step, ToolSpec},
    model::ledger::estimate,
};
use taskgate_domain::queue::PastTurn;

const TOOLS: &[ToolSpec] = &[];

fn source(quality: f64, text: &str) -> Source {
    Source {
        url: "docs/a.md".to_owned(),
        title: format!("Of quality {quality}"),
        publisher: String::new(),
        text: text.to_owned(),
        credibility: 1.0,
        quality,
    }
}

fn turn(query: &str, answer: &str) -> PastTurn {
    PastTurn { query: query.to_owned(), answer: answer.to_owned() }
}

/// The messages of the only request.
fn messages(scripted: &Scripted) -> Vec<String> {
    let requests = scripted.requests();
    let messages = requests[0]["messages"].as_array().unwrap();
    messages.iter().map(|it| it["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_together_fits_a_small_context() {
    let scripted = Scripted::new([says("Yes.")]).await;
    let history: Vec<PastTurn> =
        (0..100).map(|n| turn(&format!("q{n}"), &"あ word ".repeat(500))).collect();
    let sources: Vec<Source> =
        (0..60_u32).map(|n| source(f64::from(n) / 60.0, &"long text ".repeat(500))).collect();
    let notes = vec!["note ".repeat(10_000); 4];
    let brief = Brief { history: &history, ..brief() };
    let material = Material { sources: &sources, notes: &notes };
    scripted.answerer().answer(&brief, &material, &Ear::default()).await.unwrap();
    let messages = messages(&scripted);
    let sent: i64 = messages.iter().map(|text| estimate(text) + 4).sum();
    assert!((12_000..12_400).contains(&sent), "{sent}");
    assert_eq!(messages[messages.len() - 3], "q99", "the newest turn is there");
    let last = messages.last().unwrap();
    assert!(last.contains("\n\n[60] ") && !last.contains("\n\n[1] "), "the best sources are there");
}

#[tokio::test]
async fn earlier_answers_are_told_without_their_citations() {
    let scripted = Scripted::new([says("Yes.")]).await;
    let history = [
        turn("Who?", "Aoki [1][2].\n\n## Sources\n[1] The bridge (docs/bridge.md)\n[2] B (b)"),
        turn("いつ？", "三月です[2]。\n\n## 出典\n[2] 橋 (docs/bridge.md)"),
    ];
    let brief = Brief { history: &history, ..brief() };
    scripted.answerer().answer(&brief, &Material::default(), &Ear::default()).await.unwrap();
    assert_eq!(messages(&scripted)[1..5], ["Who?", "Aoki.", "いつ？", "三月です。"]);
}

#[tokio::test]
async fn of_what_tools_have_said_the_newest_is_kept() {
    let scripted = Scripted::new([says("ready")]).await;
    let said = |n: usize| Observation {
        tool: "fetch_page".to_owned(),
        input: format!("http://example.org/{n}"),
        text: "word ".repeat(2000),
        sources: Vec::new(),
    };
    let done: Vec<Observation> = (0..50).map(said).collect();
    let step = scripted.answerer().next(&brief(), TOOLS, &done).await.unwrap().value;
    assert_eq!(step, Step::Answer);
    let last = messages(&scripted).pop().unwrap();
    assert!(estimate(&last) < 8100);
    assert!(last.contains("example.org/49") && !last.contains("example.org/1\n"));
}
