use std::{collections::HashSet, fs};

use super::*;

/// What nobody should be able to say to a search.
const HOSTILE: &[&str] = &[
    "",
    " \t\n",
    "AND (",
    "title: \"",
    "headings:taskgate AND NOT text:task",
    "[a TO z]",
    "*",
    "(.*)+$",
    "pause^1000 ~2",
    "\0\u{1b}[31m\u{202e}",
    "'; DROP TABLE tasks; --",
];

fn library(files: &[(&str, &str)]) -> (Library, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut library = Library::empty();
    library.add_folder(folder.path()).unwrap();
    (library, folder)
}

#[test]
fn the_embedded_documents_are_all_there_with_addresses_that_exist() {
    let library = Library::embedded().unwrap();
    let urls: HashSet<&str> = library.entries.iter().map(|it| it.source.url.as_str()).collect();
    for url in [
        "README.md#guarantees",
        "docs/operations.md#backup",
        "docs/gateway-api.ja.md#一時停止と再開",
        "docs/decisions/0012-one-log-is-every-stream.md#0012-one-log-is-the-source-of-every-stream",
    ] {
        assert!(urls.contains(url), "{url}");
    }
    for entry in &library.entries {
        assert_eq!(entry.source.publisher, "taskgate documentation");
        assert!(!entry.source.title.is_empty() && !entry.source.text.trim().is_empty());
    }
}

#[test]
fn the_anchors_are_those_that_the_documents_link_to() {
    let library = Library::embedded().unwrap();
    let urls: HashSet<&str> = library.entries.iter().map(|it| it.source.url.as_str()).collect();
    let link = regex::Regex::new(r"\]\((#[^)]+)\)").unwrap();
    let mut links = 0;
    for file in DOCS.files() {
        let path = file.path().display();
        for found in link.captures_iter(file.contents_utf8().unwrap()) {
            let url = format!("docs/{path}{}", &found[1]);
            assert!(urls.contains(url.as_str()), "{url}");
            links += 1;
        }
    }
    assert!(links > 50, "{links} links");
}

#[test]
fn the_best_section_comes_first_and_measures_the_others() {
    let (library, _folder) = library(&[(
        "birds.md",
        "# Birds\n\n## Storks\n\nStorks nest on roofs.\n\n## Swifts\n\nSwifts sleep in the air. \
         Like storks they leave in August.\n",
    )]);
    let found = library.search("Where do storks nest?", 5);
    assert_eq!(found[0].title, "Birds › Storks");
    assert_eq!(found[0].url, "file:birds.md#storks");
    assert_eq!(found[0].quality.to_bits(), 1.0_f64.to_bits());
    assert_eq!(found[0].credibility.to_bits(), 0.8_f64.to_bits());
    assert!(found.iter().skip(1).all(|source| source.quality < 1.0));
    assert_eq!(library.search("storks", 1).len(), 1);
}

#[test]
fn the_language_of_the_question_comes_first() {
    let (library, _folder) = library(&[
        ("en.md", "# Streams\n\nA WebSocket carries one stream.\n"),
        ("ja.md", "# ストリーム\n\nWebSocket は 1 つのストリームを運びます。\n"),
    ]);
    let first = |question: &str| library.search(question, 2)[0].url.clone();
    assert_eq!(first("WebSocket?"), "file:en.md#streams");
    assert_eq!(first("WebSocket とは?"), "file:ja.md#ストリーム");
}

#[test]
fn a_folder_is_added_to_what_is_there() {
    let mut library = Library::embedded().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "The zyzzyva is a weevil.").unwrap();
    library.add_folder(folder.path()).unwrap();
    let found = library.search("What is a zyzzyva?", 3);
    assert_eq!(found[0].url, "file:notes.txt");
    assert_eq!(found[0].publisher, folder.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(
        library.search("How do I back up the database?", 1)[0].url,
        "docs/operations.md#backup"
    );
}

#[test]
fn a_folder_that_cannot_be_read_changes_nothing() {
    let (mut library, folder) = library(&[("a.md", "Storks nest on roofs.")]);
    fs::write(folder.path().join("b.md"), b"\xff").unwrap();
    let error = library.add_folder(folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("b.md is not UTF-8 text"), "{error}");
    assert_eq!(library.search("storks", 5).len(), 1);
}

#[test]
fn an_empty_library_finds_nothing() {
    assert!(Library::empty().search("anything", 5).is_empty());
    let (library, _folder) = library(&[("empty.md", "")]);
    assert!(library.search("anything", 5).is_empty());
}

#[test]
fn no_question_is_an_expression() {
    let library = Library::embedded().unwrap();
    for question in HOSTILE {
        let _ = library.search(question, 5);
    }
    // Operators mean nothing: what is left of this are the words themselves.
    let plain = library.search("pause task", 3);
    assert_eq!(library.search("+pause -(task)", 3), plain);
    assert_eq!(library.search("pause", 0), []);
}

#[test]
fn a_question_of_any_length_is_read_as_far_as_it_makes_sense() {
    let library = Library::embedded().unwrap();
    let question = "How do I back up the database? ".repeat(400_000);
    assert!(question.len() > 10 << 20);
    assert_eq!(library.search(&question, 1)[0].url, "docs/operations.md#backup");
}
