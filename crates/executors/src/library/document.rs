//! Documents, cut into their sections.
//!
//! The text of a section is for quoting: one line for each paragraph, list item
//! and row of a table, the last two after a dash. Code stands between fences.

use std::collections::HashMap;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::words::is_unspaced;

/// Begins a list item or a row.
pub(crate) const DASH: &str = "- ";
/// Begins and ends code.
pub(crate) const FENCE: &str = "```";
/// Bytes of a section; what is longer becomes several.
const SECTION_BYTES: usize = 4_000;
/// Bytes of code that are worth quoting: a command or two, but no program and
/// no sample of an answer.
const CODE_BYTES: usize = 400;

/// A section of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Section {
    /// Its heading and those above it, the document's title first.
    pub(crate) headings: Vec<String>,
    /// What links to it say after `#`; empty where there is no heading.
    pub(crate) anchor: String,
    /// What stands in it.
    pub(crate) text: String,
}

/// A text without its code.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with(FENCE);
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The sections of a text without markup, which is called `title`.
pub(crate) fn plain_sections(text: &str, title: &str) -> Vec<Section> {
    let paragraphs = text.replace("\r\n", "\n");
    let lines = paragraphs.split("\n\n").map(|paragraph| {
        let mut line = String::new();
        for part in paragraph.lines().map(str::trim).filter(|part| !part.is_empty()) {
            push_spaced(&mut line, part);
        }
        line
    });
    let section = Section { headings: vec![title.to_owned()], ..Section::default() };
    divide(&section, lines)
}

/// The sections of a Markdown text; one that has no heading is called `title`.
pub(crate) fn markdown_sections(text: &str, title: &str) -> Vec<Section> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::new(title);
    for event in Parser::new_ext(text, options) {
        reader.read(event);
    }
    reader.end_section();
    reader.sections
}

/// What has been read of a Markdown text.
struct Reader {
    sections: Vec<Section>,
    section: Section,
    /// Its paragraphs, items, rows and pieces of code.
    blocks: Vec<String>,
    /// The headings above, with their levels.
    above: Vec<(HeadingLevel, String)>,
    /// How often an anchor was used.
    anchors: HashMap<String, usize>,
    /// The block that is being read.
    line: String,
    /// Whether it has words outside of links to other documents.
    own_words: bool,
    /// Whether it has such a link.
    linked: bool,
    /// How deep what is read is inside such links.
    link: usize,
    table: Table,
    skipped: bool,
}

/// What has been read of a table.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    row: Vec<String>,
}

impl Reader {
    fn new(title: &str) -> Self {
        Self {
            sections: Vec::new(),
            section: Section { headings: vec![title.to_owned()], ..Section::default() },
            blocks: Vec::new(),
            above: Vec::new(),
            anchors: HashMap::new(),
            line: String::new(),
            own_words: false,
            linked: false,
            link: 0,
            table: Table::default(),
            skipped: false,
        }
    }

    fn read(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.push(&text),
            Event::Code(code) => {
                self.push("`");
                self.push(&code);
                self.push("`");
            }
            Event::SoftBreak | Event::HardBreak if !self.line.ends_with(is_unspaced) => {
                self.line.push(' ');
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        if !self.skipped {
            self.own_words |= self.link == 0 && text.contains(char::is_alphanumeric);
            self.line.push_str(text);
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.end_line();
                self.end_section();
            }
            Tag::Paragraph if self.line == DASH => {}
            Tag::Paragraph | Tag::HtmlBlock => self.end_line(),
            Tag::Item => {
                self.end_line();
                self.line.push_str(DASH);
            }
            Tag::CodeBlock(kind) => {
                self.end_line();
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language,
                    CodeBlockKind::Indented => "",
                };
                self.line = format!("{FENCE}{language}\n");
            }
            Tag::Link { dest_url, .. } if !dest_url.contains("://") => {
                self.link += 1;
                self.linked = true;
            }
            Tag::Table(_) => {
                self.end_line();
                self.table = Table::default();
            }
            Tag::MetadataBlock(_) => self.skipped = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.end_heading(level),
            TagEnd::CodeBlock => {
                if self.line.len() > CODE_BYTES {
                    self.line.clear();
                } else {
                    self.line.push_str(FENCE);
                }
                self.own_words = true;
                self.end_line();
            }
            TagEnd::Paragraph | TagEnd::Item => self.end_line(),
            // Ends do not tell where the link leads; links do not nest.
            TagEnd::Link => self.link = 0,
            TagEnd::TableCell => {
                self.table.row.push(std::mem::take(&mut self.line).trim().to_owned());
            }
            TagEnd::TableHead => self.table.columns = std::mem::take(&mut self.table.row),
            TagEnd::TableRow => {
                let row = std::mem::take(&mut self.table.row);
                self.line = row_text(&self.table.columns, &row);
                self.own_words = true;
                self.end_line();
            }
            TagEnd::MetadataBlock(_) => self.skipped = false,
            _ => {}
        }
    }

    fn end_heading(&mut self, level: HeadingLevel) {
        let heading = std::mem::take(&mut self.line).replace('`', "").trim().to_owned();
        self.own_words = false;
        self.linked = false;
        let slug = slug(&heading);
        let used = self.anchors.entry(slug.clone()).or_default();
        self.section.anchor = if *used == 0 { slug } else { format!("{slug}-{used}") };
        *used += 1;
        self.above.retain(|(above, _)| *above < level);
        self.above.push((level, heading));
        self.section.headings = self.above.iter().map(|(_, heading)| heading.clone()).collect();
    }

    /// Ends a line. One that is nothing but links to other documents is left
    /// out: it says nothing.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_end();
        if !line.is_empty() && line != DASH.trim_end() && (self.own_words || !self.linked) {
            self.blocks.push(line.to_owned());
        }
        self.own_words = false;
        self.linked = false;
    }

    fn end_section(&mut self) {
        self.end_line();
        let blocks = std::mem::take(&mut self.blocks);
        self.sections.extend(divide(&self.section, blocks));
    }
}

/// A row of a table in words.
fn row_text(columns: &[String], row: &[String]) -> String {
    let is_unspaced = columns.iter().any(|column| column.contains(is_unspaced));
    let (colon, semicolon) = if is_unspaced { ("：", "；") } else { (": ", "; ") };
    if let ([column, _], [name, value]) = (columns, row)
        && !value.is_empty()
    {
        return format!("{DASH}{column} {name}{colon}{value}");
    }
    let cells = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    let named = cells.map(|(column, cell)| match column.as_str() {
        "" => cell.clone(),
        column => format!("{column}{colon}{cell}"),
    });
    format!("{DASH}{}", named.collect::<Vec<_>>().join(semicolon))
}

/// What links to a heading say after `#`, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A section of these blocks, or several where they are long; none where there
/// is nothing.
fn divide(section: &Section, blocks: impl IntoIterator<Item = String>) -> Vec<Section> {
    let mut texts: Vec<String> = Vec::new();
    for block in blocks {
        let mut rest = block.as_str();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(SECTION_BYTES));
            match texts.last_mut() {
                Some(text) if text.len() + piece.len() < SECTION_BYTES => {
                    text.push('\n');
                    text.push_str(piece);
                }
                _ => texts.push(piece.to_owned()),
            }
            rest = after;
        }
    }
    texts.into_iter().map(|text| Section { text, ..section.clone() }).collect()
}

/// Goes on with a line after a break in its source.
fn push_spaced(line: &mut String, part: &str) {
    if !line.is_empty() && !line.ends_with(is_unspaced) {
        line.push(' ');
    }
    line.push_str(part);
}

#[cfg(test)]
mod tests;
