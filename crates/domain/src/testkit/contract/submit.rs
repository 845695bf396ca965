//! Submitting, and reading back what was submitted.

use crate::{
    id::{TaskId, TenantId, UserId},
    query::TaskKey,
    task::{
        Owner, Task, TaskState,
        status::{FinalStatus, LiveStatus},
        submit::{NewTask, Submission, SubmissionKind},
        work::{AgentWork, Kind, Mode, ResearchWork, TaskType, Work},
    },
    testkit::{Ports, build},
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures_util::future::join_all;

/// JSON that a parser would change: its order, numbers, escapes, repetition
/// and spaces.
pub(super) const ODD_JSON: &str = r#"{"z": 1.0, "a":1e400, "big":123456789012345678901234567890,
	"nul":"\u0000", "smile":"\ud83d\ude00 😀", "z":-0.00, "日本":["語",{}], "e":1E+2 }"#;

pub async fn an_agent_task_reads_back_whole(ports: &Ports) {
    for mode in Mode::ALL {
        let session = build::label("会話 №1 😀");
        let query = "なぜ空は青いのですか?\n\t\"quoted\" \\ 😀 \u{fffd}".to_owned();
        let work = AgentWork::new(query, session, mode, build::object(ODD_JSON));
        let work = Work::Agent(work.expect("the work is valid"));
        let new = NewTask { work, ..build::agent_task(UserId::DEFAULT) };
        let task = ports.submit(new.clone()).await;
        assert_reads_back(ports, &new, &task).await;
    }
}

pub async fn a_research_task_reads_back_whole(ports: &Ports) {
    for task_type in TaskType::ALL {
        let params = build::object(ODD_JSON);
        let work = ResearchWork { project: build::project(i64::MAX), task_type, params };
        let new = build::research_task(TenantId::DEFAULT, work.project);
        let new = NewTask { work: Work::Research(work), ..new };
        let task = ports.submit(new.clone()).await;
        assert_reads_back(ports, &new, &task).await;
    }
}

async fn assert_reads_back(ports: &Ports, new: &NewTask, task: &Task) {
    assert_eq!((task.id, task.owner, &task.work), (new.id, new.owner, &new.work));
    assert_eq!(task.deadline, None);
    let TaskState::Live(live) = &task.state else { panic!("{task:?} has not ended") };
    assert_eq!(live.status, LiveStatus::Queued);
    assert_eq!((live.progress.current(), live.progress.total()), (0, 0));
    assert_eq!((live.attempt, live.started_at), (None, None));
    assert_eq!(live.updated_at, task.created_at);
    for key in [TaskKey::Id(task.id), TaskKey::Number(task.number)] {
        let found = ports.tasks.find(key).await.expect("the task is read");
        assert_eq!(found.as_ref(), Some(task), "by {key:?}");
    }
}

pub async fn a_large_context_survives(ports: &Ports) {
    let text = format!(r#"{{"text":"{}"}}"#, "語".repeat((1 << 20) / "語".len()));
    let work =
        AgentWork::new("q".to_owned(), build::label("s"), Mode::Simple, build::object(&text));
    let work = Work::Agent(work.expect("the work is valid"));
    let task = NewTask { work: work.clone(), ..build::agent_task(UserId::DEFAULT) };
    let task = ports.submit(task).await;
    assert!(ports.task(task.number).await.work == work, "the stored context differs");
    assert!(ports.claim_one().await.work == work, "the claimed context differs");
}

pub async fn an_empty_query_with_an_attachment_survives(ports: &Ports) {
    let context = build::object(r#"{"attachments":[{"id":"a"}]}"#);
    let work = AgentWork::new(String::new(), build::label("s"), Mode::Simple, context);
    let work = Work::Agent(work.expect("the work is valid"));
    let task = NewTask { work: work.clone(), ..build::agent_task(UserId::DEFAULT) };
    let task = ports.submit(task).await;
    assert_eq!(ports.task(task.number).await.work, work);
}

pub async fn times_have_microseconds_and_read_back_equal(ports: &Ports) {
    let before = Utc::now() - TimeDelta::minutes(5);
    let task = ports.submit_any().await;
    assert_eq!(task.created_at, task.created_at.trunc_subsecs(6));
    assert!(task.created_at > before && task.created_at < before + TimeDelta::minutes(10));
    let claimed = ports.claim_one().await;
    assert_eq!(claimed.lease_expires_at, claimed.lease_expires_at.trunc_subsecs(6));
    let (first, second) = (ports.task(task.number).await, ports.task(task.number).await);
    assert_eq!(first, second);
    let started = first.started_at().expect("a claimed task has started");
    assert_eq!(started, started.trunc_subsecs(6));
    assert!(task.created_at <= started && started <= first.updated_at());
}

pub async fn ids_and_numbers_grow_with_creation(ports: &Ports) {
    let mut last: Option<(TaskId, _)> = None;
    for _ in 0..10 {
        let task = ports.submit_any().await;
        assert!(last < Some((task.id, task.number)));
        assert!(last.is_none_or(|(_, number)| number < task.number));
        last = Some((task.id, task.number));
    }
}

pub async fn an_unknown_task_is_not_found(ports: &Ports) {
    ports.submit_any().await;
    for key in [TaskKey::Id(build::task_id()), TaskKey::Number(build::unknown_number())] {
        assert_eq!(ports.tasks.find(key).await.expect("the answer is read"), None);
    }
}

pub async fn options_reach_the_stored_task(ports: &Ports) {
    let start = build::in_an_hour();
    let task = build::agent_task(UserId::DEFAULT);
    let task =
        build::with(task, |o| o.with_run_after(start)?.with_timeout_seconds(90)?.with_total(7));
    let task = ports.submit(task).await;
    assert_eq!(task.deadline, Some(start + TimeDelta::seconds(90)));
    assert_eq!((task.progress().current(), task.progress().total()), (0, 7));
    assert_eq!(ports.task(task.number).await, task);
}

pub async fn a_deadline_counts_from_submission_when_the_start_has_passed(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = build::with(task, |o| {
        o.with_run_after(DateTime::UNIX_EPOCH)?.with_timeout_seconds(366 * 86_400)
    });
    let task = ports.submit(task).await;
    assert_eq!(task.deadline, Some(task.created_at + TimeDelta::days(366)));
    assert_eq!(ports.claim_one().await.deadline, task.deadline);
}

pub async fn a_repeated_submit_finds_the_first_task(ports: &Ports) {
    let first = ports.submit(build::keyed(build::agent_task(UserId::DEFAULT), "k")).await;
    let again = ports.submission(build::keyed(build::agent_task(UserId::DEFAULT), "k")).await;
    assert_eq!(again.kind, SubmissionKind::Replayed);
    assert_eq!(again.task, first);
    assert_eq!(ports.log_types(first.number).await, ["DATA_PROCESSING"]);
    assert_eq!(ports.claim(build::claim(10)).await.len(), 1, "one task was stored");
}

pub async fn a_repeated_submit_finds_a_task_that_has_ended(ports: &Ports) {
    let first = ports.submit(build::keyed(build::agent_task(UserId::DEFAULT), "k")).await;
    ports.cancel(first.number).await;
    let again = ports.submission(build::keyed(build::agent_task(UserId::DEFAULT), "k")).await;
    assert_eq!((again.kind, again.task.number), (SubmissionKind::Replayed, first.number));
}

pub async fn submits_under_different_keys_are_independent(ports: &Ports) {
    let one = ports.submit(build::keyed(build::agent_task(UserId::DEFAULT), "k1")).await;
    let two = ports.submit(build::keyed(build::agent_task(UserId::DEFAULT), "k2")).await;
    let none = ports.submit_any().await;
    assert!(one.number < two.number && two.number < none.number);
}

pub async fn of_concurrent_repeated_submits_one_stores(ports: &Ports) {
    for round in ["k1", "k2", "k3"] {
        let submits = (0..16)
            .map(|_| ports.submission(build::keyed(build::agent_task(UserId::DEFAULT), round)));
        assert_one_stored(&join_all(submits).await, SubmissionKind::Replayed);
    }
    assert_eq!(ports.claim(build::claim(50)).await.len(), 3);
}

fn assert_one_stored(submissions: &[Submission], otherwise: SubmissionKind) {
    let created =
        submissions.iter().filter(|submission| submission.kind == SubmissionKind::Created);
    assert_eq!(created.count(), 1, "submits that made a task");
    for submission in submissions {
        assert_eq!(submission.task.id, submissions[0].task.id);
        assert!([SubmissionKind::Created, otherwise].contains(&submission.kind));
    }
}

fn unique(tenant: TenantId, project: i64) -> NewTask {
    let task = build::research_task(tenant, build::project(project));
    build::with(task, |o| o.with_unique_key("nightly 夜間".to_owned()))
}

pub async fn a_unique_key_is_carried_by_one_live_task(ports: &Ports) {
    let first = ports.submit(unique(TenantId::DEFAULT, 1)).await;
    let again = ports.submission(unique(TenantId::DEFAULT, 1)).await;
    assert_eq!((again.kind, &again.task), (SubmissionKind::Duplicate, &first));
    let claimed = ports.claim_one().await;
    let again = ports.submission(unique(TenantId::DEFAULT, 1)).await;
    assert_eq!((again.kind, again.task.number), (SubmissionKind::Duplicate, claimed.number));
    assert_eq!(ports.log_types(first.number).await, ["DATA_PROCESSING", "WORKFLOW_STARTED"]);
}

pub async fn a_unique_key_is_free_once_its_task_has_ended(ports: &Ports) {
    let mut earlier = Vec::new();
    for end in [FinalStatus::Completed, FinalStatus::Failed, FinalStatus::Cancelled] {
        let task = ports.submit(unique(TenantId::DEFAULT, 1)).await;
        assert!(!earlier.contains(&task.number));
        earlier.push(task.number);
        let lease = build::lease(&ports.claim_one().await);
        match end {
            FinalStatus::Completed => ports.finish(lease, build::complete("{}")).await,
            FinalStatus::Failed => ports.finish(lease, build::fail("broken")).await,
            _ => Ok(ports.cancel(task.number).await.status),
        }
        .expect("the task ends");
    }
    ports.submit(unique(TenantId::DEFAULT, 1)).await;
}

pub async fn a_unique_key_is_free_after_the_deadline(ports: &Ports) {
    let task = build::with(unique(TenantId::DEFAULT, 1), |o| o.with_timeout_seconds(1));
    ports.submit(task).await;
    ports.reap_deadlines(1).await;
    ports.submit(unique(TenantId::DEFAULT, 1)).await;
}

pub async fn a_unique_key_belongs_to_one_project_of_one_tenant(ports: &Ports) {
    let other = ports.user("tenant", "user").await.tenant;
    for (tenant, project) in [(TenantId::DEFAULT, 1), (TenantId::DEFAULT, 2), (other, 1)] {
        ports.submit(unique(tenant, project)).await;
    }
}

pub async fn of_concurrent_submits_with_a_unique_key_one_stores(ports: &Ports) {
    let submits = (0..16).map(|_| ports.submission(unique(TenantId::DEFAULT, 1)));
    assert_one_stored(&join_all(submits).await, SubmissionKind::Duplicate);
}

pub async fn concurrent_submits_of_new_tenants_projects_and_sessions_all_store(ports: &Ports) {
    let submits = (0..16).map(|n| {
        ports.submission(if n % 2 == 0 {
            build::agent_task_in(UserId::DEFAULT, build::label("shared"))
        } else {
            build::research_task(TenantId::DEFAULT, build::project(7))
        })
    });
    let submissions = join_all(submits).await;
    assert!(submissions.iter().all(|submission| submission.kind == SubmissionKind::Created));
    let claimed = ports.claim(build::claim(50)).await;
    assert_eq!(claimed.iter().filter(|task| task.work.kind() == Kind::Agent).count(), 8);
    assert_eq!(claimed.len(), 16);
    let owners = submissions.iter().filter(|s| s.task.owner == Owner::User(UserId::DEFAULT));
    assert_eq!(owners.count(), 8);
}
