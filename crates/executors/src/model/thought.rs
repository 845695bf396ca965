//! What models think aloud.

const BEGIN: &str = "<think>";
const END: &str = "</think>";

/// An answer without the thought before it, as reasoning models write it when
/// nothing between them and us takes it out. A thought that has no end yet is
/// no answer, and until `is_whole` neither is what may become the mark of one.
///
/// What goes on from a text goes on from what this makes of it.
pub(super) fn without_thought(text: &str, is_whole: bool) -> &str {
    let start = text.trim_start();
    match start.strip_prefix(BEGIN) {
        Some(thought) => thought.split_once(END).map_or("", |(_, answer)| answer.trim_start()),
        None if !is_whole && BEGIN.starts_with(start) => "",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::without_thought;
    use proptest::proptest;

    #[test]
    fn only_a_thought_at_the_beginning_is_left_out() {
        for (text, answer) in [
            ("<think>\nHm.\n</think>\n\nYes.", "Yes."),
            ("\n<think></think>Yes.", "Yes."),
            ("<think>a</think>b<think>c</think>", "b<think>c</think>"),
            ("<think>Hm.", ""),
            ("Say <think>x</think>.", "Say <think>x</think>."),
            (" Yes.", " Yes."),
            ("<thi", "<thi"),
            ("<b>Yes</b>", "<b>Yes</b>"),
        ] {
            assert_eq!(without_thought(text, true), answer, "{text}");
        }
        assert_eq!(without_thought("<thi", false), "");
    }

    proptest! {
        #[test]
        fn what_was_told_stays_the_beginning(text in "(<think>|</think>|[<t>\n a]){0,20}") {
            let mut told = "";
            for (end, _) in text.char_indices().chain([(text.len(), ' ')]) {
                let answer = without_thought(&text[..end], false);
                assert!(answer.starts_with(told), "{told:?} {answer:?}");
                told = answer;
            }
            assert!(without_thought(&text, true).starts_with(told));
        }
    }
}
