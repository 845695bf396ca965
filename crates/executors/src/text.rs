//! Texts of a bounded length.

/// The start of a text: so many bytes of it at most.
pub(crate) fn start(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// The start of a text, with a mark where more of it follows.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match start(text, most) {
        start if start.len() < text.len() => format!("{start} …"),
        all => all.to_owned(),
    }
}
