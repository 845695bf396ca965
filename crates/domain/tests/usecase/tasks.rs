//! Who sees which tasks.

use chrono::DateTime;
use mockall::predicate::eq;
use std::{collections::BTreeSet, sync::Arc};
use taskgate_domain::{
    control::{Control, ControlRequest, Controlled},
    error::{StoreError, TaskError},
    id::{ProjectId, SessionId, TaskNumber, TenantId, UserId},
    ports::{MockSessionRepository, MockTaskRepository},
    query::{Access, Page, TaskKey, TaskPage, TaskQuery, TaskScope},
    task::{
        Live, Owner, Progress, Task, TaskState,
        status::{LiveStatus, TaskStatus},
        submit::{NewTask, Submission, SubmissionKind, SubmitOptions},
        work::Work,
    },
    testkit::build,
    usecase::tasks::Tasks,
};
use uuid::Uuid;

const ADA: UserId = UserId(Uuid::from_u128(10));
const BOB: UserId = UserId(Uuid::from_u128(11));
const TENANT: TenantId = TenantId(Uuid::from_u128(20));
const OTHER_TENANT: TenantId = TenantId(Uuid::from_u128(21));

fn stored(new: NewTask) -> Task {
    Task {
        number: TaskNumber::new(7).unwrap(),
        id: new.id,
        owner: new.owner,
        work: new.work,
        created_at: DateTime::UNIX_EPOCH,
        deadline: None,
        state: TaskState::Live(Live {
            status: LiveStatus::Queued,
            progress: Progress::default(),
            attempt: None,
            started_at: None,
            updated_at: DateTime::UNIX_EPOCH,
            pause: None,
        }),
    }
}

fn question() -> Task {
    stored(build::agent_task(ADA))
}

fn job() -> Task {
    stored(build::research_task(TENANT, build::project(1)))
}

fn tenant(tenant: TenantId, projects: Option<&[i64]>) -> Access {
    let projects = projects.map(|numbers| numbers.iter().copied().map(build::project).collect());
    Access::Tenant { tenant, projects }
}

/// The use cases over a store that holds this one task.
fn tasks_of(task: Option<&Task>) -> (Tasks, TaskKey) {
    let mut store = MockTaskRepository::new();
    let (key, found) = (TaskKey::Number(build::unknown_number()), task.cloned());
    store.expect_find().with(eq(key)).returning(move |_| Ok(found.clone()));
    (tasks(store, MockSessionRepository::new()), key)
}

fn tasks(store: MockTaskRepository, sessions: MockSessionRepository) -> Tasks {
    Tasks::new(Arc::new(store), Arc::new(sessions))
}

/// The use cases over a store that expects this list.
fn tasks_listing(scope: TaskScope, sessions: MockSessionRepository) -> Tasks {
    let mut store = MockTaskRepository::new();
    let query = TaskQuery { scope, statuses: vec![TaskStatus::Failed], page: page() };
    store
        .expect_list()
        .with(eq(query))
        .returning(|_| Ok(TaskPage { total: 3, ..TaskPage::default() }));
    tasks(store, sessions)
}

fn page() -> Page {
    Page::new(10, 20).unwrap()
}

#[tokio::test]
async fn an_owner_sees_the_task() {
    let owners = [
        (question(), Access::User(ADA)),
        (job(), tenant(TENANT, None)),
        (job(), tenant(TENANT, Some(&[1, 2]))),
    ];
    for (task, access) in owners {
        let (tasks, key) = tasks_of(Some(&task));
        assert_eq!(tasks.get(&access, key).await.unwrap(), task);
    }
}

#[tokio::test]
async fn what_a_caller_does_not_see_does_not_exist() {
    let mut own_work_of_other_kind = question();
    own_work_of_other_kind.work = job().work;
    let strangers = [
        (None, Access::User(ADA)),
        (Some(question()), Access::User(BOB)),
        (Some(question()), tenant(TENANT, None)),
        (Some(question()), Access::User(UserId(TENANT.0))),
        (Some(own_work_of_other_kind), Access::User(ADA)),
        (Some(job()), Access::User(ADA)),
        (Some(job()), Access::User(UserId(TENANT.0))),
        (Some(job()), tenant(OTHER_TENANT, None)),
        (Some(job()), tenant(TENANT, Some(&[2]))),
        (Some(job()), tenant(TENANT, Some(&[]))),
    ];
    for (task, access) in strangers {
        // The mock has no expectation of a control: none may reach the store.
        let (tasks, key) = tasks_of(task.as_ref());
        let get = tasks.get(&access, key).await;
        assert!(matches!(get, Err(TaskError::NotFound)), "{access:?} {task:?}");
        for control in Control::ALL {
            let answer = tasks.control(&access, key, ADA, control, None, None).await;
            assert!(matches!(answer, Err(TaskError::NotFound)), "{access:?} {task:?}");
        }
    }
}

#[tokio::test]
async fn a_control_speaks_of_the_task_by_its_number() {
    let task = question();
    let answer = Controlled { accepted: true, status: TaskStatus::Paused, replayed: false };
    let request = ControlRequest {
        number: task.number,
        control: Control::Pause,
        by: ADA,
        reason: Some("a\u{fffd}while".to_owned()),
        idempotency: Some(build::idempotency("k")),
    };
    let mut store = MockTaskRepository::new();
    let key = TaskKey::Id(task.id);
    store.expect_find().with(eq(key)).return_once(move |_| Ok(Some(task)));
    store.expect_control().with(eq(request.clone())).return_once(move |_| Ok(Some(answer)));
    let tasks = tasks(store, MockSessionRepository::new());
    let (reason, idempotency) = (Some("a\0while".to_owned()), request.idempotency);
    let access = Access::User(ADA);
    let control = tasks.control(&access, key, ADA, Control::Pause, reason, idempotency).await;
    assert_eq!(control.unwrap(), answer);
}

#[tokio::test]
async fn a_store_that_fails_is_not_a_missing_task() {
    let mut store = MockTaskRepository::new();
    store.expect_find().returning(|_| Err(StoreError::Busy));
    let tasks = tasks(store, MockSessionRepository::new());
    let get = tasks.get(&Access::User(ADA), TaskKey::Number(build::unknown_number())).await;
    assert!(matches!(get, Err(TaskError::Store(StoreError::Busy))), "{get:?}");
}

#[tokio::test]
async fn a_user_lists_all_tasks_or_those_of_a_session() {
    let chat = build::label("chat");
    let tasks = tasks_listing(TaskScope::User(ADA), MockSessionRepository::new());
    let list = tasks.list_agent(ADA, None, vec![TaskStatus::Failed], page()).await;
    assert_eq!(list.unwrap().total, 3);

    let session = SessionId(Uuid::from_u128(30));
    let mut sessions = MockSessionRepository::new();
    sessions
        .expect_find_session()
        .withf(|user, label| *user == ADA && label.as_str() == "chat")
        .returning(move |_, _| Ok(Some(session)));
    let tasks = tasks_listing(TaskScope::Session(session), sessions);
    let list = tasks.list_agent(ADA, Some(&chat), vec![TaskStatus::Failed], page()).await;
    assert_eq!(list.unwrap().total, 3);
}

#[tokio::test]
async fn a_session_that_the_user_does_not_have_lists_nothing() {
    let mut sessions = MockSessionRepository::new();
    sessions.expect_find_session().returning(|_, _| Ok(None));
    // The mock has no expectation of a list: the store is not asked for one.
    let tasks = tasks(MockTaskRepository::new(), sessions);
    let list = tasks.list_agent(ADA, Some(&build::label("chat")), Vec::new(), page()).await;
    assert_eq!(list.unwrap(), TaskPage::default());
}

#[tokio::test]
async fn a_tenant_lists_the_projects_that_the_caller_sees() {
    let set = |numbers: &[i64]| -> BTreeSet<ProjectId> {
        numbers.iter().copied().map(build::project).collect()
    };
    let visible = set(&[1, 2]);
    let projects = |numbers| TaskScope::Projects(TENANT, set(numbers));
    for (visible, project, scope) in [
        (None, None, TaskScope::Tenant(TENANT)),
        (None, Some(3), projects(&[3])),
        (Some(&visible), None, projects(&[1, 2])),
        (Some(&visible), Some(2), projects(&[2])),
    ] {
        let tasks = tasks_listing(scope, MockSessionRepository::new());
        let project = project.map(build::project);
        let statuses = vec![TaskStatus::Failed];
        let list = tasks.list_research(TENANT, visible, project, statuses, page()).await;
        assert_eq!(list.unwrap().total, 3);
    }
}

#[tokio::test]
async fn a_project_that_the_caller_does_not_see_lists_nothing() {
    let visible = BTreeSet::from([build::project(1)]);
    let tasks = tasks(MockTaskRepository::new(), MockSessionRepository::new());
    let project = Some(build::project(2));
    let list = tasks.list_research(TENANT, Some(&visible), project, Vec::new(), page()).await;
    assert_eq!(list.unwrap(), TaskPage::default());
}

#[tokio::test]
async fn submitted_work_belongs_to_its_submitter_and_ids_grow() {
    let mut store = MockTaskRepository::new();
    store
        .expect_submit()
        .times(3)
        .returning(|new| Ok(Submission { task: stored(new), kind: SubmissionKind::Created }));
    let tasks = tasks(store, MockSessionRepository::new());
    let (Work::Agent(question), Work::Research(job)) = (question().work, job().work) else {
        panic!("the works are of these kinds");
    };
    let options = SubmitOptions::default;
    let first = tasks.submit_agent(ADA, question.clone(), options(), None).await.unwrap().task;
    let second = tasks.submit_agent(BOB, question, options(), None).await.unwrap().task;
    let third = tasks.submit_research(TENANT, job, options()).await.unwrap().task;
    let owners = [first.owner, second.owner, third.owner];
    assert_eq!(owners, [Owner::User(ADA), Owner::User(BOB), Owner::Tenant(TENANT)]);
    assert!(first.id < second.id && second.id < third.id);
}
