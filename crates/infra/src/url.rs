//! Where the store is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The address of a store: `sqlite://PATH` or `postgres://…`.
///
/// Neither `Display` nor `Debug` shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Location);

#[derive(Clone, PartialEq, Eq)]
enum Location {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Text that is no [`DatabaseUrl`]. It does not repeat the text, which may
/// hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database URL must be sqlite://PATH or postgres://…")]
pub struct InvalidDatabaseUrl;

/// What to open, as an adapter sees it.
#[derive(Clone, Copy)]
pub(crate) enum Backend<'a> {
    /// A file.
    Sqlite(&'a Path),
    /// A connection URL, with its password.
    Postgres(&'a str),
}

impl DatabaseUrl {
    pub(crate) fn backend(&self) -> Backend<'_> {
        match &self.0 {
            Location::Sqlite(path) => Backend::Sqlite(path),
            Location::Postgres(url) => Backend::Postgres(url),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidDatabaseUrl)?;
        if rest.is_empty() || text.contains('\0') {
            return Err(InvalidDatabaseUrl);
        }
        match scheme {
            // SQLite would take a path that begins with `file:` for a URI.
            "sqlite" => Ok(Self(Location::Sqlite(Path::new(".").join(rest)))),
            "postgres" | "postgresql" => Ok(Self(Location::Postgres(text.to_owned()))),
            _ => Err(InvalidDatabaseUrl),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Location::Sqlite(path) => {
                write!(f, "sqlite://{}", path.strip_prefix(".").unwrap_or(path).display())
            }
            Location::Postgres(url) => {
                let mut shown = url.clone();
                // From the back, so that the earlier ranges stay right.
                for secret in secrets(url).into_iter().rev() {
                    shown.replace_range(secret, "***");
                }
                f.write_str(&shown)
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Where in a PostgreSQL URL secrets stand, from the first to the last: the
/// password before the host and the parameters that libpq reads one from.
fn secrets(url: &str) -> Vec<std::ops::Range<usize>> {
    let start = url.find("://").map_or(0, |at| at + 3);
    let query = url.rfind('?').unwrap_or(url.len());
    let mut found = Vec::new();
    // The last `@` ends the password even when it holds a stray `@`, `/` or `?`.
    if let Some(at) = url.rfind('@')
        && let Some(colon) = url.get(start..at).and_then(|user| user.find(':'))
    {
        found.push(start + colon + 1..at);
    }
    let mut at = query + 1;
    for parameter in url.get(at..).unwrap_or_default().split('&') {
        let end = at + parameter.len();
        if let Some((name, value)) = parameter.split_once('=')
            && name.to_ascii_lowercase().contains("password")
            && found.iter().all(|range: &std::ops::Range<usize>| range.end <= at)
        {
            found.push(end - value.len()..end);
        }
        at = end + 1;
    }
    found
}

/// `text` without the secrets of `url`, for what a database library says about
/// a connection that it could not make.
pub(crate) fn scrub(text: &str, url: &str) -> String {
    let mut clean = text.replace(url, "***");
    for secret in secrets(url).into_iter().filter_map(|range| url.get(range)) {
        let decoded = percent_decoded(secret);
        for form in [secret, decoded.as_str()].into_iter().filter(|form| !form.is_empty()) {
            clean = clean.replace(form, "***");
        }
    }
    clean
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, tail) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let code = tail.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        rest = tail.get(if code.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{DatabaseUrl, scrub};

    #[test]
    fn a_url_shows_no_password() {
        for (url, shown) in [
            ("sqlite://tasks.db", "sqlite://tasks.db"),
            ("sqlite:///var/lib/tasks.db", "sqlite:///var/lib/tasks.db"),
            ("postgres://host/db", "postgres://host/db"),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("postgres://me:pa:ss@host:5432/db", "postgres://me:***@host:5432/db"),
            ("postgres://me:p@/?ss@host/db", "postgres://me:***@host/db"),
            ("postgresql:///db?host=/run&password=pass", "postgresql:///db?host=/run&password=***"),
            (
                "postgres://me:a@h/db?sslpassword=b&x=1",
                "postgres://me:***@h/db?sslpassword=***&x=1",
            ),
        ] {
            let parsed: DatabaseUrl = url.parse().unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), format!("DatabaseUrl({shown})"));
        }
    }

    #[test]
    fn other_schemes_are_refused_without_being_repeated() {
        for text in ["", "tasks.db", "sqlite://", "mysql://me:secret@host/db", "sqlite://a\0b"] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn scrubbed_text_holds_no_form_of_the_password() {
        let url = "postgres://me:p%40ss@host/db";
        let text = format!("could not use {url}, nor p%40ss, nor p@ss");
        assert_eq!(scrub(&text, url), "could not use ***, nor ***, nor ***");
    }
}
