use super::*;

fn texts(text: &str) -> Vec<String> {
    sentences(text).into_iter().map(|sentence| sentence.text).collect()
}

#[test]
fn sentences_end_at_full_stops_but_not_at_all_of_them() {
    assert_eq!(
        texts("It is 3.5 wide, e.g. Here. `a. B` stays! Does it? (Yes, it does.) See a.b."),
        ["It is 3.5 wide, e.g. Here.", "`a. B` stays!", "Does it?", "(Yes, it does.)", "See a.b."]
    );
    assert_eq!(
        texts("一時停止します。「はい。」と言う。"),
        ["一時停止します。", "「はい。」", "と言う。"]
    );
}

#[test]
fn citations_belong_to_what_they_follow() {
    assert_eq!(
        texts("One is one. [1] [2] Two is two. [3]"),
        ["One is one. [1] [2]", "Two is two. [3]"]
    );
    assert_eq!(texts("一です。[1] 二です。[2]"), ["一です。[1]", "二です。[2]"]);
    assert_eq!(cited("One is one. [2] [1]"), ("One is one.".to_owned(), vec![1, 2]));
    assert_eq!(cited("[x] [12345]").1, Vec::<usize>::new());
}

#[test]
fn items_are_whole_and_headings_and_lists_of_sources_are_nothing() {
    let text = "# Title here\n- One thing. Another thing.\n## Sources\n[1] A page (url)\n";
    assert_eq!(texts(text), ["One thing. Another thing."]);
}

#[test]
fn one_line_of_code_belongs_to_what_leads_to_it() {
    let text = "Start it:\n```sh\nrun\n```\nSee this:\n```\na\nb\n```\n";
    let all = sentences(text);
    assert_eq!(all[0].text, "Start it: `run`");
    assert_eq!(all.iter().map(|it| it.leads_on).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn endless_sentences_are_cut() {
    let text = texts(&"あ".repeat(10_000));
    assert_eq!(text[0].chars().count(), SENTENCE_CHARS + 1);
}
