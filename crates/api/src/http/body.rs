//! Strict reading of JSON bodies.

mod portable;

use crate::{http::error::ApiError, server::State};
use actix_web::{
    HttpMessage, HttpRequest,
    http::header,
    web::{self, Bytes},
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

/// The longest body of an ordinary route, in bytes.
pub(crate) const LIMIT: usize = 1 << 20;

/// The deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 64;

/// Bodies above so many bytes are large: they need room in
/// [`State::large_bodies`], and are decoded away from the serving threads.
const LARGE: usize = 256 << 10;

/// A body that has arrived, with the room that it takes until it is dropped.
pub(crate) struct Body {
    bytes: Bytes,
    /// Shared with the decoding, which goes on when the client leaves.
    room: Option<Arc<OwnedSemaphorePermit>>,
}

impl Body {
    /// Decodes the body; a large one on a thread of its own, so that others
    /// are served meanwhile.
    ///
    /// # Errors
    /// What `decode` returns.
    pub(crate) async fn decode<T: Send + 'static>(
        &self,
        decode: impl FnOnce(&[u8]) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let Some(room) = self.room.clone() else { return decode(&self.bytes) };
        let bytes = self.bytes.clone();
        let work = move || {
            let _room = room;
            decode(&bytes)
        };
        web::block(work).await.map_err(|_| ApiError::Busy)?
    }
}

/// Reads the whole body. A large one waits for room first.
///
/// # Errors
/// [`ApiError::BodyTooLarge`] past `limit` bytes, [`ApiError::Busy`] when there
/// is no room for it within the face's body deadline,
/// [`ApiError::BodyTimeout`] when it has not arrived by then, and
/// [`ApiError::Invalid`] when the connection breaks or the encoding is wrong.
pub(crate) async fn read(
    state: &State,
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Body, ApiError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(ApiError::BodyTooLarge(limit));
    }
    let deadline = Instant::now() + state.body_deadline;
    // A body without an announced length may become as long as the limit.
    let longest = announced.unwrap_or(if request.chunked().unwrap_or(false) { limit } else { 0 });
    let room = if longest > LARGE {
        let room = make_room(state, longest);
        let room = timeout_at(deadline, room).await.map_err(|_| ApiError::Busy)??;
        Some(Arc::new(room))
    } else {
        None
    };
    match timeout_at(deadline, payload.to_bytes_limited(limit)).await {
        Err(_) => Err(ApiError::BodyTimeout),
        Ok(Err(_)) => Err(ApiError::BodyTooLarge(limit)),
        Ok(Ok(Err(_))) => Err(ApiError::invalid("Invalid request body: it broke off")),
        Ok(Ok(Ok(bytes))) => Ok(Body { room: room.filter(|_| bytes.len() > LARGE), bytes }),
    }
}

/// Waits until so many bytes of large bodies may come in.
async fn make_room(state: &State, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let bytes = u32::try_from(bytes).map_err(|_| ApiError::Busy)?;
    state.large_bodies.clone().acquire_many_owned(bytes).await.map_err(|_| ApiError::Busy)
}

/// Decodes a body that must be one JSON object, which every reader of JSON can
/// take: what is opaque here is handed on to workers and clients as it is.
///
/// NUL characters are left to the values' own rules: opaque members may hold
/// `\u0000`.
///
/// # Errors
/// [`ApiError::Invalid`] when the body is not UTF-8, not JSON, not an object,
/// nested deeper than 64, has half of a surrogate pair in a string, a number
/// beyond the range of 64-bit floating point, or a member of the wrong type or
/// twice.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let invalid = |why: &str| ApiError::invalid(format!("Invalid request body: {why}"));
    let text = std::str::from_utf8(body).map_err(|_| invalid("not UTF-8"))?;
    if is_deeper_than(text, MAX_DEPTH) {
        return Err(invalid("nested deeper than 64 levels"));
    }
    portable::check(text).map_err(|why| invalid(&why))?;
    // serde would also take an array for the fields in order.
    let object = text.trim_start().starts_with('{');
    match serde_json::from_str(text) {
        Ok(value) if object => Ok(value),
        Ok(_) => Err(invalid("not a JSON object")),
        Err(error) if object || error.is_syntax() || error.is_eof() => {
            Err(invalid(&in_words(&error)))
        }
        Err(_) => Err(invalid("not a JSON object")),
    }
}

/// A serde error that names types as people do.
fn in_words(error: &serde_json::Error) -> String {
    let sentence = error.to_string();
    let Some((found, (wanted, place))) = sentence
        .rsplit_once(", expected ")
        .and_then(|(found, rest)| Some((found, rest.split_once(' ')?)))
    else {
        return sentence;
    };
    let wanted = match wanted {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "an integer",
        "f32" | "f64" => "a number",
        other => other,
    };
    format!("{found}, expected {wanted} {place}")
}

/// Decodes the body of a route that works without one: what cannot be decoded
/// counts as absent (gateway contract, 0.1).
pub(crate) fn optional_json<T: DeserializeOwned + Default>(body: &[u8]) -> T {
    json(body).unwrap_or_default()
}

/// Takes a text that is one JSON object no deeper than bodies may be.
pub(crate) fn object(text: &str) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    (raw.get().starts_with('{') && !is_deeper_than(text, MAX_DEPTH)).then_some(raw)
}

/// Whether arrays and objects nest deeper than `max`, in text that may not
/// even be JSON.
fn is_deeper_than(text: &str, max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{LARGE, is_deeper_than, json, optional_json, read};
    use crate::{
        http::error::ApiError,
        server::{Face, LARGE_BODIES, State},
        testing::Mocks,
    };
    use actix_web::{FromRequest, test::TestRequest, web};
    use serde::Deserialize;
    use std::{thread, time::Duration};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Body {
        #[serde(default)]
        n: i64,
    }

    fn refusal(body: &[u8]) -> String {
        json::<Body>(body).unwrap_err().to_string()
    }

    #[test]
    fn one_object_is_read_and_unknown_members_are_ignored() {
        assert_eq!(json::<Body>(br#" {"n":1,"x":[]} "#).unwrap(), Body { n: 1 });
    }

    #[test]
    fn everything_else_is_refused_with_one_sentence() {
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(64), "]".repeat(64));
        let refusals = [
            refusal(b""),
            refusal(b"\xff"),
            refusal(b"[1]"),
            refusal(b"null"),
            refusal(b"{\"n\":\"\0\"}"),
            refusal(br#"{"n":1e99}"#),
            refusal(br#"{"n":1,"n":2}"#),
            refusal(br#"{} {}"#),
            refusal(br#"{"x":[{"\ud800\u0041":1}]}"#),
            refusal(br#"{"x":"\udc00"}"#),
            refusal(br#"{"x":[1,-1e999]}"#),
            refusal(deep.as_bytes()),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @r"
        Invalid request body: EOF while parsing a value at line 1 column 0
        Invalid request body: not UTF-8
        Invalid request body: not a JSON object
        Invalid request body: not a JSON object
        Invalid request body: control character (\u0000-\u001F) found while parsing a string at line 1 column 7
        Invalid request body: invalid type: floating point `1e+99`, expected an integer at line 1 column 9
        Invalid request body: duplicate field `n` at line 1 column 10
        Invalid request body: trailing characters at line 1 column 4
        Invalid request body: a string with half of a surrogate pair at line 1 column 20
        Invalid request body: a string with half of a surrogate pair at line 1 column 12
        Invalid request body: a number beyond the range of 64-bit floating point at line 1 column 14
        Invalid request body: nested deeper than 64 levels
        ");
    }

    /// Reads a body of this length, announced or in chunks.
    async fn arrive(
        state: &State,
        length: usize,
        announced: bool,
    ) -> Result<super::Body, ApiError> {
        let head = if announced {
            ("Content-Length", length.to_string())
        } else {
            ("Transfer-Encoding", "chunked".to_owned())
        };
        let request = TestRequest::post().insert_header(head).set_payload(vec![b' '; length]);
        let (request, mut payload) = request.to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
        read(state, &request, payload, 40 << 20).await
    }

    #[actix_web::test]
    async fn large_bodies_wait_for_room_and_small_ones_do_not() {
        let services = Mocks::default().services();
        let state = State::new(Face::Gateway, services, Duration::from_millis(20));
        let all = u32::try_from(LARGE_BODIES).unwrap();
        let room = state.large_bodies.clone().acquire_many_owned(all).await.unwrap();
        assert!(arrive(&state, LARGE, true).await.is_ok());
        for announced in [true, false] {
            let refusal = arrive(&state, LARGE + 1, announced).await.err();
            assert!(matches!(refusal, Some(ApiError::Busy)), "{announced}: {refusal:?}");
        }
        drop(room);
        let body = arrive(&state, LARGE + 1, true).await.unwrap();
        assert_eq!(state.large_bodies.available_permits(), LARGE_BODIES - LARGE - 1);
        drop(body);
        let _small = arrive(&state, LARGE, false).await.unwrap();
        assert_eq!(state.large_bodies.available_permits(), LARGE_BODIES);
    }

    #[actix_web::test]
    async fn a_large_body_does_not_occupy_a_serving_thread() {
        let state = Mocks::default().state(Face::Gateway);
        for (length, here) in [(LARGE, true), (LARGE + 1, false)] {
            let body = arrive(&state, length, true).await.unwrap();
            let thread = body.decode(|_| Ok(thread::current().id())).await.unwrap();
            assert_eq!(thread == thread::current().id(), here, "{length}");
        }
    }

    #[test]
    fn depth_is_counted_outside_strings_only() {
        assert!(!is_deeper_than(r#"["\"[[[","]"]"#, 1));
        assert!(!is_deeper_than("[][][]", 1));
        assert!(is_deeper_than("[[", 1));
    }

    #[test]
    fn an_optional_body_may_be_anything() {
        for body in ["", "nonsense", "[]", r#"{"n":"x"}"#] {
            assert_eq!(optional_json::<Body>(body.as_bytes()), Body::default(), "{body}");
        }
    }
}
