use super::*;

fn sorted(text: &str) -> Vec<String> {
    let mut words: Vec<String> = words_of(text).into_iter().collect();
    words.sort();
    words
}

fn asked(question: &str) -> Vec<String> {
    content_words(question, 64)
}

#[test]
fn latin_words_are_compared_without_case_width_and_ending() {
    assert_eq!(sorted("Pausing tasks"), sorted("ｐａｕｓｅ TASK"));
}

#[test]
fn names_of_code_are_the_words_in_them() {
    assert_eq!(words_in_order("`lease_seconds`"), ["leas", "second"]);
}

#[test]
fn japanese_is_cut_into_pairs_of_one_script() {
    assert_eq!(
        words_in_order("一時停止する"),
        ["一時", "時停", "停止", "一", "時", "停", "止", "する"]
    );
    assert_eq!(words_in_order("タスク"), ["タス", "スク"]);
    // Half-width characters are the same.
    assert_eq!(words_in_order("ﾀｽｸ"), ["タス", "スク"]);
}

#[test]
fn questions_are_about_their_words_and_not_their_grammar() {
    assert_eq!(asked("What happens when a task is paused?"), ["task", "paus"]);
    assert_eq!(asked("タスクが終わるとどうなりますか?"), ["タス", "スク", "終"]);
    assert_eq!(asked("How long does a lease last?"), ["leas", "last"]);
}

#[test]
fn a_single_character_finds_the_words_that_it_begins() {
    assert!(words_of("終了").contains("終"));
}

#[test]
fn two_words_may_be_written_as_one() {
    let asked = asked_words("back up", 64);
    assert_eq!(asked[0].joined, ["backup"]);
}

#[test]
fn questions_ask_for_numbers_or_reasons() {
    assert!(wants_number("How many attempts has a task?"));
    assert!(wants_number("最大で何文字ですか"));
    assert!(!wants_number("How is a task paused?"));
    assert!(wants_reason("Why is it so?"));
    assert!(wants_reason("なぜですか"));
}

#[test]
fn no_text_is_too_strange() {
    for text in ["", " ", "\0\u{7}", "(((", "'\"`", "🦀", &"x".repeat(100_000), "\u{3042}\u{3099}"]
    {
        let words = words_in_order(text);
        assert!(words.iter().all(|word| word.chars().count() <= LONGEST_WORD));
    }
    assert_eq!(content_words(&"word1 word2 word3".repeat(1000), 2).len(), 2);
}
