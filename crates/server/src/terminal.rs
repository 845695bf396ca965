//! Writing to the terminal: results on standard output, the rest on standard
//! error.

use crate::failure::Failure;
use std::io::{ErrorKind, Write};

/// Prints a result. A reader that has gone away (`taskgate keys list | head`)
/// is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_on(text).map(|_| ())
}

/// Prints a part of a result that is still growing; false when its reader has
/// gone away.
pub(crate) fn print_on(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::caused("cannot write to standard output", &error)),
    }
}

/// Prints a line that is not part of the result.
pub(crate) fn note(line: &str) {
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints text that is not part of the result, and does not end its line.
pub(crate) fn note_on(text: &str) {
    let mut out = std::io::stderr().lock();
    // As for a line: there is nowhere left to say that it failed.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Lays rows out in columns, the first row being the headings.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ID", "NAME"], ["1", "été"], ["long", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "ID    NAME\n1     été\nlong\n");
    }
}
