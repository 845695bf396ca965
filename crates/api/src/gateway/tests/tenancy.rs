//! Somebody else's task does not exist.

use super::{ID, gateway, get, post, queued, task, work};
use taskgate_domain::{
    id::{ProjectId, TenantId, UserId},
    json::JsonObject,
    ports::MockTaskRepository,
    task::{
        Owner, Task,
        work::{Mode, ResearchWork, TaskType, Work},
    },
};
use uuid::Uuid;

fn of_another_user() -> Task {
    let owner = Owner::User(UserId(Uuid::from_u128(99)));
    Task { owner, ..task(work("secret", Mode::Simple, "{}"), queued()) }
}

fn of_the_research_face() -> Task {
    let work = ResearchWork {
        project: ProjectId::new(1).unwrap(),
        task_type: TaskType::Search,
        params: JsonObject::parse("params", "{}".to_owned()).unwrap(),
    };
    Task {
        owner: Owner::Tenant(TenantId::DEFAULT),
        work: Work::Research(work),
        ..of_another_user()
    }
}

/// What every route of one task answers when the store finds this.
async fn answers(found: Option<Task>) -> Vec<String> {
    let mut tasks = MockTaskRepository::new();
    tasks.expect_find().returning(move |_| Ok(found.clone()));
    let state = gateway(tasks);
    vec![
        get(&state, &format!("/api/v1/tasks/{ID}")).await,
        get(&state, &format!("/api/v1/tasks/{ID}/control-state")).await,
        get(&state, &format!("/api/v1/tasks/{ID}/review")).await,
        get(&state, &format!("/api/v1/tasks/{ID}/stream")).await,
        get(&state, &format!("/api/v1/tasks/{ID}/events")).await,
        get(&state, &format!("/api/v1/tasks/{ID}/timeline")).await,
        get(&state, &format!("/api/v1/stream/sse?workflow_id={ID}")).await,
        post(&state, &format!("/api/v1/tasks/{ID}/cancel"), "{}").await,
        post(&state, &format!("/api/v1/tasks/{ID}/pause"), "{}").await,
        post(&state, &format!("/api/v1/tasks/{ID}/resume"), "{}").await,
        post(&state, &format!("/api/v1/tasks/{ID}/review"), r#"{"action":"approve"}"#).await,
    ]
}

#[actix_web::test]
async fn a_foreign_task_is_answered_like_an_unknown_one_to_the_byte() {
    let unknown = answers(None).await;
    assert!(unknown.iter().all(|answer| answer.starts_with("404")));
    assert_eq!(answers(Some(of_another_user())).await, unknown);
    assert_eq!(answers(Some(of_the_research_face())).await, unknown);
}
