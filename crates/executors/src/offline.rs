//! Answers without a model, by quoting documents.

mod fact;
mod plan;
mod quote;
mod sentence;
mod step;
mod support;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use regex::Regex;
use taskgate_domain::usage::{Tokens, Usd};

use self::{
    fact::facts,
    plan::make_plan,
    quote::{Quote, quotes},
    sentence::cited,
    step::next_step,
    support::claims,
};
use crate::{
    answerer::{
        Answer, AnswerError, Answerer, Brief, Claim, Fact, Listener, Material, ModelCall,
        Observation, Plan, Reply, Revision, Source, Step, ToolSpec,
    },
    apart::apart,
    library::{Library, is_unspaced},
    marks::ByFirstUse,
};

/// Sections that an answer is made from when it has to find them itself.
const SECTIONS: usize = 5;

/// Answers questions by the sentences of a library that fit them best, word for
/// word and each with its source. It calls no model, costs nothing and says so:
/// its provider is `taskgate`, its model `extractive`, its tokens are zero.
///
/// No step fails, and no text is too long or too strange for it.
#[derive(Clone)]
pub struct Offline {
    library: Arc<Library>,
}

impl Offline {
    /// Answers by this library.
    pub const fn new(library: Arc<Library>) -> Self {
        Self { library }
    }

    /// What a brief asks for. A question that says too little by itself ("And
    /// how long?") is read together with the one before it.
    async fn asked(&self, brief: &Brief<'_>) -> String {
        let alone = brief.question.to_owned();
        let Some(before) = brief.history.last() else { return alone };
        let together = format!("{}\n{alone}", before.query);
        let library = self.library.clone();
        let choose = move || {
            let is_met = |question: &str| !library.search(question, 1).is_empty();
            if !is_met(&alone) && is_met(&together) { together } else { alone }
        };
        apart(choose).await
    }

    /// An answer by what is given: what the notes say, and where they cite
    /// nothing, the words of the sources.
    fn by_material(&self, asked: &str, material: &Material<'_>) -> String {
        let mut text = from_notes(material.notes);
        if !has_citation(&text) {
            let quotes = quotes(&self.library.question(asked), material.sources);
            let quoted = written(&quotes, Some);
            if !text.is_empty() && !quoted.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(&quoted);
        }
        text
    }

    /// Finds sources, and answers in their words; they are those that it quotes,
    /// in the order in which it does.
    fn found(&self, asked: &str) -> (String, Vec<Source>) {
        let found = self.library.search(asked, SECTIONS);
        let quotes = quotes(&self.library.question(asked), &found);
        let mut uses = ByFirstUse::of(found.len());
        let text = written(&quotes, |n| uses.number(n));
        (text, uses.used().filter_map(|n| found.get(n - 1)).cloned().collect())
    }
}

/// Quotes with the marks of their sources, which `number` gives their numbers.
fn written(quotes: &[Quote], mut number: impl FnMut(usize) -> Option<usize>) -> String {
    let mut text = String::new();
    let mut last: Option<&Quote> = None;
    for quote in quotes {
        text.push_str(match last {
            None => "",
            // Rows and items stand on lines of their own.
            Some(last) if last.source == quote.source && !last.alone && !quote.alone => {
                if text.ends_with(is_unspaced) { "" } else { " " }
            }
            Some(last) if last.source == quote.source => "\n",
            Some(_) => "\n\n",
        });
        text.push_str(&quote.text);
        if !quote.text.ends_with(['。', '！', '？']) {
            text.push(' ');
        }
        if let Some(number) = number(quote.source + 1) {
            text.push_str(&format!("[{number}]"));
        }
        last = Some(quote);
    }
    text
}

#[async_trait]
impl Answerer for Offline {
    async fn plan(
        &self,
        brief: &Brief<'_>,
        breadth: usize,
        revision: Option<&Revision<'_>>,
    ) -> Result<Reply<Plan>, AnswerError> {
        let (library, asked) = (self.library.clone(), self.asked(brief).await);
        let revision = revision.map(|it| (it.plan.to_owned(), it.feedback.to_owned()));
        let plan = move || {
            let revision = revision.as_ref().map(|(plan, feedback)| Revision { plan, feedback });
            make_plan(&library, &asked, breadth, revision.as_ref())
        };
        Ok(reply(apart(plan).await))
    }

    async fn next(
        &self,
        brief: &Brief<'_>,
        tools: &[ToolSpec],
        done: &[Observation],
    ) -> Result<Reply<Step>, AnswerError> {
        Ok(reply(next_step(brief.question, &self.asked(brief).await, tools, done)))
    }

    async fn answer(
        &self,
        brief: &Brief<'_>,
        material: &Material<'_>,
        listener: &dyn Listener,
    ) -> Result<Reply<Answer>, AnswerError> {
        let asked = self.asked(brief).await;
        let (offline, sources) = (self.clone(), material.sources.to_vec());
        let notes = material.notes.to_vec();
        let (mut text, sources) = apart(move || {
            if sources.is_empty() && notes.is_empty() {
                offline.found(&asked)
            } else {
                let material = Material { sources: &sources, notes: &notes };
                (offline.by_material(&asked, &material), sources)
            }
        })
        .await;
        if text.is_empty() {
            text = nothing_found(brief.question).to_owned();
        }
        for piece in text.split_inclusive(['\n', ' ', '。', '、']) {
            listener.hear(piece).await;
        }
        Ok(reply(Answer { text, sources }))
    }

    async fn verify(
        &self,
        _: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Claim>>, AnswerError> {
        let (text, sources) = (text.to_owned(), sources.to_vec());
        Ok(reply(apart(move || claims(&text, &sources)).await))
    }

    async fn extract(
        &self,
        _: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Fact>>, AnswerError> {
        let (text, sources) = (text.to_owned(), sources.to_vec());
        Ok(reply(apart(move || facts(&text, &sources)).await))
    }
}

/// What notes say, each sentence once, without those that found nothing.
fn from_notes(notes: &[String]) -> String {
    let mut said = HashSet::new();
    let mut text = String::new();
    for note in notes {
        let mut new_note = String::new();
        for line in note.trim().lines() {
            let bare = cited(line).0;
            if !NOTHING_FOUND.contains(&bare.as_str()) && (bare.is_empty() || said.insert(bare)) {
                new_note.push_str(line);
                new_note.push('\n');
            }
        }
        if !new_note.trim().is_empty() {
            text.push_str(if text.is_empty() { "" } else { "\n\n" });
            text.push_str(new_note.trim());
        }
    }
    text
}

/// What is answered when nothing is found, in English and Japanese.
const NOTHING_FOUND: [&str; 2] = ["Nothing found.", "該当する記述は見つかりませんでした。"];

/// Nothing is found, in the language of a question.
fn nothing_found(question: &str) -> &'static str {
    let [english, japanese] = NOTHING_FOUND;
    if question.contains(is_unspaced) { japanese } else { english }
}

fn has_citation(text: &str) -> bool {
    !cited(text).1.is_empty()
}

/// What came of a step, for nothing.
fn reply<T>(value: T) -> Reply<T> {
    let call = ModelCall {
        provider: "taskgate".to_owned(),
        model: "extractive".to_owned(),
        tokens: Tokens::default(),
        cost: Usd::ZERO,
    };
    Reply { value, call }
}

/// A pattern of this module's own.
fn pattern(text: &'static str) -> Regex {
    #[expect(clippy::expect_used, reason = "the pattern is a constant that the tests use")]
    Regex::new(text).expect("a valid pattern")
}

#[cfg(test)]
mod evaluation;
#[cfg(test)]
mod tests;
