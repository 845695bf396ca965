//! What counts as a word, in texts and in questions.
//!
//! Latin and other spaced scripts: lower-cased words, stemmed as English.
//! Chinese, Japanese and Korean, which are written without spaces: pairs of
//! neighbouring characters of one script, and each Han character by itself, so
//! that 終 finds 終了.

use std::{collections::HashSet, sync::LazyLock};

use tantivy::tokenizer::{Language, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;

/// Longer words are cut; nothing that somebody looks for is that long.
const LONGEST_WORD: usize = 64;

/// Words that say nothing about what a question is about.
const STOP_WORDS: &str = "
    a about all also am an and any are as at be been but by can could d describe did do
    does doesn doing don done each else explain for from get give given gives gets had
    happen happened happening happens has have having how i if in into is isn it its
    know let ll m made make makes many may me mean meaning means much must my need
    needed needs no not of on one or our out please possible re s say says shall should
    so some support supported supports t tell than that the their them then there these
    they thing this those to too up us use used uses using ve very want was way we were
    what when where which while who whom whose why will with would you your 使 場合 教 方法 知
    意味 説明
";
static STOPPED: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP_WORDS.split_whitespace().collect());

/// Asks for a number or a thing, and belongs to no word.
const WHAT: char = '何';
/// Asks for a number, behind "how".
const MEASURES: &[&str] =
    &["big", "deep", "far", "fast", "large", "long", "many", "much", "often", "old", "soon"];
/// Are numbers.
const NUMBERS: &[&str] = &["limit", "limits", "maximum", "minimum", "number", "size", "timeout"];

/// How characters join to words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Characters of words that stand between spaces.
    Spaced,
    Han,
    Hiragana,
    Katakana,
    Hangul,
}

impl Script {
    fn of(c: char) -> Option<Self> {
        match c {
            'ぁ'..='ゟ' => Some(Self::Hiragana),
            'ァ'..='ヿ' if c != '・' => Some(Self::Katakana),
            '\u{3400}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
            | '々' => Some(Self::Han),
            '\u{1100}'..='\u{11ff}' | '가'..='힣' => Some(Self::Hangul),
            _ if c.is_alphanumeric() => Some(Self::Spaced),
            _ => None,
        }
    }
}

/// A text as it is compared: without the differences of width and case.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// Whether a character belongs to a script that is written without spaces.
pub(crate) fn is_unspaced(c: char) -> bool {
    Script::of(c).is_some_and(|script| script != Script::Spaced)
}

/// The words of a text, each once.
pub(crate) fn words_of(text: &str) -> HashSet<String> {
    words_in_order(text).into_iter().collect()
}

/// The words of a text as they stand in it.
pub(crate) fn words_in_order(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    analyzer().token_stream(&fold(text)).process(&mut |token| words.push(token.text.clone()));
    words
}

/// A word that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The word.
    pub(crate) word: String,
    /// The word together with a neighbour: "back up" may be written "backup".
    pub(crate) joined: Vec<String>,
    /// The number of the run of characters that it stands in, where it is only
    /// a pair of them.
    pub(crate) run: Option<usize>,
}

/// The words that a question is about, each once, in its order; at most `limit`.
pub(crate) fn asked_words(question: &str, limit: usize) -> Vec<Asked> {
    let folded = fold(question).replace(WHAT, " ");
    let parts = parts(&folded);
    let wordless = parts.iter().all(|part| part.script == Script::Hiragana);
    let mut asked: Vec<Asked> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        // Hiragana alone is grammar, as long as there is anything else.
        let is_grammar = part.script == Script::Hiragana && !wordless;
        let before = index.checked_sub(1).and_then(|before| parts.get(before));
        if is_grammar || STOPPED.contains(part.text) || asks_for_measure(before, part) {
            continue;
        }
        let mut joined = Vec::new();
        if part.script == Script::Spaced {
            let spaced = |index: usize| parts.get(index).filter(|it| it.script == Script::Spaced);
            let before = index.checked_sub(1).and_then(spaced);
            joined.extend(before.map(|it| stem(&format!("{}{}", it.text, part.text))));
            joined.extend(spaced(index + 1).map(|it| stem(&format!("{}{}", part.text, it.text))));
        }
        for (_, word) in part.words() {
            let word = stem(word);
            if STOPPED.contains(word.as_str()) || asked.iter().any(|it| it.word == word) {
                continue;
            }
            let run = (part.script != Script::Spaced).then_some(index);
            asked.push(Asked { word, joined: joined.clone(), run });
            if asked.len() == limit {
                return asked;
            }
        }
    }
    asked
}

/// Whether a question asks for a number.
pub(crate) fn wants_number(question: &str) -> bool {
    let folded = fold(question);
    let parts = parts(&folded);
    let is_measure =
        |it: &[Part<'_>]| matches!(it, [how, measure] if asks_for_measure(Some(how), measure));
    folded.contains(WHAT)
        || parts.iter().any(|part| NUMBERS.contains(&part.text))
        || parts.windows(2).any(is_measure)
}

/// Whether a question asks why.
pub(crate) fn wants_reason(question: &str) -> bool {
    let folded = fold(question);
    let is_why = |part: &Part<'_>| matches!(part.text, "why" | "reason" | "理由");
    folded.contains("なぜ") || parts(&folded).iter().any(is_why)
}

/// Whether two words ask for a number: "how long".
fn asks_for_measure(how: Option<&Part<'_>>, measure: &Part<'_>) -> bool {
    how.is_some_and(|how| how.text == "how") && MEASURES.contains(&measure.text)
}

/// The words of a text that say what it is about, each once; at most `limit`.
pub(crate) fn content_words(text: &str, limit: usize) -> Vec<String> {
    asked_words(text, limit).into_iter().map(|asked| asked.word).collect()
}

/// What makes the words of folded texts.
pub(crate) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words).filter(Stemmer::new(Language::English)).build()
}

fn stem(word: &str) -> String {
    let mut analyzer = TextAnalyzer::builder(Whole).filter(Stemmer::new(Language::English)).build();
    let mut stream = analyzer.token_stream(word);
    if stream.advance() { stream.token().text.clone() } else { word.to_owned() }
}

/// A run of characters of one script, as it stands in a folded text.
struct Part<'a> {
    start: usize,
    text: &'a str,
    script: Script,
}

impl<'a> Part<'a> {
    /// The word itself, or the pairs of its characters; each with its place in
    /// the part.
    fn words(&self) -> Vec<(usize, &'a str)> {
        let most = if self.script == Script::Spaced { LONGEST_WORD } else { 2 };
        let length = self.text.chars().count();
        let words = if self.script == Script::Spaced { 1 } else { length.max(2) - 1 };
        let starts = self.text.char_indices().take(words);
        starts
            .map(|(start, _)| {
                let rest = self.text.get(start..).unwrap_or("");
                let end = rest.char_indices().nth(most).map_or(rest.len(), |(end, _)| end);
                (start, rest.get(..end).unwrap_or(rest))
            })
            .collect()
    }

    /// The characters of a word that is longer than one of them, where each
    /// means something.
    fn singles(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let text = if self.script == Script::Han { self.text } else { "" };
        let several = text.chars().nth(1).is_some();
        text.char_indices()
            .filter(move |_| several)
            .filter_map(move |(at, c)| Some((at, text.get(at..at + c.len_utf8())?)))
    }
}

fn parts(folded: &str) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut last = None;
    for (start, c) in folded.char_indices() {
        let script = Script::of(c);
        let end = start + c.len_utf8();
        match (script, parts.last_mut()) {
            (Some(_), Some(part)) if script == last => {
                part.text = folded.get(part.start..end).unwrap_or(part.text);
            }
            (Some(script), _) => {
                parts.push(Part { start, text: folded.get(start..end).unwrap_or(""), script });
            }
            (None, _) => {}
        }
        last = script;
    }
    parts
}

/// Finds the words of a text that is indexed.
#[derive(Debug, Clone)]
struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = Found;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Found {
        let mut tokens = Vec::new();
        for part in parts(text) {
            for (at, word) in part.words().into_iter().chain(part.singles()) {
                let offset_from = part.start + at;
                tokens.push(Token {
                    offset_from,
                    offset_to: offset_from + word.len(),
                    position: tokens.len(),
                    text: word.to_owned(),
                    position_length: 1,
                });
            }
        }
        Found::new(tokens)
    }
}

/// Takes a text for one word.
#[derive(Debug, Clone)]
struct Whole;

impl Tokenizer for Whole {
    type TokenStream<'a> = Found;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Found {
        Found::new(vec![Token { text: text.to_owned(), ..Token::default() }])
    }
}

/// The words that were found.
struct Found {
    rest: std::vec::IntoIter<Token>,
    token: Token,
}

impl Found {
    fn new(tokens: Vec<Token>) -> Self {
        Self { rest: tokens.into_iter(), token: Token::default() }
    }
}

impl TokenStream for Found {
    fn advance(&mut self) -> bool {
        match self.rest.next() {
            Some(token) => {
                self.token = token;
                true
            }
            None => false,
        }
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests;
