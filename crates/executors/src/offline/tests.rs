use std::{fs, sync::Mutex};

use taskgate_domain::queue::PastTurn;

use super::*;
use crate::answerer::{Allowance, Intent, ModelChoice};

const SEARCH: ToolSpec = tool("local_search");
const CALCULATOR: ToolSpec = tool("calculator");
const FETCH: ToolSpec = tool("fetch_page");

const fn tool(name: &'static str) -> ToolSpec {
    ToolSpec { name, description: "", parameter: "input", parameter_description: "" }
}

const MODEL: ModelChoice = ModelChoice { tier: crate::answerer::Tier::Medium, name: None };

fn brief(question: &str) -> Brief<'_> {
    Brief {
        question,
        history: &[],
        instructions: None,
        model: &MODEL,
        allowance: Allowance { tokens: Some(0), cost: Some(Usd::ZERO) },
    }
}

/// Remembers what it hears.
#[derive(Default)]
struct Ear(Mutex<String>);

#[async_trait]
impl Listener for Ear {
    async fn hear(&self, piece: &str) {
        self.0.lock().unwrap().push_str(piece);
    }
}

fn offline(files: &[(&str, &str)]) -> Offline {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut library = Library::empty();
    library.add_folder(folder.path()).unwrap();
    Offline::new(Arc::new(library))
}

fn birds() -> Offline {
    offline(&[(
        "birds.md",
        "# Birds\n\n## Storks\n\nStorks nest on roofs. They come back in March 2026.\n\n\
         ## Swifts\n\nSwifts sleep in the air.\n\n## Owls\n\nOwls hunt at night.\n",
    )])
}

fn source(text: &str) -> Source {
    Source {
        url: "https://example.org/a".to_owned(),
        title: "A page".to_owned(),
        publisher: "example.org".to_owned(),
        text: text.to_owned(),
        credibility: 0.5,
        quality: 1.0,
    }
}

async fn answer(offline: &Offline, question: &str, sources: &[Source], notes: &[&str]) -> Answer {
    let notes: Vec<String> = notes.iter().map(|&note| note.to_owned()).collect();
    let material = Material { sources, notes: &notes };
    let ear = Ear::default();
    let reply = offline.answer(&brief(question), &material, &ear).await.unwrap();
    assert_eq!(*ear.0.lock().unwrap(), reply.value.text);
    assert_eq!(
        (reply.call.provider.as_str(), reply.call.model.as_str()),
        ("taskgate", "extractive")
    );
    assert_eq!((reply.call.tokens, reply.call.cost), (Tokens::default(), Usd::ZERO));
    reply.value
}

async fn step(question: &str, done: &[Observation]) -> Step {
    let tools = [SEARCH, CALCULATOR, FETCH];
    birds().next(&brief(question), &tools, done).await.unwrap().value
}

fn use_of(tool: ToolSpec, input: &str) -> Step {
    Step::Use { tool: tool.name.to_owned(), input: input.to_owned() }
}

fn observed(tool: ToolSpec, input: &str, sources: Vec<Source>) -> Observation {
    Observation {
        tool: tool.name.to_owned(),
        input: input.to_owned(),
        text: String::new(),
        sources,
    }
}

#[tokio::test]
async fn an_answer_quotes_its_own_search_when_nothing_is_given() {
    let answer = answer(&birds(), "Where do storks nest?", &[], &[]).await;
    assert_eq!(answer.text, "Storks nest on roofs. [1] They come back in March 2026. [1]");
    assert_eq!(answer.sources[0].url, "file:birds.md#storks");
}

#[tokio::test]
async fn an_answer_quotes_what_is_given_and_nothing_else() {
    let given = [
        source("Nothing about it."),
        source("The weather was fine. Swifts fly at 110 km/h! Nobody knows why."),
    ];
    let found = answer(&birds(), "How fast do swifts fly?", &given, &[]).await;
    assert_eq!(found.text, "Swifts fly at 110 km/h! [2] Nobody knows why. [2]");
    assert_eq!(found.sources, given);
    let none = answer(&birds(), "Where do storks nest?", &given, &[]).await;
    assert_eq!(none.text, "Nothing found.");
}

#[tokio::test]
async fn an_answer_says_what_notes_know_once() {
    let calculated = answer(&birds(), "What is 6 * 7?", &[], &["6 * 7 = 42"]).await;
    assert_eq!(calculated.text, "6 * 7 = 42");
    let given = [source("Owls hunt at night."), source("Storks nest on roofs.")];
    let notes =
        ["Owls hunt at night. [1]", "Nothing found.", "Owls hunt at night. [1]\nStorks nest. [2]"];
    let synthesis = answer(&birds(), "What do owls and storks do?", &given, &notes).await;
    assert_eq!(synthesis.text, "Owls hunt at night. [1]\n\nStorks nest. [2]");
    let both = answer(&birds(), "When do owls hunt, and 6 * 7?", &given, &["6 * 7 = 42"]).await;
    assert_eq!(both.text, "6 * 7 = 42\n\nOwls hunt at night. [1]");
    let nothing =
        answer(&birds(), "夜の鳥は?", &[], &["該当する記述は見つかりませんでした。"]).await;
    assert_eq!(nothing.text, "該当する記述は見つかりませんでした。");
}

#[tokio::test]
async fn a_question_that_says_too_little_is_read_with_the_one_before() {
    let history = [PastTurn {
        query: "Where do storks nest?".to_owned(),
        answer: "Storks nest on roofs.".to_owned(),
    }];
    let brief = Brief { history: &history, ..brief("And when?") };
    let reply = birds().answer(&brief, &Material::default(), &Ear::default()).await.unwrap();
    assert!(reply.value.text.starts_with("Storks nest on roofs. [1]"), "{}", reply.value.text);
    let step = birds().next(&brief, &[SEARCH], &[]).await.unwrap().value;
    assert_eq!(step, use_of(SEARCH, "Where do storks nest?\nAnd when?"));
}

#[tokio::test]
async fn a_sum_is_calculated() {
    for (question, sum) in [
        ("What is 12*(3+4)?", "12*(3+4)"),
        ("Calculate 1,000 / 8 please", "1000 / 8"),
        ("What is 7/2?", "7/2"),
        ("3.5 × 2 は?", "3.5 * 2"),
        ("10 ÷ 4 の結果は?", "10 / 4"),
        ("6 * 7 はいくつですか?", "6 * 7"),
        ("When do owls hunt, and what is 2^10?", "2^10"),
    ] {
        assert_eq!(step(question, &[]).await, use_of(CALCULATOR, sum), "{question}");
    }
    let done = [observed(CALCULATOR, "12*(3+4)", Vec::new())];
    assert_eq!(step("What is 12*(3+4)?", &done).await, Step::Answer);
    assert_eq!(step("12*(3+4) はいくつですか?", &done).await, Step::Answer);
    let question = "When do owls hunt, and what is 2^10?";
    assert_eq!(step(question, &done).await, use_of(SEARCH, question));
}

#[tokio::test]
async fn dates_ranges_and_lone_numbers_are_no_sums() {
    for question in [
        "What happened on 2026-11-22?",
        "Are owls awake 24/7?",
        "What does exit code 3 mean?",
        "What is limit - offset?",
        "Which pages are 10-20?",
    ] {
        assert_eq!(step(question, &[]).await, use_of(SEARCH, question), "{question}");
    }
}

#[tokio::test]
async fn pages_that_the_question_names_are_fetched_each_once() {
    let question = "Compare https://example.org/a?b=1+2 and (http://example.org/c).";
    let first = use_of(FETCH, "https://example.org/a?b=1+2");
    assert_eq!(step(question, &[]).await, first);
    let mut done = vec![observed(FETCH, "https://example.org/a?b=1+2", Vec::new())];
    assert_eq!(step(question, &done).await, use_of(FETCH, "http://example.org/c"));
    done.push(observed(FETCH, "http://example.org/c", Vec::new()));
    assert_eq!(step(question, &done).await, use_of(SEARCH, question));
    done[0].sources.push(source("Found."));
    assert_eq!(step(question, &done).await, Step::Answer);
}

#[tokio::test]
async fn a_search_is_made_once_and_then_answered() {
    let question = "Where do storks nest?";
    assert_eq!(step(question, &[]).await, use_of(SEARCH, question));
    let done = [observed(SEARCH, question, Vec::new())];
    assert_eq!(step(question, &done).await, Step::Answer);
    let without_tools = birds().next(&brief("What is 1 + 1?"), &[], &[]).await.unwrap().value;
    assert_eq!(without_tools, Step::Answer);
}

async fn plan(question: &str, breadth: usize) -> Plan {
    birds().plan(&brief(question), breadth, None).await.unwrap().value
}

#[tokio::test]
async fn a_plan_takes_a_question_apart() {
    let made = plan("Where do storks nest and when do owls hunt? How do swifts sleep?", 4).await;
    assert_eq!(
        made.questions,
        ["Where do storks nest", "when do owls hunt?", "How do swifts sleep?"]
    );
    assert_eq!(
        made.text,
        "The documents will be searched for:\n1. Where do storks nest\n2. when do owls hunt?\n\
         3. How do swifts sleep?"
    );
    assert_eq!(plan("A storks? B owls? C swifts?", 2).await.questions.len(), 2);
    let dependent = plan("Where do storks nest, and why?", 4).await.questions;
    assert_eq!(dependent, ["Where do storks nest, why?"]);
    let japanese = plan("一時停止とは何ですか?再開の方法は?", 4).await;
    assert_eq!(japanese.questions, ["一時停止とは何ですか?再開の方法は?"]);
}

#[tokio::test]
async fn a_plan_for_one_question_follows_the_sections_about_it() {
    let storks = offline(&[(
        "storks.md",
        "# Storks\n\n## Nests\n\nStorks nest on roofs.\n\n## Young\n\nYoung storks do not nest.\n",
    )]);
    let made = storks.plan(&brief("Do storks nest?"), 3, None).await.unwrap().value;
    assert_eq!(
        made.questions,
        ["Do storks nest? (Storks › Nests)", "Do storks nest? (Storks › Young)"]
    );
    assert_eq!(plan("What is love?", 3).await.questions, ["What is love?"]);
    assert_eq!(plan("", 0).await.questions.len(), 1);
}

#[tokio::test]
async fn a_remark_adds_to_the_plan_or_accepts_it() {
    let earlier = "The documents will be searched for:\n1. one thing\n2. another thing";
    let revised = async |feedback: &'static str| {
        let revision = Revision { plan: earlier, feedback };
        birds().plan(&brief("Q?"), 2, Some(&revision)).await.unwrap().value
    };
    let more = revised("Look at owls too").await;
    assert_eq!(more.questions, ["one thing", "Look at owls too"]);
    assert_eq!(more.intent, Intent::Feedback);
    let ready = revised("Looks good to me").await;
    assert_eq!((ready.questions.len(), ready.intent), (2, Intent::Ready));
    assert_eq!(revised("OK, go ahead").await.intent, Intent::Execute);
    assert_eq!(revised("実行してください").await.intent, Intent::Execute);
    assert_eq!(revised("問題ありません").await.intent, Intent::Ready);
}

#[tokio::test]
async fn claims_are_supported_or_contradicted_word_by_word() {
    let sources = [
        source("Storks nest on roofs. There are 12 nests in the old town."),
        source("There are 15 nests in the old town. Storks do not nest on roofs."),
    ];
    let text = "Storks nest on roofs. [1] There are 12 nests in the old town. [1][2]\n\
                Whales sing in the deep sea.";
    let claims = birds().verify(&brief("Q?"), text, &sources).await.unwrap().value;
    let told: Vec<(&str, &[usize], &[usize])> = claims
        .iter()
        .map(|it| (it.text.as_str(), &it.supporting[..], &it.conflicting[..]))
        .collect();
    assert_eq!(
        told,
        [
            ("Storks nest on roofs.", &[1][..], &[2][..]),
            ("There are 12 nests in the old town.", &[1], &[2]),
            ("Whales sing in the deep sea.", &[], &[]),
        ]
    );
    assert!(claims[0].confidence > 0.9 && claims[2].confidence < 0.5);
}

#[tokio::test]
async fn facts_are_what_has_a_number_a_name_or_a_date() {
    let text = "The town is nice. It has 12 nests. [1] Storks came back on 2026-03-01. [1] \
                The mayor is Anna Schmidt. [2]";
    let sources = [source("It has 12 nests."), source("The mayor is Anna Schmidt.")];
    let facts = birds().extract(&brief("Q?"), text, &sources).await.unwrap().value;
    let told: Vec<(&str, &str, &[usize])> = facts
        .iter()
        .map(|it| (it.statement.as_str(), it.category.as_str(), &it.sources[..]))
        .collect();
    assert_eq!(
        told,
        [
            ("It has 12 nests.", "number", &[1][..]),
            ("Storks came back on 2026-03-01.", "date", &[1]),
            ("The mayor is Anna Schmidt.", "name", &[2]),
        ]
    );
    assert_eq!(facts[1].time.as_deref(), Some("2026-03-01"));
    assert!(facts[0].quantitative && !facts[2].quantitative);
    assert_eq!(facts[2].entities, ["Anna Schmidt"]);
}

#[tokio::test]
async fn no_text_is_too_long_or_too_strange() {
    let long = "Where do storks nest (and why) [1]? ".repeat(300_000);
    let offline = birds();
    for question in
        [long.as_str(), "", "\0\u{1b}]0;x\u{7}", "AND (", "title:", "(((((1+", "[9999999]"]
    {
        let given = [source(question), source("\u{1b}[31mstorks nest\u{0} here\u{202e}")];
        answer(&offline, question, &[], &[]).await;
        let quoted = answer(&offline, "Where do storks nest?", &given, &[]).await.text;
        assert!(!quoted.contains(char::is_control), "{quoted:?}");
        let brief = brief(question);
        offline.next(&brief, &[SEARCH, CALCULATOR, FETCH], &[]).await.unwrap();
        let revision = Revision { plan: question, feedback: question };
        let planned = offline.plan(&brief, 3, Some(&revision)).await.unwrap().value;
        assert!((1..=3).contains(&planned.questions.len()));
        offline.verify(&brief, question, &given).await.unwrap();
        offline.extract(&brief, question, &given).await.unwrap();
    }
    let empty = Offline::new(Arc::new(Library::empty()));
    assert_eq!(answer(&empty, "Where do storks nest?", &[], &[]).await.text, "Nothing found.");
}

#[tokio::test]
async fn a_source_cites_no_other_by_marks_of_its_own() {
    let storks = source("Storks nest on roofs[2], as is known [1, 2]. Storks fly [9].");
    let sources = [storks, source("Nothing of interest.")];
    let answer = answer(&birds(), "Where do storks nest?", &sources, &[]).await;
    assert!(answer.text.starts_with("Storks nest on roofs, as is known. [1]"), "{}", answer.text);
    assert!(!answer.text.contains("[2]"), "{}", answer.text);
}
