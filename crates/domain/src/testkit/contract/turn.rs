//! What was asked and answered in a session.

use super::finish::rich_outcome;
use crate::{
    id::{SessionId, TaskNumber, UserId},
    query::TurnQuery,
    queue::Conclusion,
    task::{
        Task, Turn,
        submit::NewTask,
        work::{AgentWork, Mode, SessionLabel, Work},
    },
    testkit::{Ports, build},
};
use uuid::Uuid;

const fn all(session: SessionId) -> TurnQuery {
    TurnQuery { session, after: 0, offset: 0, limit: 500 }
}

async fn turns(ports: &Ports, query: TurnQuery) -> Vec<Turn> {
    ports.tasks.turns(query).await.expect("the turns are read")
}

async fn session(ports: &Ports, label: &SessionLabel) -> SessionId {
    ports.session(UserId::DEFAULT, label).await.expect("the user has the session")
}

fn turn_of(task: Task) -> Turn {
    let Work::Agent(work) = task.work else { panic!("{task:?} asks a question") };
    Turn {
        number: task.number,
        id: task.id,
        query: work.query().to_owned(),
        mode: work.mode(),
        created_at: task.created_at,
        state: task.state,
    }
}

async fn ask(ports: &Ports, chat: &SessionLabel, count: usize) -> Vec<TaskNumber> {
    let mut made = Vec::new();
    for _ in 0..count {
        let task = build::agent_task_in(UserId::DEFAULT, chat.clone());
        made.push(ports.submit(task).await.number);
    }
    made
}

pub async fn turns_tell_what_was_asked_and_how_it_went(ports: &Ports) {
    let chat = build::label("chat");
    for (n, mode) in Mode::ALL.into_iter().cycle().take(6).enumerate() {
        let query = format!("問い {n}\n\"x\"");
        let work = AgentWork::new(query, chat.clone(), mode, build::object(r#"{"big":1}"#));
        let work = Work::Agent(work.expect("the question is valid"));
        ports.submit(NewTask { work, ..build::agent_task(UserId::DEFAULT) }).await;
    }
    let claimed = ports.claim(build::claim(5)).await;
    let done = Conclusion::Complete(rich_outcome("答え"));
    ports.finish(build::lease(&claimed[0]), done).await.expect("it ends");
    ports.finish(build::lease(&claimed[1]), build::fail("broken")).await.expect("it ends");
    ports.cancel(claimed[2].number).await;
    ports.pause(claimed[3].number).await;
    let turns = turns(ports, all(session(ports, &chat).await)).await;
    assert_eq!(turns.len(), 6);
    for turn in turns {
        let expected = turn_of(ports.task(turn.number).await);
        assert_eq!(turn, expected);
    }
}

pub async fn turns_come_with_the_oldest_first(ports: &Ports) {
    let chat = build::label("chat");
    let made = ask(ports, &chat, 5).await;
    let turns = turns(ports, all(session(ports, &chat).await)).await;
    assert_eq!(turns.iter().map(|turn| turn.number).collect::<Vec<_>>(), made);
}

pub async fn turns_are_read_behind_a_task_and_in_parts(ports: &Ports) {
    let chat = build::label("chat");
    let made = ask(ports, &chat, 6).await;
    let session = session(ports, &chat).await;
    for (after, offset, limit, expected) in [
        (0, 0, 2, &made[..2]),
        (0, 2, 2, &made[2..4]),
        (0, 5, 2, &made[5..]),
        (made[1].get(), 0, 500, &made[2..]),
        (made[1].get(), 1, 2, &made[3..5]),
        (made[5].get(), 0, 500, &[]),
        (i64::MAX, 0, 1, &[]),
        (0, i64::MAX, 1, &[]),
    ] {
        let query = TurnQuery { session, after, offset, limit };
        let numbers: Vec<_> = turns(ports, query).await.iter().map(|turn| turn.number).collect();
        assert_eq!(numbers, expected, "{query:?}");
    }
}

pub async fn turns_of_two_sessions_are_apart(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    let (one, two) = (build::label("one"), build::label("two"));
    let mut made = ask(ports, &one, 1).await;
    let apart = ask(ports, &two, 2).await;
    ports.submit(build::agent_task_in(other, one.clone())).await;
    made.extend(ask(ports, &one, 1).await);
    for (label, expected) in [(one, made), (two, apart)] {
        let turns = turns(ports, all(session(ports, &label).await)).await;
        assert_eq!(turns.iter().map(|turn| turn.number).collect::<Vec<_>>(), expected);
    }
}

pub async fn an_unknown_session_has_no_turns(ports: &Ports) {
    ask(ports, &build::label("chat"), 1).await;
    assert!(turns(ports, all(SessionId(Uuid::new_v4()))).await.is_empty());
}
