//! What browsers must be told before a web page of another origin may use the
//! gateway.

use crate::{http::keyless::is_loopback_origin, server::Services};
use actix_web::{
    HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};
use std::str::FromStr;

/// Whose web pages may read the gateway's answers. As text: `*`, or origins
/// with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Everybody's. Browsers send no API key by themselves, so a page has only
    /// what its own key opens.
    Any,
    /// Those of these origins, such as `https://app.example.com`, in lower case.
    These(Vec<String>),
}

impl FromStr for CorsOrigins {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let origins: Vec<_> = text.split(',').map(|one| one.trim().to_ascii_lowercase()).collect();
        if origins.iter().all(|origin| is_origin(origin)) {
            return Ok(Self::These(origins));
        }
        Err("must be * or origins such as https://app.example.com, with commas between them")
    }
}

/// Whether a text is a scheme and a host, with or without a port, and no more:
/// a path or a slash at the end would never match what browsers send.
fn is_origin(text: &str) -> bool {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    text.split_once("://").is_some_and(|(scheme, host)| {
        let whole = !scheme.is_empty() && !host.is_empty();
        whole && scheme.bytes().all(is_scheme) && host.bytes().all(is_host)
    })
}

/// The request headers that a page may set: those of the gateway contract
/// (section 0.1), and those that name the request and, where no keys are asked
/// for, the tenant.
const REQUEST_HEADERS: &str = "Content-Type, Authorization, X-API-Key, X-User-Id, X-Tenant-Id, Idempotency-Key, \
     traceparent, tracestate, X-Request-ID, Cache-Control, Last-Event-ID, If-Match";

/// The headers of an answer that a page may read: those of the gateway contract
/// (section 0.1), and those that its clients need besides.
const EXPOSED_HEADERS: &str = "X-RateLimit-Limit-Minute, X-RateLimit-Remaining-Minute, X-RateLimit-Limit-Hour, \
     X-RateLimit-Remaining-Hour, X-RateLimit-Reset, X-Trace-ID, X-Span-ID, X-Session-ID, \
     X-Shannon-Session-ID, X-Workflow-ID, X-Request-ID, X-Idempotency-Cached, \
     X-Idempotency-Key, ETag, Link, Retry-After";

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";

/// How long a browser need not ask again, in seconds; none remembers longer
/// than a day.
const MAX_AGE: &str = "86400";

/// What the page that sent a request is told.
pub(crate) struct Cors {
    /// Whose pages may read the answer.
    allowed: Option<HeaderValue>,
    /// Whether the answer would be another to another page.
    varies: bool,
}

impl Cors {
    /// Looks at where a request comes from.
    ///
    /// A server that asks for no keys answers the pages of this machine alone:
    /// any other page would have all that its visitor has.
    pub(crate) fn of(services: &Services, request: &HeaderMap) -> Self {
        let origin = request.get(header::ORIGIN);
        let allowed = match &services.cors_origins {
            _ if services.no_auth => {
                origin.filter(|origin| origin.to_str().is_ok_and(is_loopback_origin))
            }
            CorsOrigins::Any => {
                return Self { allowed: Some(HeaderValue::from_static("*")), varies: false };
            }
            CorsOrigins::These(origins) => {
                origin.filter(|origin| origins.iter().any(|one| *one == **origin))
            }
        };
        let allowed = allowed.cloned();
        Self { allowed, varies: true }
    }

    /// Writes it into an answer, an error as well: a page could read none
    /// without.
    pub(crate) fn write(self, answer: &mut HeaderMap) {
        if self.varies {
            answer.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = self.allowed {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            let exposed = HeaderValue::from_static(EXPOSED_HEADERS);
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

/// The answer to every `OPTIONS`, whatever the path: browsers ask before they
/// send what a page wants, without its key.
pub(crate) fn preflight() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::CorsOrigins;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let these = |origins: &[&str]| {
            Ok(CorsOrigins::These(origins.iter().map(ToString::to_string).collect()))
        };
        assert_eq!("*".parse(), Ok(CorsOrigins::Any));
        assert_eq!("https://App.example.com".parse(), these(&["https://app.example.com"]));
        assert_eq!(
            "tauri://localhost, http://[::1]:3000".parse(),
            these(&["tauri://localhost", "http://[::1]:3000"])
        );
    }

    #[test]
    fn what_no_browser_would_send_is_refused() {
        for text in [
            "",
            ",",
            "null",
            "app.example.com",
            "https://",
            "://app.example.com",
            "https://app.example.com/",
            "https://*.example.com",
            "https://a@example.com",
            "https://app.example.com,*",
            "https://a b",
            "https://\u{e9}.example",
        ] {
            assert!(text.parse::<CorsOrigins>().is_err(), "{text}");
        }
    }
}
