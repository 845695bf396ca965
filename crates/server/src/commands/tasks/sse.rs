//! Reading server-sent events, as the HTML standard has them. (Libraries for
//! it drop a `retry:` that comes without data, and set no limit to a frame.)

use std::{collections::VecDeque, time::Duration};

/// The longest frame that is taken, in bytes. A task's answer may have 16 MiB,
/// and stands twice in its frame, some of it escaped.
const LONGEST: usize = 64 << 20;

/// One event of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The id to resume after; empty when the server sent none so far.
    pub(super) id: String,
    /// The event's name; empty stands for the standard's `message`.
    pub(super) name: String,
    /// The data, its lines joined by line feeds.
    pub(super) data: String,
}

/// Turns bytes, wherever they were cut, into frames.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    after_return: bool,
    frame: Frame,
    has_data: bool,
    frames: VecDeque<Frame>,
    /// The id of the last whole frame.
    pub(super) last_id: String,
    /// How long the server wants to be left alone before a new connection.
    pub(super) retry: Option<Duration>,
}

/// A frame that is longer than any honest one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Reader {
    /// Takes the next bytes of the connection.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for &byte in bytes {
            let feed_of_crlf = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if feed_of_crlf => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.frame.data.len() > LONGEST {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// Forgets the frame that the connection broke off in.
    pub(super) fn cut(&mut self) {
        let (frames, last_id) =
            (std::mem::take(&mut self.frames), std::mem::take(&mut self.last_id));
        let frame = Frame { id: last_id.clone(), ..Frame::default() };
        *self = Self { frame, frames, last_id, retry: self.retry, ..Self::default() };
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        if line.is_empty() {
            return self.end_frame();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.frame.name),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
                self.has_data = true;
            }
            // The standard only excludes NUL; what a header cannot carry back is as useless.
            "id" if !value.contains(char::is_control) => value.clone_into(&mut self.frame.id),
            "retry" => {
                if let Ok(milliseconds) = value.parse() {
                    self.retry = Some(Duration::from_millis(milliseconds));
                }
            }
            // A comment, or a field of a later standard.
            _ => {}
        }
    }

    fn end_frame(&mut self) {
        self.frame.id.clone_into(&mut self.last_id);
        let next = Frame { id: self.last_id.clone(), ..Frame::default() };
        let frame = std::mem::replace(&mut self.frame, next);
        if std::mem::take(&mut self.has_data) {
            self.frames.push_back(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, LONGEST, Reader, TooLong};
    use std::time::Duration;

    fn frame(id: &str, name: &str, data: &str) -> Frame {
        Frame { id: id.to_owned(), name: name.to_owned(), data: data.to_owned() }
    }

    /// The frames of a text that arrives in pieces of this size.
    fn read(text: &str, size: usize) -> Vec<Frame> {
        let mut reader = Reader::default();
        for piece in text.as_bytes().chunks(size) {
            reader.feed(piece).unwrap();
        }
        std::iter::from_fn(|| reader.next()).collect()
    }

    #[test]
    fn frames_are_whole_wherever_the_bytes_are_cut() {
        let text = ": connected\n\nid: 1\nevent: PROGRESS\ndata: {\"m\":\"富士\"}\n\n\
                    : ping\n\nid: 2\nevent: done\ndata: [DONE]\n\n";
        for size in 1..=text.len() {
            let expected =
                [frame("1", "PROGRESS", "{\"m\":\"富士\"}"), frame("2", "done", "[DONE]")];
            assert_eq!(read(text, size), expected, "{size}");
        }
    }

    #[test]
    fn every_line_end_of_the_standard_is_one() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["id:7", "data:a", "data: b", "", "data", "", "event:x", "", ""].join(end);
            for size in 1..=text.len() {
                let expected = [frame("7", "", "a\nb"), frame("7", "", "")];
                assert_eq!(read(&text, size), expected, "{end:?} {size}");
            }
        }
    }

    #[test]
    fn a_frame_that_broke_off_leaves_no_trace() {
        let mut reader = Reader::default();
        reader.feed(b"retry: 1500\nid: 4\ndata: a\n\nid: 5\nevent: x\ndata: b\nda").unwrap();
        reader.cut();
        assert_eq!(
            (reader.last_id.as_str(), reader.retry),
            ("4", Some(Duration::from_millis(1500)))
        );
        reader.feed(b"\ndata: c\n\n").unwrap();
        let frames: Vec<Frame> = std::iter::from_fn(|| reader.next()).collect();
        assert_eq!(frames, [frame("4", "", "a"), frame("4", "", "c")]);
    }

    #[test]
    fn a_retry_counts_without_data() {
        let mut reader = Reader::default();
        reader.feed(b"retry: 20\n\nretry: soon\n\n").unwrap();
        assert_eq!((reader.retry, reader.next()), (Some(Duration::from_millis(20)), None));
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let mut reader = Reader::default();
        let mut fed = Ok(());
        for _ in 0..=LONGEST >> 20 {
            fed = reader.feed(&vec![b'x'; 1 << 20]);
        }
        assert_eq!(fed, Err(TooLong));
    }
}
