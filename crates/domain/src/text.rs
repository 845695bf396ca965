//! Rules that texts from outside must keep.

use crate::error::InvalidValue;

/// Checks that `text` has between `min` and `max` characters and no control
/// character.
pub(crate) fn check_label(
    field: &'static str,
    text: &str,
    min: usize,
    max: usize,
) -> Result<(), InvalidValue> {
    let length = text.chars().count();
    if length < min || length > max || text.chars().any(char::is_control) {
        return Err(InvalidValue::new(
            field,
            format!("must have {min} to {max} characters and no control character"),
        ));
    }
    Ok(())
}

/// Checks that `text`, of any length, has no NUL: PostgreSQL cannot store one.
pub(crate) fn refuse_nul(field: &'static str, text: &str) -> Result<(), InvalidValue> {
    if text.contains('\0') {
        return Err(InvalidValue::new(field, "must not contain a NUL character"));
    }
    Ok(())
}

/// Text that a worker reports, with every NUL replaced by U+FFFD: a finished
/// result is worth more than one odd character in it.
pub fn replace_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
