//! Numbers of sources in texts.

use super::{ByFirstUse, Marks, renumbered, without_marks};
use proptest::{collection::vec, proptest};

/// A text with its sources numbered anew, of so many, and the old numbers.
fn anew(text: &str, sources: usize) -> (String, Vec<usize>) {
    let mut uses = ByFirstUse::of(sources);
    let text = renumbered(text, |n| uses.number(n));
    (text, uses.used().collect())
}

#[test]
fn sources_are_numbered_by_their_first_use() {
    for (text, new, used) in [
        ("a [3] b [1] c [3].", "a [1] b [2] c [1].", vec![3, 1]),
        ("a [2, 1、3]", "a [1][2][3]", vec![2, 1, 3]),
        ("a [9]. b [8] [2]", "a. b [1]", vec![2]),
        ("argv[9], a[0], f(x)[7], a[9][2] [4]", "argv[9], a[0], f(x)[7], a[9][1]", vec![2]),
        ("in [2024], [1000] and [0]", "in [2024], [1000] and [0]", vec![]),
        ("word[2]. word.[3][2]", "word[1]. word.[2][1]", vec![2, 3]),
        ("首都です[9]。", "首都です。", vec![]),
        ("a [9, 2].", "a [1].", vec![2]),
        ("首都です[2]。", "首都です[1]。", vec![2]),
        ("a[2](http://x)", "a[1](http://x)", vec![2]),
        ("[2] first", "[1] first", vec![2]),
        ("no [x] [] [1a] [1", "no [x] [] [1a] [1", vec![]),
        ("`a[2]` [3]", "`a[2]` [1]", vec![3]),
        ("```\nb[2]\n\n[1, 2]\n``` [3]", "```\nb[2]\n\n[1, 2]\n``` [1]", vec![3]),
        ("an odd ` and\n[2]", "an odd ` and\n[1]", vec![2]),
        ("  {\"a\": [1, 2]}", "  {\"a\": [1, 2]}", vec![]),
        ("[99999999999999999999999] a", "[99999999999999999999999] a", vec![]),
    ] {
        assert_eq!(anew(text, 3), (new.to_owned(), used), "{text}");
    }
}

#[test]
fn a_text_can_be_rid_of_its_marks() {
    for (text, bare) in
        [("a [1], b[2]. [3, 4] `c[5]` in [2024]", "a, b. `c[5]` in [2024]"), ("{ a [1]", "{ a")]
    {
        assert_eq!(without_marks(text), bare);
    }
}

/// Texts in which marks, code and JSON are frequent.
const TEXTS: &str = r"([a-zあ。 \[\],`\n{}]|[0-9]|\[[0-9]{1,2}\]|\[[0-9], [0-9]\]|```){0,40}";

proptest! {
    #[test]
    fn a_text_in_pieces_becomes_the_same(text in TEXTS, cuts in vec(1..7_usize, 1..40)) {
        let (whole, used) = anew(&text, 5);
        let mut uses = ByFirstUse::of(5);
        let mut marks = Marks::new(|n| uses.number(n));
        let mut chars = text.chars();
        let mut told = String::new();
        for cut in cuts.iter().cycle() {
            let piece: String = chars.by_ref().take(*cut).collect();
            if piece.is_empty() {
                break;
            }
            told += &marks.push(&piece);
        }
        told += &marks.end();
        drop(marks);
        assert_eq!((told, uses.used().collect::<Vec<_>>()), (whole, used));
    }

    #[test]
    fn new_numbers_count_up_from_one(
        text in r"([a-zあ。 ,\n}0-9]|\[[0-9]{1,2}\]|\[[0-9], [0-9]\]){0,40}"
    ) {
        let (new, used) = anew(&text, 5);
        let mut seen = Vec::new();
        renumbered(&new, |n| {
            // What may be an index stays, known or not.
            if n <= 5 && !seen.contains(&n) {
                seen.push(n);
            }
            Some(n)
        });
        assert_eq!(seen, (1..=used.len()).collect::<Vec<_>>(), "{new}");
    }

    #[test]
    fn nothing_but_marks_changes(text in r"[a-zあ。 ,`\n{}0-9]{0,60}") {
        assert_eq!(anew(&text, 5), (text, vec![]));
    }
}
