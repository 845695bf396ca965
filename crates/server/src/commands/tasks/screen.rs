//! What a person sees while a task runs. All of it goes to standard error.

use super::{event::Event, output::Output, text};
use crate::{failure::Failure, terminal};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Standard error during a watch: a bar and words as they come on a terminal,
/// plain lines elsewhere.
pub(super) struct Screen {
    terminal: bool,
    bar: Option<ProgressBar>,
    /// The answer as far as it was shown.
    words: String,
    /// The last words have not ended their line.
    in_line: bool,
}

impl Screen {
    /// Standard error as it is.
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { terminal, bar: None, words: String::new(), in_line: false }
    }

    /// Shows an event.
    pub(super) fn show(&mut self, event: Event) {
        match event {
            Event::Progress { done, total, message } => self.progress(done, total, message),
            Event::Words(words) if self.terminal => self.words(&words),
            Event::Line(line) => self.line(&line),
            Event::Words(_) | Event::Silent | Event::End => {}
        }
    }

    /// Shows a line.
    pub(super) fn line(&mut self, line: &str) {
        self.end_line();
        match &self.bar {
            Some(bar) => bar.suspend(|| terminal::note(line)),
            None => terminal::note(line),
        }
    }

    /// Leaves the terminal as a prompt expects it.
    pub(super) fn close(&mut self) {
        self.end_line();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Prints the result, unless this very terminal has just shown it.
    pub(super) fn result(&mut self, output: Output, result: &str) -> Result<(), Failure> {
        self.close();
        if output.terminal && self.terminal && text::safe(result).trim() == self.words.trim() {
            return Ok(());
        }
        output.result(result)
    }

    fn progress(&mut self, done: u64, total: u64, message: String) {
        if total == 0 || !self.terminal {
            let steps = match (done, total) {
                (0, 0) => String::new(),
                (done, 0) => format!("{done} "),
                (done, total) => format!("{done}/{total} "),
            };
            return self.line(format!("{steps}{message}").trim_end());
        }
        self.end_line();
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.update(|state| {
            state.set_len(total);
            state.set_pos(done);
        });
        bar.set_message(message);
    }

    fn words(&mut self, words: &str) {
        // A bar would be drawn over a line that has not ended.
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let words = text::safe(words);
        terminal::note_on(&words);
        self.in_line = !words.ends_with('\n') && (self.in_line || !words.is_empty());
        self.words.push_str(&words);
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.in_line) {
            terminal::note_on("\n");
        }
    }
}
