//! Making parts of a prompt fit.

/// A part that is left with less than this is left out.
const LEAST: usize = 50;

/// The texts, cut so that all of them are estimated at `most` tokens at the
/// most; those for which there is no room are empty. Those of the lowest rank
/// come first.
pub(super) fn fit<R: Ord>(
    mut texts: Vec<String>,
    rank: impl Fn(usize) -> R,
    most: usize,
) -> Vec<String> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&n| rank(n));
    let mut left = most * QUARTERS;
    for n in order {
        let Some(text) = texts.get_mut(n) else { continue };
        left -= cut(text, left);
    }
    texts
}

/// Quarters of a token, of which an ASCII character takes one.
const QUARTERS: usize = 4;

/// Cuts a text to so many quarters of a token; returns how many it takes.
fn cut(text: &mut String, most: usize) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        let more = if c.is_ascii() { 1 } else { QUARTERS };
        if taken + more > most {
            if most < LEAST * QUARTERS {
                text.clear();
                return 0;
            }
            text.truncate(at);
            text.push('…');
            return most;
        }
        taken += more;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::fit;
    use std::cmp::Reverse;

    #[test]
    fn what_fits_stays_as_it_is() {
        let texts = vec!["one".to_owned(), "二".to_owned()];
        assert_eq!(fit(texts.clone(), |n| n, 2), texts);
    }

    #[test]
    fn the_first_by_rank_get_what_room_there_is() {
        let texts = vec!["a".repeat(400), "b".repeat(400), "あ".repeat(100)];
        let lengths = |texts: Vec<String>| -> Vec<usize> {
            texts.iter().map(|text| text.chars().count()).collect()
        };
        assert_eq!(lengths(fit(texts.clone(), |n| n, 250)), [400, 400, 51]);
        assert_eq!(lengths(fit(texts.clone(), Reverse, 160)), [0, 241, 100]);
        assert_eq!(lengths(fit(texts, |n| n, 120)), [400, 0, 0]);
    }
}
