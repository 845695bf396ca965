//! What a task asks for.

use crate::{
    error::InvalidValue,
    id::{ProjectId, SessionId},
    json::JsonObject,
    text,
};
use std::{fmt, str::FromStr};

/// How an agent goes about a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// One call of a model, no tools. The default.
    #[default]
    Simple,
    /// Several steps with tools.
    Standard,
    /// Planned, parallel reasoning.
    Complex,
    /// Several agents under a supervisor.
    Supervisor,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Simple, Self::Standard, Self::Complex, Self::Supervisor];

    /// The mode's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Standard => "standard",
            Self::Complex => "complex",
            Self::Supervisor => "supervisor",
        }
    }
}

/// Jobs of the research face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskType {
    /// Search for papers.
    Search,
    /// Remove duplicates.
    Dedup,
    /// Fetch documents.
    Crawl,
    /// Recognise text in scanned pages.
    Ocr,
    /// Build a search index.
    Index,
    /// Suggest further keywords.
    KeywordExpand,
}

impl TaskType {
    /// Every job type.
    pub const ALL: [Self; 6] =
        [Self::Search, Self::Dedup, Self::Crawl, Self::Ocr, Self::Index, Self::KeywordExpand];

    /// The type's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Dedup => "dedup",
            Self::Crawl => "crawl",
            Self::Ocr => "ocr",
            Self::Index => "index",
            Self::KeywordExpand => "keyword_expand",
        }
    }
}

/// What a worker must be able to do to run a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Answer a query.
    Agent,
    /// Do a research job.
    Research(TaskType),
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Agent,
        Self::Research(TaskType::Search),
        Self::Research(TaskType::Dedup),
        Self::Research(TaskType::Crawl),
        Self::Research(TaskType::Ocr),
        Self::Research(TaskType::Index),
        Self::Research(TaskType::KeywordExpand),
    ];

    /// The kind's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Research(task_type) => task_type.as_str(),
        }
    }
}

macro_rules! named {
    ($type:ident, $field:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = InvalidValue;

            /// Reads the exact name.
            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::ALL.into_iter().find(|value| value.as_str() == text).ok_or_else(|| {
                    let names: Vec<&str> = Self::ALL.iter().map(|value| value.as_str()).collect();
                    InvalidValue::new($field, format!("must be one of {}", names.join(", ")))
                })
            }
        }
    };
}

named!(Mode, "mode");
named!(TaskType, "task_type");
named!(Kind, "kind");

/// The session id that a client sends: a UUID or any name of its own, 1 to 128
/// characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionLabel(String);

impl SessionLabel {
    /// Takes a client's session id.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is empty, too long or has control characters.
    pub fn new(label: impl Into<String>) -> Result<Self, InvalidValue> {
        let label = label.into();
        text::check_label("session_id", &label, 1, 128)?;
        Ok(Self(label))
    }

    /// A label that nobody has used, for a task submitted without a session.
    pub fn generate() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// The label as the client sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label as a session's own id, if it has the form of one: a random
    /// UUID or one that grows with time. Others may stand for something else,
    /// such as a project's tasks.
    pub fn as_id(&self) -> Option<SessionId> {
        uuid::Uuid::try_parse(&self.0)
            .ok()
            .filter(|id| id.hyphenated().to_string().eq_ignore_ascii_case(&self.0))
            .filter(|id| matches!(id.get_version_num(), 4 | 7))
            .map(SessionId)
    }
}

/// A question to an agent, in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentWork {
    query: String,
    session: SessionLabel,
    mode: Mode,
    context: JsonObject,
}

impl AgentWork {
    /// The longest query, in bytes of UTF-8. Lists show queries whole, so this
    /// bounds what a page can weigh; longer material belongs into the context.
    pub const MAX_QUERY_BYTES: usize = 128 * 1024;

    /// A question.
    ///
    /// An empty query is allowed when `context.attachments` has an element
    /// (gateway contract, section 1).
    ///
    /// # Errors
    /// [`InvalidValue`] when the query is empty without attachments, too long,
    /// or holds a NUL.
    pub fn new(
        query: String,
        session: SessionLabel,
        mode: Mode,
        context: JsonObject,
    ) -> Result<Self, InvalidValue> {
        text::refuse_nul("query", &query)?;
        if query.is_empty() && !has_attachments(&context) {
            return Err(InvalidValue::new("query", "must not be empty"));
        }
        if query.len() > Self::MAX_QUERY_BYTES {
            return Err(InvalidValue::new("query", "must not be longer than 131072 bytes"));
        }
        Ok(Self { query, session, mode, context })
    }

    /// The question.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The session, as the client named it.
    pub const fn session(&self) -> &SessionLabel {
        &self.session
    }

    /// How to go about it.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Settings for the agent, opaque here.
    pub const fn context(&self) -> &JsonObject {
        &self.context
    }

    /// Whether the context forces research: `force_research` is true, or the
    /// text `true` (gateway contract, section 18).
    pub fn forces_research(&self) -> bool {
        self.context
            .member("force_research")
            .is_some_and(|raw| matches!(raw.get(), "true" | r#""true""#))
    }
}

fn has_attachments(context: &JsonObject) -> bool {
    context.member("attachments").is_some_and(|raw| {
        serde_json::from_str::<Vec<serde::de::IgnoredAny>>(raw.get())
            .is_ok_and(|items| !items.is_empty())
    })
}

/// A job for a project's pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResearchWork {
    /// The project that the job belongs to.
    pub project: ProjectId,
    /// The job.
    pub task_type: TaskType,
    /// Its parameters, opaque here.
    pub params: JsonObject,
}

/// What a task asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A question to an agent.
    Agent(AgentWork),
    /// A research job.
    Research(ResearchWork),
}

impl Work {
    /// What a worker must be able to do to run it.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Agent(_) => Kind::Agent,
            Self::Research(work) => Kind::Research(work.task_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AgentWork, Kind, Mode, SessionLabel};
    use crate::json::JsonObject;

    fn object(text: &str) -> JsonObject {
        JsonObject::parse("context", text.to_owned()).unwrap()
    }

    #[test]
    fn an_empty_query_needs_an_attachment() {
        let session = SessionLabel::generate();
        let ask = |query: &str, context: &str| {
            AgentWork::new(query.to_owned(), session.clone(), Mode::Simple, object(context))
        };
        assert!(ask("", "{}").is_err());
        assert!(ask("", r#"{"attachments":[]}"#).is_err());
        assert!(ask("", r#"{"attachments":[{"id":1}]}"#).is_ok());
        assert!(ask("a\0b", "{}").is_err());
        assert!(ask(&"a".repeat(AgentWork::MAX_QUERY_BYTES), "{}").is_ok());
        assert!(ask(&"a".repeat(AgentWork::MAX_QUERY_BYTES + 1), "{}").is_err());
    }

    #[test]
    fn only_a_hyphenated_uuid_is_a_session_id() {
        let id = |label: &str| SessionLabel::new(label).unwrap().as_id();
        assert!(id("67E55044-10B1-426F-9247-BB680E5FE0C8").is_some());
        assert!(id("67e5504410b1426f9247bb680e5fe0c8").is_none());
        assert!(id("00000000-0000-0000-0000-000000000002").is_none());
        assert!(id("cfbff0d1-9375-5685-968c-48ce8b15ae17").is_none(), "a version 5");
        assert!(id("user-123-chat").is_none());
        assert!(SessionLabel::new("a\nb").is_err() && SessionLabel::new("").is_err());
    }

    #[test]
    fn names_read_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("Agent".parse::<Kind>().is_err());
    }
}
