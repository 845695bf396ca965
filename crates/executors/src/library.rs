//! Documents that are found by their words.

mod document;
mod folder;
mod question;
mod words;

use std::path::Path;

use include_dir::{Dir, include_dir};
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term,
    collector::TopDocs,
    query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery},
    schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
};

pub use self::folder::FolderError;
pub(crate) use self::{
    document::{DASH, FENCE, prose},
    question::Question,
    words::{content_words, fold, is_unspaced, words_in_order, words_of},
};
use self::{
    document::{Section, markdown_sections, plain_sections},
    folder::{Document, Limits, read_documents},
    words::analyzer,
};
use crate::answerer::Source;

static DOCS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../docs");
static README: &str = include_str!("../../../README.md");

/// The name of the index's tokenizer.
const WORDS: &str = "words";
/// The name of the index's field that tells an entry's number.
const NUMBER: &str = "number";
/// How far taskgate's own documents and those of a folder can be believed.
const OWN: f64 = 1.0;
const FOLDER: f64 = 0.8;
/// Memory to build the index in before it is laid out; more is not held.
const BUILD_BYTES: usize = 64 << 20;
/// How much less a section in another language than the question's counts.
const FOREIGN: f64 = 0.3;
/// How much more a word counts in a heading.
const HEADING: f32 = 2.5;
/// How much less a record of a decision counts where nobody asks why.
const DECISION: f64 = 0.4;

/// Documents that can be searched, in memory.
///
/// A library is built at the start of a process and read from then on.
pub struct Library {
    entries: Vec<Entry>,
    index: Option<FullText>,
}

/// A section that can be found.
struct Entry {
    source: Source,
    japanese: bool,
    /// Whether it tells why taskgate is as it is.
    is_decision: bool,
}

/// The index over the entries.
struct FullText {
    searcher: Searcher,
    headings: Field,
    text: Field,
}

/// Why a library cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The index cannot be built.
    #[error("the index of the documents cannot be built")]
    Index(#[from] TantivyError),
}

impl Library {
    /// A library without any document.
    pub const fn empty() -> Self {
        Self { entries: Vec::new(), index: None }
    }

    /// taskgate's own documentation.
    ///
    /// # Errors
    /// [`LibraryError::Index`] when the index cannot be built.
    pub fn embedded() -> Result<Self, LibraryError> {
        let mut entries = own_entries("README.md", README);
        let mut folders = vec![&DOCS];
        while let Some(folder) = folders.pop() {
            folders.extend(folder.dirs());
            for file in folder.files() {
                if let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8())
                    && path.ends_with(".md")
                {
                    entries.extend(own_entries(&format!("docs/{path}"), text));
                }
            }
        }
        let index = Some(FullText::build(&entries)?);
        Ok(Self { entries, index })
    }

    /// Adds the Markdown and text files of a folder and of the folders in it.
    /// Symbolic links and what begins with a dot are left out.
    ///
    /// # Errors
    /// [`FolderError`] when something cannot be read or is no UTF-8 text, or
    /// when there are more than 10,000 documents, 4 MiB in one of them, or 256
    /// MiB in all. Nothing is added then.
    pub fn add_folder(&mut self, folder: &Path) -> Result<(), LibraryError> {
        let name = folder
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_else(|| folder.display().to_string());
        let documents = read_documents(folder, Limits::DEFAULT)?;
        let first = self.entries.len();
        self.entries.extend(documents.iter().flat_map(|document| folder_entries(&name, document)));
        match FullText::build(&self.entries) {
            Ok(index) => self.index = Some(index),
            Err(error) => {
                self.entries.truncate(first);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The sections that fit a question best, the best first; at most `limit`,
    /// and none when no document speaks of it. Any text is a question; nothing
    /// in it is an operator.
    pub fn search(&self, question: &str, limit: usize) -> Vec<Source> {
        let question = self.question(question);
        let found = match self.index.as_ref().map(|index| index.find(&question, limit)) {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                tracing::error!(%error, "the library cannot be searched");
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut ranked: Vec<(f64, &Entry)> = found
            .into_iter()
            .filter_map(|(score, number)| {
                let entry = self.entries.get(number)?;
                let mut held = question.held(&words_in_order(&entry.source.title));
                for line in prose(&entry.source.text) {
                    held.extend(question.held(&words_in_order(line)));
                }
                let coverage = question.coverage(&held);
                let language = if entry.japanese == question.japanese { 1.0 } else { FOREIGN };
                let purpose =
                    if entry.is_decision && !question.wants_reason { DECISION } else { 1.0 };
                let worth = score * coverage * language * purpose;
                Question::is_met_by(coverage).then_some((worth, entry))
            })
            .collect();
        ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        ranked.truncate(limit);
        let best = ranked.first().map_or(1.0, |(score, _)| *score);
        ranked
            .into_iter()
            .map(|(score, entry)| Source { quality: score / best, ..entry.source.clone() })
            .collect()
    }

    /// How many sections have a word.
    fn sections_with(&self, word: &str) -> usize {
        let sections = self.index.as_ref().and_then(|index| index.sections_with(word).ok());
        sections.and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
    }
}

impl FullText {
    fn build(entries: &[Entry]) -> Result<Self, TantivyError> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqs);
        let options = TextOptions::default().set_indexing_options(indexing);
        let headings = schema.add_text_field("headings", options.clone());
        let text = schema.add_text_field("text", options);
        let number = schema.add_u64_field(NUMBER, FAST);
        let index = Index::create_in_ram(schema.build());
        index.tokenizers().register(WORDS, analyzer());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, BUILD_BYTES)?;
        for (entry, place) in entries.iter().zip(0_u64..) {
            let title = fold(&entry.source.title);
            let mut document = TantivyDocument::new();
            document.add_u64(number, place);
            document.add_text(headings, &title);
            document.add_text(text, &title);
            for line in prose(&entry.source.text) {
                document.add_text(text, fold(line));
            }
            writer.add_document(document)?;
        }
        writer.commit()?;
        writer.wait_merging_threads()?;
        let reader: IndexReader =
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { searcher: reader.searcher(), headings, text })
    }

    /// The numbers of entries that have words of a question, with scores, the
    /// highest first.
    fn find(&self, question: &Question, limit: usize) -> Result<Vec<(f64, usize)>, TantivyError> {
        let mut query: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for word in &question.words {
            for (field, boost) in [(self.headings, HEADING), (self.text, 1.0)] {
                for form in &word.forms {
                    let term = Term::from_field_text(field, form);
                    let term = TermQuery::new(term, IndexRecordOption::WithFreqs);
                    let boost = boost * word.boost();
                    query.push((Occur::Should, Box::new(BoostQuery::new(Box::new(term), boost))));
                }
            }
        }
        // Those that fit best are not always those that score best.
        let many = TopDocs::with_limit(limit.saturating_mul(4).clamp(40, 400)).order_by_score();
        let mut found = Vec::new();
        for (score, address) in self.searcher.search(&BooleanQuery::new(query), &many)? {
            let segment = self.searcher.segment_reader(address.segment_ord);
            let number = segment.fast_fields().u64(NUMBER)?.first(address.doc_id);
            if let Some(number) = number.and_then(|number| usize::try_from(number).ok()) {
                found.push((f64::from(score), number));
            }
        }
        Ok(found)
    }

    /// How many entries have a word.
    fn sections_with(&self, word: &str) -> Result<u64, TantivyError> {
        self.searcher.doc_freq(&Term::from_field_text(self.text, word))
    }
}

/// The sections of a document of taskgate's own.
fn own_entries(path: &str, text: &str) -> Vec<Entry> {
    let sections = markdown_sections(text, path);
    let is_decision = path.starts_with("docs/decisions/");
    let own = |it| Entry { is_decision, ..entry(it, path, "taskgate documentation", OWN) };
    sections.into_iter().map(own).collect()
}

fn folder_entries(folder: &str, document: &Document) -> Vec<Entry> {
    let name = document.path.rsplit('/').next().unwrap_or(&document.path);
    let (title, end) = name.rsplit_once('.').unwrap_or((name, ""));
    let sections = if end.eq_ignore_ascii_case("md") {
        markdown_sections(&document.text, title)
    } else {
        plain_sections(&document.text, title)
    };
    let url = format!("file:{}", document.path);
    sections.into_iter().map(|it| entry(it, &url, folder, FOLDER)).collect()
}

fn entry(section: Section, url: &str, publisher: &str, credibility: f64) -> Entry {
    let hash = if section.anchor.is_empty() { "" } else { "#" };
    Entry {
        japanese: is_japanese(&section.text),
        is_decision: false,
        source: Source {
            url: format!("{url}{hash}{}", section.anchor),
            title: section.headings.join(" › "),
            publisher: publisher.to_owned(),
            text: section.text,
            credibility,
            quality: 1.0,
        },
    }
}

/// Whether a text is in Japanese: much of the documents' is in Latin letters
/// all the same.
fn is_japanese(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    text.chars().filter(|c| is_unspaced(*c)).count() * 5 > letters
}

#[cfg(test)]
mod tests;
