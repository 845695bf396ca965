//! Renaming and deleting sessions.

use crate::{
    id::UserId,
    query::{TaskScope, TurnQuery},
    session::{Session, SessionTitle},
    task::work::SessionLabel,
    testkit::{Ports, build},
};
use futures_util::future::join_all;

async fn submit_in(ports: &Ports, label: &SessionLabel) {
    ports.submit(build::agent_task_in(UserId::DEFAULT, label.clone())).await;
}

async fn read(ports: &Ports, label: &SessionLabel) -> Session {
    ports.conversation(UserId::DEFAULT, label).await.expect("the user has the session")
}

async fn rename(ports: &Ports, user: UserId, label: &SessionLabel, title: &str) -> bool {
    let title = SessionTitle::new(title).expect("the title is valid");
    ports.sessions.rename_session(user, label, &title).await.expect("the rename is answered")
}

async fn total(ports: &Ports, user: UserId) -> i64 {
    let page = ports.sessions.list_sessions(user, build::whole()).await;
    let page = page.expect("the sessions are listed");
    assert_eq!(i64::try_from(page.sessions.len()), Ok(page.total));
    page.total
}

pub async fn a_session_is_renamed_by_either_id(ports: &Ports) {
    let chat = build::label("chat");
    submit_in(ports, &chat).await;
    let before = read(ports, &chat).await;
    let own = build::label(&before.id.to_string());
    for (label, title) in [(&chat, "新しい \"題\""), (&own, &*"語".repeat(60))] {
        assert!(rename(ports, UserId::DEFAULT, label, title).await);
        let after = read(ports, &chat).await;
        assert!(after.updated_at >= before.updated_at);
        let title = SessionTitle::new(title).ok();
        assert_eq!(after, Session { title, updated_at: after.updated_at, ..before.clone() });
    }
}

pub async fn a_new_title_outlives_later_tasks(ports: &Ports) {
    let chat = build::label("chat");
    submit_in(ports, &chat).await;
    rename(ports, UserId::DEFAULT, &chat, "mine").await;
    submit_in(ports, &chat).await;
    assert_eq!(read(ports, &chat).await.title, SessionTitle::new("mine").ok());
}

pub async fn another_users_session_is_neither_renamed_nor_deleted(ports: &Ports) {
    let other = ports.user("tenant", "other").await.user;
    let chat = build::label("chat");
    submit_in(ports, &chat).await;
    let before = read(ports, &chat).await;
    for label in [chat.clone(), build::label(&before.id.to_string())] {
        assert!(!rename(ports, other, &label, "theirs").await);
        assert!(!ports.delete_session(other, &label).await);
    }
    assert_eq!(read(ports, &chat).await, before);
}

pub async fn an_unknown_session_is_neither_renamed_nor_deleted(ports: &Ports) {
    submit_in(ports, &build::label("chat")).await;
    for label in [build::label("cha"), SessionLabel::generate()] {
        assert!(!rename(ports, UserId::DEFAULT, &label, "no").await);
        assert!(!ports.delete_session(UserId::DEFAULT, &label).await);
        assert_eq!(ports.conversation(UserId::DEFAULT, &label).await, None);
    }
}

pub async fn a_deleted_session_is_not_found(ports: &Ports) {
    for by_id in [false, true] {
        let chat = build::label("chat");
        submit_in(ports, &chat).await;
        let id = build::label(&read(ports, &chat).await.id.to_string());
        assert_eq!(total(ports, UserId::DEFAULT).await, 1);
        assert!(ports.delete_session(UserId::DEFAULT, if by_id { &id } else { &chat }).await);
        for label in [&chat, &id] {
            assert_eq!(ports.session(UserId::DEFAULT, label).await, None);
            assert_eq!(ports.conversation(UserId::DEFAULT, label).await, None);
            assert!(!rename(ports, UserId::DEFAULT, label, "gone").await);
        }
        assert_eq!(total(ports, UserId::DEFAULT).await, 0);
    }
}

pub async fn a_session_is_deleted_again_without_change(ports: &Ports) {
    let (chat, other) = (build::label("chat"), build::label("other"));
    submit_in(ports, &chat).await;
    submit_in(ports, &other).await;
    let id = build::label(&read(ports, &chat).await.id.to_string());
    for label in [&chat, &chat, &id] {
        assert!(ports.delete_session(UserId::DEFAULT, label).await);
        assert_eq!(total(ports, UserId::DEFAULT).await, 1);
    }
}

pub async fn the_tasks_of_a_deleted_session_stay(ports: &Ports) {
    let chat = build::label("chat");
    let task = ports.submit(build::agent_task_in(UserId::DEFAULT, chat.clone())).await;
    let session = read(ports, &chat).await.id;
    ports.delete_session(UserId::DEFAULT, &chat).await;
    assert_eq!(ports.task(task.number).await, task);
    let scopes = [TaskScope::User(UserId::DEFAULT), TaskScope::Session(session)];
    for scope in &scopes {
        assert_eq!(ports.numbers(scope).await, [task.number]);
    }
    let lease = build::lease(&ports.claim_one().await);
    ports.finish(lease, build::complete("done")).await.expect("it ends");
    ports.check_totals(&scopes).await;
}

pub async fn a_deleted_sessions_label_makes_a_new_session(ports: &Ports) {
    for label in [build::label("chat"), SessionLabel::generate()] {
        submit_in(ports, &label).await;
        let mut earlier = vec![read(ports, &label).await.id];
        for _ in 0..2 {
            assert!(ports.delete_session(UserId::DEFAULT, &label).await);
            let task = ports.submit(build::agent_task_in(UserId::DEFAULT, label.clone())).await;
            let session = read(ports, &label).await;
            assert!(!earlier.contains(&session.id), "it is another session");
            assert_eq!(session.external_id.as_deref(), Some(label.as_str()));
            assert_eq!((session.tasks, session.created_at), (1, task.created_at));
            let query = TurnQuery { session: session.id, after: 0, offset: 0, limit: 500 };
            let turns = ports.tasks.turns(query).await.expect("the turns are read");
            assert_eq!(turns.iter().map(|turn| turn.id).collect::<Vec<_>>(), [task.id]);
            earlier.push(session.id);
        }
        assert!(ports.delete_session(UserId::DEFAULT, &label).await);
    }
    assert_eq!(total(ports, UserId::DEFAULT).await, 0);
}

pub async fn concurrent_tasks_after_a_delete_share_one_session(ports: &Ports) {
    for label in [build::label("chat"), SessionLabel::generate()] {
        submit_in(ports, &label).await;
        ports.delete_session(UserId::DEFAULT, &label).await;
        join_all((0..8).map(|_| submit_in(ports, &label))).await;
        assert_eq!(read(ports, &label).await.tasks, 8);
        ports.delete_session(UserId::DEFAULT, &label).await;
        assert_eq!(total(ports, UserId::DEFAULT).await, 0, "there was one");
    }
}

pub async fn a_repeated_submit_finds_its_task_though_the_session_is_deleted(ports: &Ports) {
    let chat = build::label("chat");
    let new = || build::keyed(build::agent_task_in(UserId::DEFAULT, chat.clone()), "k");
    let task = ports.submit(new()).await;
    ports.delete_session(UserId::DEFAULT, &chat).await;
    assert_eq!(ports.submission(new()).await.task.number, task.number);
    assert_eq!(total(ports, UserId::DEFAULT).await, 0, "no session is made for nothing");
}
