//! Conversations: the sessions that agent tasks belong to.

use crate::{
    error::InvalidValue,
    id::{SessionId, UserId},
    task::{status::TaskStatus, work::Mode},
    usage::Usd,
};
use chrono::{DateTime, Utc};

/// What people call a session: 1 to 60 characters that can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionTitle(String);

impl SessionTitle {
    /// The longest title, in characters.
    pub const MAX_CHARS: usize = 60;

    /// Takes a title, without what cannot be seen and the space around it.
    ///
    /// # Errors
    /// [`InvalidValue`] when nothing is left, or more than 60 characters.
    pub fn new(title: &str) -> Result<Self, InvalidValue> {
        let title = visible(title);
        if title.is_empty() {
            return Err(InvalidValue::new("title", "cannot be empty"));
        }
        if title.chars().count() > Self::MAX_CHARS {
            return Err(InvalidValue::new("title", "must be 60 characters or less"));
        }
        Ok(Self(title))
    }

    /// The title of a session that begins with this question: its beginning.
    /// `None` when the question has no visible character.
    pub fn of_query(query: &str) -> Option<Self> {
        // More than a title's worth, so that a long question is not copied.
        let start: String = query.trim_start().chars().take(4 * Self::MAX_CHARS).collect();
        let line = start.lines().map(visible).find(|line| !line.is_empty())?;
        if line.chars().count() <= Self::MAX_CHARS {
            return Some(Self(line));
        }
        let cut: String = line.chars().take(Self::MAX_CHARS - 1).collect();
        Some(Self(format!("{}…", cut.trim_end())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text without control characters and characters of no width.
fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    // A line break within a title parts words.
    let shown: String = text
        .chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .filter(|c| !hidden(*c))
        .collect();
    shown.trim().to_owned()
}

/// A session with what its tasks add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its own id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The name that the user's client gave it; `None` when that is the id.
    pub external_id: Option<String>,
    /// What people call it.
    pub title: Option<SessionTitle>,
    /// How its first task was to be gone about.
    pub first_mode: Mode,
    /// Whether its first task forced research.
    pub research: bool,
    /// When its first task was submitted.
    pub created_at: DateTime<Utc>,
    /// When it was made or renamed last.
    pub updated_at: DateTime<Utc>,
    /// How many tasks it has.
    pub tasks: i64,
    /// How many of them have completed.
    pub succeeded: i64,
    /// How many of them have failed or timed out.
    pub failed: i64,
    /// Tokens that its finished tasks consumed, all together.
    pub tokens: i64,
    /// Money that they cost, all together.
    pub cost: Usd,
    /// The task that was submitted last.
    pub latest: Option<LatestTask>,
}

/// The task of a session that was submitted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestTask {
    /// The beginning of its query, at most 500 characters.
    pub query: String,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// When anything of it changed last.
    pub updated_at: DateTime<Utc>,
}

/// A page of a user's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionPage {
    /// The sessions, the newest first.
    pub sessions: Vec<Session>,
    /// How many sessions the user has, in the same snapshot.
    pub total: i64,
}

#[cfg(test)]
mod tests {
    use super::SessionTitle;

    #[test]
    fn a_title_shows_what_it_holds() {
        let title = SessionTitle::new(" a\u{200b}b\u{7}\nc ").unwrap();
        assert_eq!(title.as_str(), "ab c");
        assert!(SessionTitle::new("\u{200b} \t").is_err());
        assert!(SessionTitle::new(&"あ".repeat(60)).is_ok());
        assert!(SessionTitle::new(&"あ".repeat(61)).is_err());
    }

    #[test]
    fn a_question_makes_a_title() {
        let title = |query: &str| SessionTitle::of_query(query).map(|title| title.0);
        assert_eq!(title("\n\n  空はなぜ青い?\nBecause"), Some("空はなぜ青い?".to_owned()));
        let long = title(&"word ".repeat(100)).unwrap();
        assert!(long.chars().count() <= 60 && long.ends_with("word…"), "{long}");
        assert_eq!(title(" \u{200b}"), None);
    }
}
