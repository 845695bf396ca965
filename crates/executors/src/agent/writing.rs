//! Writing the answer to a task's question.

use super::job::Job;
use crate::{
    answerer::{Listener, Material, ModelCall, Source},
    library::is_unspaced,
    marks::{ByFirstUse, Marks, renumbered},
};
use async_trait::async_trait;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use taskgate_domain::event::{EventType, NewEvent};
use taskgate_worker::Failure;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    /// The text, with a list of what it cites.
    pub(super) text: String,
    /// The text without that list.
    pub(super) body: String,
    /// What it cites: `[n]` in the text is the nth of them.
    pub(super) citations: Vec<Source>,
    /// The call that has written it.
    pub(super) call: ModelCall,
}

/// Writes the answer by the material, as far as there is any.
pub(super) async fn write(job: &Job<'_>, material: &Material<'_>) -> Result<Written, Failure> {
    if material.sources.is_empty() {
        write_freely(job, material.notes).await
    } else {
        write_cited(job, material).await
    }
}

/// Writes the answer by the material, and tells it while it is written. Its
/// sources are renumbered in the order of their first use, and marks of none of
/// them are dropped.
pub(super) async fn write_cited(
    job: &Job<'_>,
    material: &Material<'_>,
) -> Result<Written, Failure> {
    let pieces = Pieces::renumbering(job, material.sources.len());
    let reply = job.answer(job.work.query(), material, &pieces).await?;
    let text = reply.value.text.trim_end();
    let mut uses = ByFirstUse::of(material.sources.len());
    let body = renumbered(text, |n| uses.number(n));
    let citations: Vec<Source> = if is_json(&body) {
        // The marks of such a text are left alone, so all sources keep their place.
        material.sources.to_vec()
    } else {
        uses.used().filter_map(|n| material.sources.get(n - 1)).cloned().collect()
    };
    let numbered = citations.iter().enumerate().map(|(at, source)| (at + 1, source));
    let list = source_list(job.work.query(), &body, numbered);
    pieces.finish(&list).await;
    Ok(Written { text: format!("{body}{list}"), body, citations, call: reply.call })
}

/// Writes the answer without any sources. What the answerer has found itself it
/// has numbered itself, so that a text that cites nothing stays as it is.
async fn write_freely(job: &Job<'_>, notes: &[String]) -> Result<Written, Failure> {
    let pieces = Pieces::verbatim(job);
    let reply = job.answer(job.work.query(), &Material { sources: &[], notes }, &pieces).await?;
    let body = reply.value.text.trim_end().to_owned();
    let mut used = BTreeSet::new();
    renumbered(&body, |n| {
        used.insert(n);
        Some(n)
    });
    let sources = reply.value.sources;
    let cited = used.into_iter().filter_map(|n| Some((n, sources.get(n.checked_sub(1)?)?)));
    let list = source_list(job.work.query(), &body, cited);
    pieces.finish(&list).await;
    Ok(Written { text: format!("{body}{list}"), body, citations: Vec::new(), call: reply.call })
}

/// The list of what a text cites, in the language of the question; empty when
/// it cites nothing, or when it is JSON, which must stay so.
fn source_list<'s>(
    question: &str,
    body: &str,
    cited: impl Iterator<Item = (usize, &'s Source)>,
) -> String {
    let lines: Vec<String> =
        cited.map(|(n, source)| format!("[{n}] {} ({})", source.title, source.url)).collect();
    if lines.is_empty() || is_json(body) {
        return String::new();
    }
    let heading = if question.contains(is_unspaced) { "出典" } else { "Sources" };
    format!("\n\n## {heading}\n{}", lines.join("\n"))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

type Renumbering = Marks<Box<dyn FnMut(usize) -> Option<usize> + Send>>;

/// Tells the pieces of the answer, with the numbers that they will have.
struct Pieces<'a> {
    job: &'a Job<'a>,
    marks: Option<Mutex<Renumbering>>,
    heard: AtomicBool,
}

impl<'a> Pieces<'a> {
    fn renumbering(job: &'a Job<'a>, sources: usize) -> Self {
        let mut uses = ByFirstUse::of(sources);
        let marks: Renumbering = Marks::new(Box::new(move |n| uses.number(n)));
        Self { job, marks: Some(Mutex::new(marks)), heard: AtomicBool::new(false) }
    }

    const fn verbatim(job: &'a Job<'a>) -> Self {
        Self { job, marks: None, heard: AtomicBool::new(false) }
    }

    fn renumbered(&self, step: impl FnOnce(&mut Renumbering) -> String) -> Option<String> {
        let marks = self.marks.as_ref()?;
        Some(step(&mut marks.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn tell(&self, piece: String) {
        if !piece.is_empty() {
            let agent = NewEvent::FINAL_OUTPUT;
            let told = self.job.tell_whole(EventType::LLM_PARTIAL, agent, piece, Value::Null);
            // Whoever waits for the answer learns of a stop by itself.
            drop(told.await);
        }
    }

    /// Tells what was held back, and the list, where the answer came in pieces.
    async fn finish(&self, list: &str) {
        if !self.heard.load(Ordering::Relaxed) {
            return;
        }
        let rest = self.renumbered(Marks::end).unwrap_or_default();
        self.tell(rest.trim_end().to_owned() + list).await;
    }
}

#[async_trait]
impl Listener for Pieces<'_> {
    async fn hear(&self, piece: &str) {
        self.heard.store(true, Ordering::Relaxed);
        let piece = self.renumbered(|marks| marks.push(piece)).unwrap_or_else(|| piece.to_owned());
        self.tell(piece).await;
    }
}
