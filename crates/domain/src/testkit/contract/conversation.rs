//! What a session shows of its tasks.

use crate::{
    id::{TenantId, UserId},
    query::{Page, TaskScope},
    queue::Conclusion,
    session::{LatestTask, Session, SessionPage, SessionTitle},
    task::{
        outcome::Outcome,
        status::{FinalStatus, TaskStatus},
        submit::NewTask,
        work::{AgentWork, Mode, SessionLabel, Work},
    },
    testkit::{Ports, build},
    usage::{Tokens, Usage, Usd},
};
use futures_util::future::join_all;
use std::time::Duration;

/// A question of the default user.
fn question(session: &SessionLabel, query: &str, mode: Mode, context: &str) -> NewTask {
    let work = AgentWork::new(query.to_owned(), session.clone(), mode, build::object(context));
    let work = Work::Agent(work.expect("the question is valid"));
    NewTask { work, ..build::agent_task(UserId::DEFAULT) }
}

async fn read(ports: &Ports, label: &SessionLabel) -> Session {
    ports.conversation(UserId::DEFAULT, label).await.expect("the user has the session")
}

async fn list(ports: &Ports, user: UserId, page: Page) -> SessionPage {
    ports.sessions.list_sessions(user, page).await.expect("the sessions are listed")
}

fn usage(tokens: i64, nanos: i64) -> Usage {
    let tokens = Tokens::new(1, 2, Some(tokens)).expect("the counts are valid");
    Usage::new(tokens, Usd::from_nanos(nanos).expect("the amount is valid"), Vec::new())
}

pub async fn a_session_begins_as_its_first_task_says(ports: &Ports) {
    for (mode, context, research) in [
        (Mode::Simple, "{}", false),
        (Mode::Supervisor, r#"{"force_research":true}"#, true),
        (Mode::Complex, r#"{"force_research":"true"}"#, true),
        (Mode::Standard, r#"{"force_research":false}"#, false),
    ] {
        let chat = build::label(&format!("会話 {mode}"));
        let task = ports.submit(question(&chat, "なぜ空は青い?", mode, context)).await;
        let session = read(ports, &chat).await;
        let expected = Session {
            id: ports.session(UserId::DEFAULT, &chat).await.expect("the session exists"),
            user: UserId::DEFAULT,
            external_id: Some(chat.as_str().to_owned()),
            title: SessionTitle::of_query("なぜ空は青い?"),
            first_mode: mode,
            research,
            created_at: task.created_at,
            updated_at: task.created_at,
            tasks: 1,
            succeeded: 0,
            failed: 0,
            tokens: 0,
            cost: Usd::ZERO,
            latest: Some(LatestTask {
                query: "なぜ空は青い?".to_owned(),
                status: TaskStatus::Queued,
                updated_at: task.created_at,
            }),
        };
        assert_eq!(session, expected);
    }
}

pub async fn a_session_reads_the_same_by_either_id(ports: &Ports) {
    let chat = build::label("chat");
    ports.submit(question(&chat, "q", Mode::Simple, "{}")).await;
    let session = read(ports, &chat).await;
    assert_eq!(read(ports, &build::label(&session.id.to_string())).await, session);
    assert_eq!(list(ports, UserId::DEFAULT, build::whole()).await.sessions, [session]);
}

pub async fn a_session_named_by_its_id_has_no_other_name(ports: &Ports) {
    let label = SessionLabel::generate();
    ports.submit(question(&label, "q", Mode::Simple, "{}")).await;
    let session = read(ports, &label).await;
    assert_eq!((session.id.to_string().as_str(), session.external_id), (label.as_str(), None));
}

pub async fn a_session_whose_name_is_anothers_id_keeps_the_name(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    let label = SessionLabel::generate();
    ports.submit(build::agent_task_in(other, label.clone())).await;
    ports.submit(question(&label, "q", Mode::Simple, "{}")).await;
    let session = read(ports, &label).await;
    assert_ne!(session.id.to_string(), label.as_str());
    assert_eq!(session.external_id.as_deref(), Some(label.as_str()));
}

pub async fn later_tasks_leave_what_the_first_has_set(ports: &Ports) {
    let chat = build::label("chat");
    ports.submit(question(&chat, "first", Mode::Complex, "{}")).await;
    let before = read(ports, &chat).await;
    let context = r#"{"force_research":true}"#;
    ports.submit(question(&chat, "second", Mode::Simple, context)).await;
    let after = read(ports, &chat).await;
    assert_eq!(after, Session { tasks: 2, latest: after.latest.clone(), ..before });
}

pub async fn a_question_that_cannot_be_seen_makes_no_title(ports: &Ports) {
    let chat = build::label("chat");
    let context = r#"{"attachments":[{"id":1}]}"#;
    ports.submit(question(&chat, "", Mode::Simple, context)).await;
    ports.submit(question(&chat, "seen", Mode::Simple, "{}")).await;
    assert_eq!(read(ports, &chat).await.title, None);
}

pub async fn a_session_adds_up_every_kind_of_end(ports: &Ports) {
    let chat = build::label("chat");
    let mut expected = (0, 0, 0, 0, 0);
    for (n, end) in
        [(1, "completed"), (2, "failed"), (3, "cancelled"), (4, "completed"), (5, "late")]
    {
        let task = question(&chat, "q", Mode::Simple, "{}");
        let timeout = if end == "late" { 1 } else { 3_600 };
        let task = ports.submit(build::with(task, |o| o.with_timeout_seconds(timeout))).await;
        let lease = build::lease(&ports.claim_one().await);
        match end {
            "completed" => {
                let outcome = Outcome { usage: usage(10 * n, 7 * n), ..Outcome::default() };
                ports.finish(lease, Conclusion::Complete(outcome)).await.expect("it ends");
                (expected.1, expected.3, expected.4) =
                    (expected.1 + 1, expected.3 + 10 * n, expected.4 + 7 * n);
            }
            "failed" => {
                ports.finish(lease, build::fail("broken")).await.expect("it ends");
                expected.2 += 1;
            }
            "cancelled" => drop(ports.cancel(task.number).await),
            _ => {
                ports.reap_deadlines(1).await;
                expected.2 += 1;
            }
        }
        expected.0 += 1;
        for _ in 0..2 {
            let session = read(ports, &chat).await;
            let sums = (session.tasks, session.succeeded, session.failed, session.tokens);
            let sums = (sums.0, sums.1, sums.2, sums.3, session.cost.nanos());
            assert_eq!(sums, expected, "{end}");
            ports.maintenance.tidy().await.expect("the store is tidied");
        }
    }
}

pub async fn what_has_not_ended_counts_as_a_task_alone(ports: &Ports) {
    let chat = build::label("chat");
    for _ in 0..4 {
        ports.submit(question(&chat, "q", Mode::Simple, "{}")).await;
    }
    let claimed = ports.claim(build::claim(3)).await;
    ports.pause(claimed[0].number).await;
    let retry = build::retry_after("again", Duration::from_secs(3_600));
    ports.finish(build::lease(&claimed[1]), retry).await.expect("it is tried again");
    let session = read(ports, &chat).await;
    assert_eq!((session.tasks, session.succeeded, session.failed), (4, 0, 0));
    assert_eq!((session.tokens, session.cost), (0, Usd::ZERO));
}

pub async fn sums_are_apart_by_session(ports: &Ports) {
    let labels = ["one", "two"].map(build::label);
    for (n, label) in labels.iter().enumerate() {
        for _ in 0..=n {
            ports.submit(question(label, "q", Mode::Simple, "{}")).await;
            let outcome = Outcome { usage: usage(5, 1), ..Outcome::default() };
            let lease = build::lease(&ports.claim_one().await);
            ports.finish(lease, Conclusion::Complete(outcome)).await.expect("it ends");
        }
    }
    for (label, tasks) in labels.iter().zip([1, 2]) {
        let session = read(ports, label).await;
        assert_eq!((session.tasks, session.succeeded, session.tokens), (tasks, tasks, 5 * tasks));
    }
}

pub async fn sums_stay_exact_while_writers_and_tidying_run(ports: &Ports) {
    let chat = build::label("chat");
    let writer = || async {
        for _ in 0..8 {
            ports.submit(question(&chat, "q", Mode::Simple, "{}")).await;
            for task in ports.claim(build::claim(1)).await {
                let outcome = Outcome { usage: usage(3, 2), ..Outcome::default() };
                let end = Conclusion::Complete(outcome);
                ports.finish(build::lease(&task), end).await.expect("it ends");
            }
            ports.maintenance.tidy().await.expect("the store is tidied");
        }
    };
    join_all((0..4).map(|_| writer())).await;
    for task in ports.claim(build::claim(500)).await {
        ports.cancel(task.number).await;
    }
    let session = read(ports, &chat).await;
    assert_eq!(session.tasks, 32);
    assert_eq!(
        (session.tokens, session.cost.nanos()),
        (3 * session.succeeded, 2 * session.succeeded)
    );
    assert!(session.succeeded > 0 && session.failed == 0);
}

pub async fn the_latest_task_is_shown_as_it_is(ports: &Ports) {
    let chat = build::label("chat");
    ports.submit(question(&chat, "first", Mode::Simple, "{}")).await;
    let first = ports.claim_one().await;
    let second = ports.submit(question(&chat, "second", Mode::Simple, "{}")).await;
    let check = |status| async move {
        let updated_at = ports.task(second.number).await.updated_at();
        let shown = read(ports, &build::label("chat")).await.latest;
        assert_eq!(shown, Some(LatestTask { query: "second".to_owned(), status, updated_at }));
    };
    check(TaskStatus::Queued).await;
    let claimed = ports.claim_one().await;
    check(TaskStatus::Running).await;
    ports.pause(claimed.number).await;
    check(TaskStatus::Paused).await;
    // What happens to an earlier task does not show.
    ports.finish(build::lease(&first), build::complete("done")).await.expect("it ends");
    check(TaskStatus::Paused).await;
    ports.finish(build::lease(&claimed), build::fail("broken")).await.expect("it ends");
    check(TaskStatus::Failed).await;
}

pub async fn a_long_query_is_shown_in_part(ports: &Ports) {
    for (chars, shown) in [(499, 499), (500, 500), (501, 500), (20_000, 500)] {
        let chat = SessionLabel::generate();
        ports.submit(question(&chat, &"語".repeat(chars), Mode::Simple, "{}")).await;
        let latest = read(ports, &chat).await.latest.expect("it has a task");
        assert_eq!(latest.query, "語".repeat(shown), "{chars} characters");
    }
}

pub async fn an_ended_latest_task_is_shown(ports: &Ports) {
    for status in [FinalStatus::Completed, FinalStatus::Cancelled] {
        let task = ports.ended(status).await;
        let page = list(ports, UserId::DEFAULT, build::page(1, 0)).await;
        let latest = page.sessions[0].latest.clone().expect("it has a task");
        assert_eq!((latest.status, latest.updated_at), (status.into(), task.updated_at()));
    }
}

pub async fn sessions_are_listed_with_the_newest_first(ports: &Ports) {
    let mut made = Vec::new();
    for n in 0..5 {
        let label = build::label(&format!("chat {n}"));
        ports.submit(question(&label, "q", Mode::Simple, "{}")).await;
        made.push(label);
    }
    // What happens in a session does not move it.
    ports.submit(question(&made[0], "again", Mode::Simple, "{}")).await;
    let mut expected = Vec::new();
    for label in made.iter().rev() {
        expected.push(read(ports, label).await);
    }
    let page = list(ports, UserId::DEFAULT, build::whole()).await;
    assert_eq!((&page.sessions, page.total), (&expected, 5));
    for (limit, offset, part) in
        [(2, 0, &expected[..2]), (2, 2, &expected[2..4]), (2, 4, &expected[4..]), (2, 5, &[])]
    {
        let page = list(ports, UserId::DEFAULT, build::page(limit, offset)).await;
        assert_eq!((page.sessions.as_slice(), page.total), (part, 5));
    }
}

pub async fn an_offset_past_the_last_session_shows_nothing_but_their_number(ports: &Ports) {
    ports.submit_any().await;
    let page = list(ports, UserId::DEFAULT, build::page(500, i64::MAX)).await;
    assert_eq!(page, SessionPage { sessions: Vec::new(), total: 1 });
}

pub async fn sessions_are_shown_to_their_user_alone(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    let chat = build::label("chat");
    ports.submit(question(&chat, "q", Mode::Simple, "{}")).await;
    let id = build::label(&read(ports, &chat).await.id.to_string());
    for label in [chat, id] {
        assert_eq!(ports.conversation(other, &label).await, None);
    }
    assert_eq!(list(ports, other, build::whole()).await, SessionPage::default());
}

pub async fn research_belongs_to_no_session(ports: &Ports) {
    ports.submit(build::research_task(TenantId::DEFAULT, build::project(1))).await;
    assert_eq!(list(ports, UserId::DEFAULT, build::whole()).await, SessionPage::default());
}

pub async fn an_id_that_others_are_counted_under_makes_no_session(ports: &Ports) {
    let (ada, bob) = (ports.user("tenant", "ada").await, ports.user("tenant", "bob").await);
    ports.submit(build::agent_task(ada.user)).await;
    for id in [ada.user.0, ada.tenant.0, TenantId::DEFAULT.0, UserId::DEFAULT.0] {
        let label = build::label(&id.to_string());
        ports.submit(build::agent_task_in(bob.user, label.clone())).await;
        let session = ports.sessions.session(bob.user, &label).await;
        let session = session.expect("the session is read").expect("the session exists");
        assert_ne!(session.id.0, id);
        assert_eq!((session.external_id.as_deref(), session.tasks), (Some(label.as_str()), 1));
    }
    let listed = ports.list(&TaskScope::User(ada.user), &[]).await;
    assert_eq!((listed.tasks.len(), listed.total), (1, 1));
}
