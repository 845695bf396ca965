//! The sessions that agent tasks belong to.

use crate::{
    id::{SessionId, UserId},
    query::TaskScope,
    task::{
        Task,
        work::{SessionLabel, Work},
    },
    testkit::{Ports, build},
};
use futures_util::future::join_all;
use uuid::Uuid;

async fn submit_in(ports: &Ports, user: UserId, session: &SessionLabel) -> Task {
    ports.submit(build::agent_task_in(user, session.clone())).await
}

async fn session_of(ports: &Ports, user: UserId, label: &SessionLabel) -> SessionId {
    ports.session(user, label).await.expect("the user has the session")
}

pub async fn a_label_names_one_session(ports: &Ports) {
    let (chat, other) = (build::label("chat"), build::label("Chat"));
    let first = submit_in(ports, UserId::DEFAULT, &chat).await;
    let session = session_of(ports, UserId::DEFAULT, &chat).await;
    let second = submit_in(ports, UserId::DEFAULT, &chat).await;
    submit_in(ports, UserId::DEFAULT, &other).await;
    assert_eq!(session_of(ports, UserId::DEFAULT, &chat).await, session);
    let tasks = ports.numbers(&TaskScope::Session(session)).await;
    assert_eq!(tasks, [second.number, first.number]);
    assert_ne!(session_of(ports, UserId::DEFAULT, &other).await, session);
}

pub async fn a_session_is_found_by_either_id(ports: &Ports) {
    let chat = build::label("chat");
    submit_in(ports, UserId::DEFAULT, &chat).await;
    let session = session_of(ports, UserId::DEFAULT, &chat).await;
    let own = build::label(&session.to_string());
    assert_eq!(ports.session(UserId::DEFAULT, &own).await, Some(session));
    let task = submit_in(ports, UserId::DEFAULT, &own).await;
    let tasks = ports.list(&TaskScope::Session(session), &[]).await;
    assert_eq!((tasks.total, tasks.tasks[0].number), (2, task.number));
    assert!(matches!(&task.work, Work::Agent(work) if *work.session() == own));
    assert!(
        matches!(&ports.task(task.number).await.work, Work::Agent(work) if *work.session() == own)
    );
}

pub async fn a_label_that_is_a_uuid_becomes_the_session_id(ports: &Ports) {
    let id = Uuid::new_v4();
    let label = build::label(&id.to_string());
    submit_in(ports, UserId::DEFAULT, &label).await;
    assert_eq!(ports.session(UserId::DEFAULT, &label).await, Some(SessionId(id)));
}

pub async fn a_session_id_in_another_case_is_the_same_session(ports: &Ports) {
    let id = Uuid::new_v4().to_string();
    let (upper, lower) = (build::label(&id.to_uppercase()), build::label(&id));
    submit_in(ports, UserId::DEFAULT, &upper).await;
    submit_in(ports, UserId::DEFAULT, &lower).await;
    let session = session_of(ports, UserId::DEFAULT, &upper).await;
    assert_eq!(ports.session(UserId::DEFAULT, &lower).await, Some(session));
    assert_eq!(ports.list(&TaskScope::Session(session), &[]).await.total, 2);
}

pub async fn a_session_is_found_for_its_user_alone(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    let chat = build::label("chat");
    submit_in(ports, UserId::DEFAULT, &chat).await;
    let session = session_of(ports, UserId::DEFAULT, &chat).await;
    for label in [chat, build::label(&session.to_string())] {
        assert_eq!(ports.session(other, &label).await, None);
    }
}

pub async fn equal_labels_of_two_users_are_two_sessions(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    for label in [build::label("chat"), build::label(&Uuid::new_v4().to_string())] {
        let mine = submit_in(ports, UserId::DEFAULT, &label).await;
        let theirs = submit_in(ports, other, &label).await;
        let my_session = session_of(ports, UserId::DEFAULT, &label).await;
        let their_session = session_of(ports, other, &label).await;
        assert_ne!(my_session, their_session);
        assert_eq!(ports.numbers(&TaskScope::Session(my_session)).await, [mine.number]);
        assert_eq!(ports.numbers(&TaskScope::Session(their_session)).await, [theirs.number]);
    }
}

pub async fn an_unknown_session_is_not_found(ports: &Ports) {
    submit_in(ports, UserId::DEFAULT, &build::label("chat")).await;
    for label in [build::label("cha"), SessionLabel::generate()] {
        assert_eq!(ports.session(UserId::DEFAULT, &label).await, None);
    }
}

pub async fn concurrent_first_tasks_share_one_session(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    for label in [build::label("chat"), SessionLabel::generate()] {
        let users = [UserId::DEFAULT, other];
        let submits = (0..16).map(|n| submit_in(ports, users[n % 2], &label));
        join_all(submits).await;
        for user in users {
            let session = session_of(ports, user, &label).await;
            assert_eq!(ports.list(&TaskScope::Session(session), &[]).await.total, 8);
        }
    }
}
