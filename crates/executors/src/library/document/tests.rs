use super::*;

fn texts(markdown: &str) -> Vec<String> {
    markdown_sections(markdown, "file").into_iter().map(|section| section.text).collect()
}

#[test]
fn each_heading_begins_a_section_below_those_above_it() {
    let text =
        "before\n\n# Guide\n\nintro\n\n## One `x`\n\n1\n\n### Deep\n\n2\n\n## One `x`\n\n3\n";
    let sections = markdown_sections(text, "file");
    let places: Vec<(String, &str)> =
        sections.iter().map(|it| (it.headings.join("/"), it.anchor.as_str())).collect();
    assert_eq!(
        places,
        [
            ("file".to_owned(), ""),
            ("Guide".to_owned(), "guide"),
            ("Guide/One x".to_owned(), "one-x"),
            ("Guide/One x/Deep".to_owned(), "deep"),
            ("Guide/One x".to_owned(), "one-x-1"),
        ]
    );
}

#[test]
fn paragraphs_and_items_are_one_line_each() {
    let text =
        "A line\nthat *goes* on with `code`.\n\n- **One.** First\n  item\n- two\n\n1. three\n";
    assert_eq!(
        texts(text),
        ["A line that goes on with `code`.\n- One. First item\n- two\n- three"]
    );
    assert_eq!(texts("途中で\n改行。"), ["途中で改行。"]);
}

#[test]
fn rows_of_tables_say_what_their_columns_are() {
    let text = "| Exit code | Meaning |\n|---|---|\n| 3 | failed |\n| 4 | |\n";
    assert_eq!(texts(text), ["- Exit code 3: failed\n- Exit code: 4"]);
    let text = "| Flag | Default | Meaning |\n|---|---|---|\n| `--x` | | what |\n";
    assert_eq!(texts(text), ["- Flag: `--x`; Meaning: what"]);
    assert_eq!(texts("| 値 | 意味 |\n|---|---|\n| 1 | 一つ |\n"), ["- 値 1：一つ"]);
}

#[test]
fn short_code_is_kept_between_fences_and_long_code_is_not() {
    assert_eq!(texts("Run:\n\n```sh\nls\n```\n"), ["Run:\n```sh\nls\n```"]);
    let long = format!("Run:\n\n```sh\n{}\n```\n\nAfter.\n", "x\n".repeat(CODE_BYTES));
    assert_eq!(texts(&long), ["Run:\nAfter."]);
    assert_eq!(prose("Run:\n```sh\nls\n```\nAfter").collect::<Vec<_>>(), ["Run:", "After"]);
}

#[test]
fn lines_of_nothing_but_links_within_the_documents_are_left_out() {
    let text = "[English](a.md) · [API](b.md)\n\n- [Start](#start)\n\nSee [this](a.md) and that.\n";
    assert_eq!(texts(text), ["See this and that."]);
}

#[test]
fn front_matter_is_left_out() {
    assert_eq!(texts("---\ntitle: x\n---\n\nText.\n"), ["Text."]);
}

#[test]
fn long_sections_are_divided_at_blocks() {
    let text = format!("# T\n\n{}", format!("{}\n\n", "word ".repeat(200)).repeat(10));
    let sections = markdown_sections(&text, "file");
    assert_eq!(sections.len(), 3);
    assert!(sections.iter().all(|it| it.text.len() <= SECTION_BYTES && it.anchor == "t"));
    assert_eq!(texts(&"あ".repeat(10_000)).len(), 8);
}

#[test]
fn plain_text_has_paragraphs_only() {
    let sections = plain_sections("One\r\nline.\r\n\r\n\r\n# no heading\n", "notes");
    assert_eq!(sections.len(), 1);
    assert_eq!(sections[0].headings, ["notes"]);
    assert_eq!(sections[0].text, "One line.\n# no heading");
}
