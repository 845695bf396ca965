//! What an agent task follows on.

use crate::{
    error::ReportError,
    event::READ_BYTES,
    id::{TaskId, TenantId, UserId},
    queue::{ClaimedTask, Conclusion, Conversation, Lease, PastTurn},
    task::{
        Attempt,
        outcome::Outcome,
        submit::NewTask,
        work::{AgentWork, Mode, Work},
    },
    testkit::{Ports, build},
    usage::{Tokens, Usage, Usd},
};

/// A question of the default user in a session, now in a worker's hands.
async fn ask(ports: &Ports, session: &str, query: &str) -> ClaimedTask {
    let session = build::label(session);
    let work = AgentWork::new(query.to_owned(), session, Mode::Simple, build::object("{}"));
    let work = Work::Agent(work.expect("the question is valid"));
    ports.submit(NewTask { work, ..build::agent_task(UserId::DEFAULT) }).await;
    ports.claim_one().await
}

async fn end(ports: &Ports, task: &ClaimedTask, conclusion: Conclusion) {
    ports.finish(build::lease(task), conclusion).await.expect("it ends");
}

/// A question and its answer, of the default user in a session.
async fn answered(ports: &Ports, session: &str, query: &str, answer: &str) {
    let task = ask(ports, session, query).await;
    end(ports, &task, build::complete(answer)).await;
}

async fn read(ports: &Ports, task: &ClaimedTask, turns: u16) -> Conversation {
    let conversation = ports.queue.conversation(build::lease(task), turns).await;
    conversation.expect("the holder may read it")
}

fn turn(query: &str, answer: &str) -> PastTurn {
    PastTurn { query: query.to_owned(), answer: answer.to_owned() }
}

fn usage(tokens: i64, nanos: i64) -> Usage {
    let tokens = Tokens::new(1, 2, Some(tokens)).expect("the counts are valid");
    Usage::new(tokens, Usd::from_nanos(nanos).expect("the amount is valid"), Vec::new())
}

pub async fn the_first_task_of_a_session_follows_on_nothing(ports: &Ports) {
    answered(ports, "another chat", "q", "a").await;
    let task = ask(ports, "chat", "first").await;
    assert_eq!(read(ports, &task, 10).await, Conversation::default());
}

pub async fn a_task_follows_on_the_answers_before_it(ports: &Ports) {
    answered(ports, "chat", "一", "答え").await;
    let failed = ask(ports, "chat", "failed").await;
    end(ports, &failed, build::fail("broken")).await;
    let cancelled = ask(ports, "chat", "cancelled").await;
    ports.cancel(cancelled.number).await;
    let mute = ask(ports, "chat", "mute").await;
    end(ports, &mute, Conclusion::Complete(Outcome::default())).await;
    answered(ports, "chat", "two", "2").await;
    ask(ports, "chat", "still running").await;
    let task = ask(ports, "chat", "three").await;
    answered(ports, "chat", "later", "too late").await;
    assert_eq!(read(ports, &task, 10).await.turns, [turn("一", "答え"), turn("two", "2")]);
}

pub async fn an_answer_without_text_is_its_structured_form(ports: &Ports) {
    let first = ask(ports, "chat", "q").await;
    let response = Some(build::object(r#"{"b": 1.50}"#));
    let outcome = Outcome { response, ..Outcome::default() };
    end(ports, &first, Conclusion::Complete(outcome)).await;
    let task = ask(ports, "chat", "next").await;
    assert_eq!(read(ports, &task, 10).await.turns, [turn("q", r#"{"b": 1.50}"#)]);
}

pub async fn of_many_turns_the_latest_are_read(ports: &Ports) {
    let expected: Vec<PastTurn> = (0..5).map(|n| turn(&format!("q{n}"), "a")).collect();
    for PastTurn { query, answer } in &expected {
        answered(ports, "chat", query, answer).await;
    }
    let task = ask(ports, "chat", "next").await;
    for (turns, from) in [(0, 5), (1, 4), (4, 1), (5, 0), (100, 0)] {
        assert_eq!(read(ports, &task, turns).await.turns, expected[from..], "{turns} turns");
    }
}

pub async fn long_turns_leave_the_earlier_ones_out(ports: &Ports) {
    let half = usize::try_from(READ_BYTES / 2).expect("it is positive");
    answered(ports, "chat", "early", "a").await;
    for query in ["1", "2"] {
        // As long as fits to the byte, in bytes rather than characters.
        answered(ports, "chat", query, &format!("a{}", "é".repeat(half / 2 - 1))).await;
    }
    let task = ask(ports, "chat", "next").await;
    let turns = read(ports, &task, 10).await.turns;
    let queries: Vec<&str> = turns.iter().map(|turn| turn.query.as_str()).collect();
    assert_eq!(queries, ["1", "2"]);
    answered(ports, "long", "q", &"a".repeat(2 * half)).await;
    let task = ask(ports, "long", "next").await;
    assert_eq!(read(ports, &task, 10).await.turns, []);
}

pub async fn a_task_learns_what_its_session_consumed(ports: &Ports) {
    let ends: [fn(Outcome) -> Conclusion; 3] = [
        Conclusion::Complete,
        |outcome| Conclusion::Fail { outcome, retry: None },
        Conclusion::Complete,
    ];
    for (end_with, n) in ends.into_iter().zip(1..) {
        let task = ask(ports, "chat", "q").await;
        let outcome = Outcome { usage: usage(10 * n, n), ..Outcome::error("said") };
        end(ports, &task, end_with(outcome)).await;
    }
    let other = ask(ports, "other", "q").await;
    let outcome = Outcome { usage: usage(1_000, 1_000), ..Outcome::default() };
    end(ports, &other, Conclusion::Complete(outcome)).await;
    let task = ask(ports, "chat", "next").await;
    for _ in 0..2 {
        // The sums do not depend on how many turns are asked for.
        let Conversation { tokens, cost, .. } = read(ports, &task, 1).await;
        assert_eq!((tokens, cost.nanos()), (60, 6));
        ports.maintenance.tidy().await.expect("the store is tidied");
    }
}

pub async fn a_paused_task_may_read_what_it_follows_on(ports: &Ports) {
    answered(ports, "chat", "q", "a").await;
    let task = ask(ports, "chat", "next").await;
    ports.pause(task.number).await;
    assert_eq!(read(ports, &task, 10).await.turns, [turn("q", "a")]);
}

pub async fn a_job_follows_on_nothing(ports: &Ports) {
    for _ in 0..2 {
        ports.submit(build::research_task(TenantId::DEFAULT, build::project(1))).await;
    }
    let first = ports.claim_one().await;
    let outcome =
        Outcome { result: Some("{}".to_owned()), usage: usage(5, 5), ..Outcome::default() };
    end(ports, &first, Conclusion::Complete(outcome)).await;
    let second = ports.claim_one().await;
    assert_eq!(read(ports, &second, 10).await, Conversation::default());
}

pub async fn only_the_holder_of_a_task_reads_what_it_follows_on(ports: &Ports) {
    let read = |lease: Lease| ports.queue.conversation(lease, 10);
    let queued = ports.submit_any().await;
    let first = Attempt::new(1).expect("it is positive");
    let answer = read(Lease { task: queued.id, attempt: first }).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "never claimed: {answer:?}");
    let task = ports.claim_one().await;
    let later = Attempt::new(2).expect("it is positive");
    let answer = read(Lease { attempt: later, ..build::lease(&task) }).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "another claim: {answer:?}");
    end(ports, &task, build::complete("done")).await;
    let answer = read(build::lease(&task)).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "it has ended: {answer:?}");
    let answer = read(Lease { task: TaskId::from_bits(1), attempt: first }).await;
    assert!(matches!(answer, Err(ReportError::NotFound)), "unknown: {answer:?}");
}
