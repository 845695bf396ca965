//! The `[n]` in a text.

/// The longest mark; what goes on behind is no mark.
const MOST_BYTES: usize = 64;
/// The greatest number of a source; greater ones are years and the like.
const MOST: usize = 999;

/// Gives the marks of a text new numbers while the text comes in pieces. `[1]`
/// and `[1, 2]` are marks; what lies in code, or in a text that is JSON, is not.
///
/// Several numbers become marks of their own, `[1][2]`. A number that has no
/// new one is dropped, and with the last of a mark the spaces before it. What
/// stands directly behind a name, as in `argv[1]`, may be an index, and is left
/// alone unless it has a new number. `[0]` and `[2024]` are never marks.
pub(crate) struct Marks<F> {
    renumber: F,
    /// What may still become a mark.
    held: String,
    /// What the text so far is.
    state: State,
    /// Whether the text so far ends with what can have an index.
    is_indexable: bool,
    /// Whether what may be an index is dropped as well.
    drops_indices: bool,
}

/// Where in a text something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first letter.
    Start,
    /// In words.
    Prose,
    /// In code within a line.
    Code,
    /// In lines of code.
    Fence,
    /// In a text that is JSON.
    Json,
}

/// What a text begins with.
enum Begin {
    /// A mark of so many bytes with these numbers.
    Mark(usize, Vec<usize>),
    /// Perhaps a mark, when more comes.
    Perhaps,
    /// Something else.
    Other,
}

impl<F: FnMut(usize) -> Option<usize>> Marks<F> {
    /// Renumbers by `renumber`, which is asked for each number in its order.
    pub(crate) const fn new(renumber: F) -> Self {
        Self {
            renumber,
            held: String::new(),
            state: State::Start,
            is_indexable: false,
            drops_indices: false,
        }
    }

    /// Takes a piece of the text; returns what of the text is certain by now.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        self.go_on(false)
    }

    /// The rest of the text.
    pub(crate) fn end(&mut self) -> String {
        self.go_on(true)
    }

    fn go_on(&mut self, is_end: bool) -> String {
        let held = std::mem::take(&mut self.held);
        let mut out = String::new();
        let mut rest = held.as_str();
        while let Some(c) = rest.chars().next() {
            let length = match self.state {
                State::Prose | State::Start if matches!(c, ' ' | '[') => {
                    let Some(length) = self.mark(rest, &mut out, is_end) else { break };
                    length
                }
                State::Json => self.copy(rest, rest.len(), &mut out),
                _ if c == '`' => {
                    let length = rest.len() - rest.trim_start_matches('`').len();
                    if length == rest.len() && !is_end {
                        break;
                    }
                    self.state = self.state.behind_ticks(length);
                    self.copy(rest, length, &mut out)
                }
                _ => {
                    self.state = self.state.behind(c);
                    self.copy(rest, c.len_utf8(), &mut out)
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        self.held = rest.to_owned();
        out
    }

    /// Writes spaces and the mark behind them, if there is one; returns how far
    /// that goes, or `None` when more of the text has to come first.
    fn mark(&mut self, rest: &str, out: &mut String, is_end: bool) -> Option<usize> {
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let behind = rest.get(spaces..).unwrap_or_default();
        match begin(behind) {
            Begin::Perhaps if !is_end => None,
            Begin::Mark(length, numbers) => {
                self.state = State::Prose;
                let is_index = spaces == 0 && self.is_indexable && !self.drops_indices;
                let known: Vec<usize> =
                    numbers.into_iter().filter_map(&mut self.renumber).collect();
                if known.is_empty() && is_index {
                    return Some(self.copy(rest, length, out));
                }
                self.is_indexable = false;
                if !known.is_empty() {
                    self.copy(rest, spaces, out);
                }
                known.iter().for_each(|number| out.push_str(&format!("[{number}]")));
                Some(spaces + length)
            }
            Begin::Perhaps | Begin::Other => {
                let bracket = usize::from(behind.starts_with('['));
                if bracket == 1 {
                    self.state = State::Prose;
                }
                Some(self.copy(rest, spaces + bracket, out))
            }
        }
    }

    fn copy(&mut self, rest: &str, length: usize, out: &mut String) -> usize {
        let text = rest.get(..length).unwrap_or_default();
        out.push_str(text);
        let is_indexable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ')' | ']');
        self.is_indexable = text.ends_with(is_indexable);
        length
    }
}

impl State {
    const fn behind(self, c: char) -> Self {
        match (self, c) {
            (Self::Start, '{') => Self::Json,
            (Self::Start, _) if c.is_ascii_whitespace() => Self::Start,
            // Code within a line ends with it at the latest.
            (Self::Code, '\n') | (Self::Start, _) => Self::Prose,
            (state, _) => state,
        }
    }

    const fn behind_ticks(self, length: usize) -> Self {
        match (self, length) {
            (Self::Fence, 3..) | (Self::Code, _) => Self::Prose,
            (Self::Fence, _) => Self::Fence,
            (_, 3..) => Self::Fence,
            (_, _) => Self::Code,
        }
    }
}

/// What a text begins with.
fn begin(text: &str) -> Begin {
    let Some(inner) = text.strip_prefix('[') else {
        return if text.is_empty() { Begin::Perhaps } else { Begin::Other };
    };
    let is_inner = |c: char| c.is_ascii_digit() || matches!(c, ' ' | ',' | '、' | '，' | ';');
    let end = inner.len() - inner.trim_start_matches(is_inner).len();
    if end > MOST_BYTES {
        return Begin::Other;
    }
    match inner.get(end..).and_then(|rest| rest.chars().next()) {
        None => Begin::Perhaps,
        Some(']') => {
            let parts = inner.get(..end).unwrap_or_default().split([',', '、', '，', ';']);
            let number = |part: &str| part.trim().parse().ok().filter(|n| (1..=MOST).contains(n));
            match parts.map(number).collect::<Option<Vec<usize>>>() {
                Some(numbers) => Begin::Mark(end + 2, numbers),
                None => Begin::Other,
            }
        }
        Some(_) => Begin::Other,
    }
}

/// The whole text with new numbers.
pub(crate) fn renumbered(text: &str, renumber: impl FnMut(usize) -> Option<usize>) -> String {
    let mut marks = Marks::new(renumber);
    marks.push(text) + &marks.end()
}

/// A text without any marks.
pub(crate) fn without_marks(text: &str) -> String {
    let mut marks = Marks { state: State::Prose, drops_indices: true, ..Marks::new(|_| None) };
    marks.push(text) + &marks.end()
}

/// Numbers sources anew, from 1 in the order of their first use.
#[derive(Debug, Default)]
pub(crate) struct ByFirstUse {
    sources: usize,
    used: Vec<usize>,
}

impl ByFirstUse {
    /// There are so many sources.
    pub(crate) fn of(sources: usize) -> Self {
        Self { sources, used: Vec::new() }
    }

    /// The new number of the nth source; `None` when there is no such.
    pub(crate) fn number(&mut self, n: usize) -> Option<usize> {
        if !(1..=self.sources).contains(&n) {
            return None;
        }
        let place = self.used.iter().position(|used| *used == n).unwrap_or_else(|| {
            self.used.push(n);
            self.used.len() - 1
        });
        Some(place + 1)
    }

    /// Which sources were used, by their old numbers, in the order of the new.
    pub(crate) fn used(&self) -> impl Iterator<Item = usize> {
        self.used.iter().copied()
    }
}

#[cfg(test)]
mod tests;
