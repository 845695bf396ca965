//! Text from elsewhere, made fit to be shown.
//!
//! Queries, results and errors are written by strangers. On a terminal they
//! must stay text: a control character would let them move the cursor, set the
//! title or fake a prompt, and an override of the writing direction would let
//! them read as something else.

use std::fmt::Write as _;

/// The text without characters that steer a terminal. Line feeds and tabs stay.
pub(super) fn safe(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !steers(c)).collect()
}

/// The text on one line, each run of white space being one space.
pub(super) fn line(text: &str) -> String {
    safe(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The beginning of the text, on one line of at most `width` characters.
pub(super) fn short(text: &str, width: usize) -> String {
    let text = line(text);
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A JSON text in which what steers a terminal is written as `\u` escapes: the
/// same JSON in other characters. Below U+0020 JSON has escaped it already.
pub(super) fn safe_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c > '\u{20}' && steers(c) {
            // All of them have a single UTF-16 unit.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{line, safe, safe_json, short};

    #[test]
    fn what_steers_a_terminal_is_left_out() {
        assert_eq!(safe("a\x1b[31mb\x07\u{9b}2Jc\r\n\td\u{202e}e\x7f"), "a[31mb2Jc\n\tde");
        assert_eq!(safe("富士山は？\n🗻"), "富士山は？\n🗻");
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line(" a\n\n b\tc\r\nd\x1b "), "a b c d");
    }

    #[test]
    fn a_short_text_ends_where_it_was_cut() {
        assert_eq!(short("富士山の高さ", 6), "富士山の高さ");
        assert_eq!(short("富士山の高さ", 5), "富士山の…");
        assert_eq!(short("How high is it?", 9), "How high…");
    }

    #[test]
    fn json_means_the_same_when_it_is_made_safe() {
        let text = "{\"a\": \"\u{9b}2J\u{202e}é\\u001b\"}";
        let safe = safe_json(text);
        assert_eq!(safe, "{\"a\": \"\\u009b2J\\u202eé\\u001b\"}");
        let read = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&safe), read(text));
    }
}
