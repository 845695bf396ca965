//! What ties an answer of the gateway to its caller's trace.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
const SPAN_ID: HeaderName = HeaderName::from_static("x-span-id");

/// The trace that a request belongs to, and the request's own span in it.
pub(crate) struct Trace {
    id: HeaderValue,
    span: HeaderValue,
}

impl Trace {
    /// Takes the trace that the headers tell of: the one in `traceparent`, else
    /// `X-Trace-ID`, else `X-Request-ID` (gateway contract, 0.1). What is not
    /// fit for a log counts as absent; without any, `fresh` is the trace.
    pub(crate) fn of(headers: &HeaderMap, fresh: Uuid) -> Self {
        let given = || {
            let parent = headers.get("traceparent")?.to_str().ok()?.split('-').nth(1)?;
            let hex = parent.len() == 32 && parent.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| HeaderValue::from_str(parent).ok()).flatten()
        };
        let named = |name: HeaderName| headers.get(name).filter(|id| is_loggable(id)).cloned();
        let id = given()
            .or_else(|| named(TRACE_ID))
            .or_else(|| named(HeaderName::from_static("x-request-id")))
            .unwrap_or_else(|| header(&fresh.simple().to_string()));
        let (_, span) = fresh.as_u64_pair();
        Self { id, span: header(&format!("{span:016x}")) }
    }

    /// The trace's id.
    pub(crate) fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    /// Writes both ids into an answer.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(TRACE_ID, self.id);
        headers.insert(SPAN_ID, self.span);
    }
}

/// Whether an id that a client made up may stand in a log and in an answer.
pub(crate) fn is_loggable(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

/// A header of an id made here.
pub(crate) fn header(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::Trace;
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use uuid::Uuid;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const FRESH: &str = "00000000000000000000000000000007";

    fn trace_id(headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        Trace::of(&map, Uuid::from_u128(7)).id().to_owned()
    }

    #[test]
    fn the_most_exact_header_wins() {
        let all = [("traceparent", PARENT), ("x-trace-id", "t-1"), ("x-request-id", "r-1")];
        assert_eq!(trace_id(&all), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace_id(&all[1..]), "t-1");
        assert_eq!(trace_id(&all[2..]), "r-1");
        assert_eq!(trace_id(&[]), FRESH);
    }

    #[test]
    fn what_is_no_id_counts_as_absent() {
        for parent in ["", "-", "00", "00--", "00-abc-1-01", "00-4bf92f3577b34da6a3ce929d0e0e473g"]
        {
            assert_eq!(trace_id(&[("traceparent", parent), ("x-trace-id", "t")]), "t", "{parent}");
        }
        let long = "a".repeat(129);
        for id in ["", "a b", "<b>", "a\tb", "\u{e9}", &long] {
            assert_eq!(trace_id(&[("x-trace-id", id), ("x-request-id", id)]), FRESH, "{id}");
        }
    }

    #[test]
    fn a_span_is_sixteen_digits() {
        let mut answer = HeaderMap::new();
        Trace::of(&HeaderMap::new(), Uuid::from_u128(7)).write(&mut answer);
        assert_eq!(answer.get("x-span-id").unwrap(), "0000000000000007");
        assert_eq!(answer.get("x-trace-id").unwrap(), FRESH);
    }
}
