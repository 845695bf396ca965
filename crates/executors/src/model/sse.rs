//! Events of a stream, as far as chat completions use them: their data.

use super::fault::{Fault, MAX_ANSWER_BYTES};

/// Puts the pieces of a body together to the data of events. Names, ids and
/// comments are left out.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// What has come of a line that has not ended.
    line: Vec<u8>,
    /// The data of an event that has not ended.
    data: Option<String>,
}

impl Events {
    /// The data of the events that end in this piece.
    pub(super) fn read(&mut self, piece: &[u8]) -> Result<Vec<String>, Fault> {
        let mut ended = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            let data = self.data.as_ref().map_or(0, String::len);
            if self.line.len() + data > MAX_ANSWER_BYTES {
                return Err(Fault::Endless);
            }
            if part.ends_with(b"\n") {
                self.end_line()?;
                if self.line.is_empty() {
                    ended.extend(self.data.take());
                }
                self.line.clear();
            }
        }
        Ok(ended)
    }

    /// The data of an event that ends with the body.
    pub(super) fn finish(mut self) -> Result<Option<String>, Fault> {
        self.end_line()?;
        Ok(self.data)
    }

    /// Takes the line that has ended, and leaves it without its end.
    fn end_line(&mut self) -> Result<(), Fault> {
        while matches!(self.line.last(), Some(b'\n' | b'\r')) {
            self.line.pop();
        }
        if let Some(data) = self.line.strip_prefix(b"data:") {
            let data = std::str::from_utf8(data).map_err(|_error| Fault::Unreadable)?;
            let data = data.strip_prefix(' ').unwrap_or(data);
            match &mut self.data {
                Some(lines) => {
                    lines.push('\n');
                    lines.push_str(data);
                }
                None => self.data = Some(data.to_owned()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn events_come_out_however_they_are_cut() {
        let stream = ": hello\r\n\r\nevent: x\r\ndata: {\"text\":\"日本\"}\r\n\r\n\
                      data:two\ndata: lines\n\n\n\ndata: [DONE]";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut data = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                data.extend(events.read(piece).unwrap());
            }
            data.extend(events.finish().unwrap());
            assert_eq!(data, ["{\"text\":\"日本\"}", "two\nlines", "[DONE]"], "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_text_is_unreadable() {
        assert!(Events::default().read(b"data: \xff\n\n").is_err());
    }
}
