//! Taking the ends of tasks.

use crate::{
    error::ReportError,
    id::{TenantId, UserId},
    query::{TaskKey, TaskScope},
    queue::{ClaimedTask, Conclusion, Lease, Report},
    task::{
        Attempt, Finished, Progress, Task,
        outcome::Outcome,
        status::{FinalStatus, TaskStatus},
    },
    testkit::{Ports, build},
    usage::{ModelUsage, Tokens, Usage, Usd},
};
use chrono::SubsecRound;
use futures_util::future::join_all;
use std::time::Duration;

const AN_HOUR: Duration = Duration::from_secs(3_600);

fn tokens(prompt: i64, completion: i64, total: i64) -> Tokens {
    Tokens::new(prompt, completion, Some(total)).expect("the counts are valid")
}

fn usd(nanos: i64) -> Usd {
    Usd::from_nanos(nanos).expect("the amount is valid")
}

pub(super) fn rich_outcome(result: &str) -> Outcome {
    let model = |model: &str, executions, nanos| ModelUsage {
        model: model.to_owned(),
        provider: "提供者".to_owned(),
        executions,
        tokens: tokens(i64::from(executions), 2, 40),
        cost: usd(nanos),
    };
    let models = vec![model("large", u32::MAX, 1), model("small", 0, 0), model("large", 3, 7)];
    Outcome {
        result: Some(result.to_owned()),
        response: Some(build::object(super::submit::ODD_JSON)),
        metadata: Some(build::object(
            r#"{"citations":[{"url":"https://例え.test/?a=1&b=2"}], "n":1.50}"#,
        )),
        error: None,
        model: Some("large-2026".to_owned()),
        provider: Some("a provider".to_owned()),
        usage: Usage::new(tokens(45, 105, 1_000_000_000_000), usd(i64::MAX), models),
    }
}

async fn finished(ports: &Ports, task: &ClaimedTask) -> Finished {
    let task = ports.task(task.number).await;
    task.finished().expect("the task has ended").clone()
}

pub(super) async fn assert_refused(ports: &Ports, lease: Lease, conclusion: Conclusion) {
    let before = ports.tasks.find(TaskKey::Id(lease.task)).await;
    let before: Task = before.expect("the task is read").expect("the task exists");
    let log = ports.log(before.number).await;
    let answer = ports.finish(lease, conclusion).await;
    assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
    assert_eq!(ports.task(before.number).await, before, "nothing is stored");
    assert_eq!(ports.log(before.number).await, log, "nothing is recorded");
}

/// Sends a report, and again, and checks that the repetition changes nothing.
pub(super) async fn finish_twice(
    ports: &Ports,
    task: &ClaimedTask,
    conclusion: Conclusion,
) -> TaskStatus {
    let status = ports.finish(build::lease(task), conclusion.clone()).await;
    let status = status.expect("the report is accepted");
    let (before, log) = (ports.task(task.number).await, ports.log(task.number).await);
    assert_eq!(before.status(), status);
    let again = ports.finish(build::lease(task), conclusion).await;
    assert_eq!(again.expect("the repetition is accepted"), status);
    assert_eq!(ports.task(task.number).await, before, "the repetition stores nothing");
    assert_eq!(ports.log(task.number).await, log, "the repetition records nothing");
    status
}

pub async fn an_outcome_reads_back_whole(ports: &Ports) {
    let task = ports.running().await;
    let outcome = rich_outcome("答え \"42\" \n{not json 😀");
    let status = ports.finish(build::lease(&task), Conclusion::Complete(outcome.clone())).await;
    assert_eq!(status.expect("it is accepted"), TaskStatus::Completed);
    let stored = finished(ports, &task).await;
    assert_eq!((stored.status, &stored.outcome), (FinalStatus::Completed, &outcome));
    assert_eq!(stored.attempt, Some(task.attempt));
    assert_eq!(stored.finished_at, stored.finished_at.trunc_subsecs(6));
    assert!(stored.started_at.is_some_and(|start| start <= stored.finished_at));
    assert_eq!(finished(ports, &task).await, stored, "read twice");
    let list = ports.list(&TaskScope::User(UserId::DEFAULT), &[]).await;
    let shown = list.tasks[0].finished.expect("the list shows the end");
    assert_eq!(shown.at, stored.finished_at);
    assert_eq!((shown.tokens, shown.cost), (outcome.usage.tokens(), outcome.usage.cost()));
}

pub async fn an_outcome_of_nothing_reads_back_as_nothing(ports: &Ports) {
    for outcome in [
        Outcome::default(),
        Outcome { result: Some(String::new()), ..Outcome::default() },
        Outcome { model: Some("m".to_owned()), ..Outcome::default() },
    ] {
        let task = ports.running().await;
        let end = Conclusion::Complete(outcome.clone());
        ports.finish(build::lease(&task), end).await.expect("it is accepted");
        assert_eq!(finished(ports, &task).await.outcome, outcome);
    }
}

pub async fn a_large_result_survives(ports: &Ports) {
    let task = ports.running().await;
    let result = "語".repeat((4 << 20) / "語".len());
    ports.finish(build::lease(&task), build::complete(&result)).await.expect("it is accepted");
    let stored = finished(ports, &task).await.outcome.result;
    assert!(stored == Some(result), "the stored result differs");
}

pub async fn a_research_result_keeps_its_text(ports: &Ports) {
    let job = build::research_task(TenantId::DEFAULT, build::project(1));
    ports.submit(job).await;
    let task = ports.claim_one().await;
    let outcome = rich_outcome(super::submit::ODD_JSON);
    let status = finish_twice(ports, &task, Conclusion::Complete(outcome.clone())).await;
    assert_eq!(status, TaskStatus::Completed);
    assert_eq!(finished(ports, &task).await.outcome, outcome);
}

pub async fn a_research_result_that_is_no_object_is_invalid(ports: &Ports) {
    let job = build::research_task(TenantId::DEFAULT, build::project(1));
    ports.submit(job).await;
    let task = ports.claim_one().await;
    for result in ["", "plain text", "[1]", "null", "{\"a\":"] {
        let answer = ports.finish(build::lease(&task), build::complete(result)).await;
        assert!(matches!(answer, Err(ReportError::Invalid(_))), "{result}: {answer:?}");
    }
    assert_eq!(ports.status(task.number).await, TaskStatus::Running);
    assert_eq!(ports.log(task.number).await.len(), 2, "nothing is recorded");
    let status = ports.finish(build::lease(&task), build::complete("{}")).await;
    assert_eq!(status.expect("the lease is still held"), TaskStatus::Completed);
}

pub async fn a_completed_task_has_done_its_total(ports: &Ports) {
    let task = build::with(build::agent_task(UserId::DEFAULT), |o| o.with_total(7));
    ports.submit(task).await;
    let task = ports.claim_one().await;
    ports.finish(build::lease(&task), build::complete("done")).await.expect("it ends");
    assert_eq!(Ok(finished(ports, &task).await.progress), Progress::new(7, 7));
    let list = ports.list(&TaskScope::User(UserId::DEFAULT), &[]).await;
    assert_eq!(Ok(list.tasks[0].progress), Progress::new(7, 7));
}

pub async fn a_failed_task_keeps_its_progress(ports: &Ports) {
    let task = build::with(build::agent_task(UserId::DEFAULT), |o| o.with_total(7));
    ports.submit(task).await;
    let task = ports.claim_one().await;
    ports.finish(build::lease(&task), build::fail("broken")).await.expect("it ends");
    assert_eq!(Ok(finished(ports, &task).await.progress), Progress::new(0, 7));
}

pub async fn a_repeated_completion_changes_nothing(ports: &Ports) {
    let task = ports.running().await;
    let end = Conclusion::Complete(rich_outcome("done"));
    assert_eq!(finish_twice(ports, &task, end).await, TaskStatus::Completed);
}

pub async fn a_failure_for_good_ends_the_task(ports: &Ports) {
    let task = ports.running().await;
    let status = finish_twice(ports, &task, build::fail("壊れた: x = \"1\"")).await;
    assert_eq!(status, TaskStatus::Failed);
    let stored = finished(ports, &task).await;
    assert_eq!(stored.outcome, Outcome::error("壊れた: x = \"1\""));
    assert_eq!(stored.attempt, Some(task.attempt));
}

pub async fn a_failure_keeps_what_it_took_to_get_there(ports: &Ports) {
    let outcome = Outcome { error: Some("no paper".to_owned()), ..rich_outcome("half of it") };
    for retry in [None, Some(Duration::ZERO)] {
        let task = build::agent_task(UserId::DEFAULT);
        ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
        let task = ports.claim_one().await;
        let end = Conclusion::Fail { outcome: outcome.clone(), retry };
        assert_eq!(finish_twice(ports, &task, end).await, TaskStatus::Failed);
        assert_eq!(finished(ports, &task).await.outcome, outcome);
    }
}

pub async fn a_failure_may_ask_for_another_attempt(ports: &Ports) {
    let task = ports.running().await;
    let status = finish_twice(ports, &task, build::retry_after("busy", Duration::ZERO)).await;
    assert_eq!(status, TaskStatus::Queued);
    let started = ports.task(task.number).await.started_at();
    let again = ports.claim_one().await;
    assert_eq!((again.number, again.attempt.get()), (task.number, 2));
    assert_eq!(ports.task(task.number).await.started_at(), started);
    assert_refused(ports, build::lease(&task), build::complete("late")).await;
}

pub async fn a_repeated_failure_may_come_with_another_delay(ports: &Ports) {
    let task = ports.running().await;
    let lease = build::lease(&task);
    for delay in [AN_HOUR, Duration::ZERO] {
        let status = ports.finish(lease, build::retry_after("busy", delay)).await;
        assert_eq!(status.expect("it is accepted"), TaskStatus::Queued);
    }
    assert!(ports.claim(build::claim(9)).await.is_empty(), "the first delay stands");
}

pub async fn another_attempt_waits_for_its_delay(ports: &Ports) {
    let task = ports.running().await;
    let status = finish_twice(ports, &task, build::retry_after("busy", AN_HOUR)).await;
    assert_eq!(status, TaskStatus::Queued);
    assert!(ports.claim(build::claim(9)).await.is_empty());
    ports.running().await;
}

pub async fn used_up_attempts_fail_the_task(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(2))).await;
    let first = ports.claim_one().await;
    let status = finish_twice(ports, &first, build::retry_after("one", Duration::ZERO)).await;
    assert_eq!(status, TaskStatus::Queued);
    let second = ports.claim_one().await;
    let status = finish_twice(ports, &second, build::retry_after("two", Duration::ZERO)).await;
    assert_eq!(status, TaskStatus::Failed);
    let stored = finished(ports, &second).await;
    assert_eq!(stored.outcome, Outcome::error("two"));
    assert_eq!(stored.attempt, Some(second.attempt));
}

pub async fn another_end_after_the_end_is_refused(ports: &Ports) {
    let task = ports.running().await;
    let lease = build::lease(&task);
    ports.finish(lease, build::complete("done")).await.expect("it ends");
    assert_refused(ports, lease, build::fail("late")).await;
    assert_refused(ports, lease, build::retry_after("late", Duration::ZERO)).await;
    let task = ports.running().await;
    let lease = build::lease(&task);
    ports.finish(lease, build::fail("broken")).await.expect("it ends");
    assert_refused(ports, lease, build::complete("late")).await;
    let task = ports.running().await;
    let lease = build::lease(&task);
    ports.finish(lease, build::retry_after("busy", AN_HOUR)).await.expect("it is queued");
    assert_refused(ports, lease, build::complete("late")).await;
    assert_refused(ports, lease, build::fail("late")).await;
}

pub async fn a_report_of_another_attempt_is_refused(ports: &Ports) {
    ports.submit_any().await;
    let first = ports.claim_lapsing().await;
    ports.reap().await;
    let second = ports.claim_one().await;
    for attempt in [1, 3, i64::from(i32::MAX)] {
        let attempt = Attempt::new(attempt).expect("it is positive");
        let lease = Lease { task: first.id, attempt };
        assert_refused(ports, lease, build::complete("late")).await;
        assert_refused(ports, lease, build::fail("late")).await;
        assert_refused(ports, lease, build::retry_after("late", Duration::ZERO)).await;
    }
    ports.finish(build::lease(&second), build::complete("done")).await.expect("it ends");
    assert_refused(ports, build::lease(&first), build::complete("late")).await;
}

pub async fn a_report_on_a_task_never_claimed_is_refused(ports: &Ports) {
    let task = ports.submit_any().await;
    let attempt = Attempt::new(1).expect("it is positive");
    let lease = Lease { task: task.id, attempt };
    assert_refused(ports, lease, build::complete("early")).await;
    assert_refused(ports, lease, build::retry_after("early", Duration::ZERO)).await;
}

pub async fn a_report_on_an_unknown_task_is_not_found(ports: &Ports) {
    let attempt = Attempt::new(1).expect("it is positive");
    let lease = Lease { task: build::task_id(), attempt };
    for conclusion in [build::complete("?"), build::fail("?")] {
        let answer = ports.finish(lease, conclusion).await;
        assert!(matches!(answer, Err(ReportError::NotFound)), "{answer:?}");
    }
}

pub async fn a_late_report_counts_until_the_lease_is_taken_back(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    let status = ports.finish(build::lease(&task), build::complete("late but good")).await;
    assert_eq!(status.expect("the lease is still held"), TaskStatus::Completed);
    assert_eq!(ports.reap().await.expired, 0);
}

pub async fn a_lost_lease_is_refused(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    ports.reap().await;
    assert_refused(ports, build::lease(&task), build::complete("late")).await;
    assert_refused(ports, build::lease(&task), build::fail("late")).await;
    let retry = build::retry_after("late", Duration::ZERO);
    assert_refused(ports, build::lease(&task), retry).await;
}

pub async fn a_worker_that_used_up_the_attempts_by_silence_is_refused(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_max_attempts(1))).await;
    let task = ports.claim_lapsing().await;
    ports.reap().await;
    assert_refused(ports, build::lease(&task), build::complete("late")).await;
    assert_refused(ports, build::lease(&task), build::fail("late")).await;
    let retry = build::retry_after("late", Duration::ZERO);
    assert_refused(ports, build::lease(&task), retry).await;
}

pub async fn a_batch_is_answered_in_order_each_for_itself(ports: &Ports) {
    for _ in 0..4 {
        ports.submit_any().await;
    }
    ports.submit(build::research_task(TenantId::DEFAULT, build::project(1))).await;
    let tasks = ports.claim(build::claim(5)).await;
    ports.cancel(tasks[3].number).await;
    let lease = |n: usize| build::lease(&tasks[n]);
    let unknown = Lease { task: build::task_id(), attempt: tasks[0].attempt };
    let reports = [
        (lease(2), build::retry_after("busy", AN_HOUR)),
        (unknown, build::complete("?")),
        (lease(4), build::complete("no object")),
        (lease(0), build::complete("done")),
        (lease(3), build::complete("late")),
        (lease(1), build::fail("broken")),
        (lease(0), build::complete("done")),
        (lease(4), build::complete("{}")),
    ];
    let reports = reports.map(|(lease, conclusion)| Report { lease, conclusion });
    let answers = ports.finish_all(reports.into()).await;
    let told: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(status) => status.to_string(),
            Err(ReportError::Invalid(_)) => "invalid".to_owned(),
            Err(error) => error.to_string(),
        })
        .collect();
    let expected = [
        "queued",
        "task not found",
        "invalid",
        "completed",
        "the lease is lost",
        "failed",
        "completed",
        "completed",
    ];
    assert_eq!(told, expected);
    let stories =
        [("completed", 5), ("failed", 5), ("queued", 3), ("cancelled", 5), ("completed", 4)];
    for (task, (status, events)) in tasks.iter().zip(stories) {
        assert_eq!(ports.status(task.number).await.to_string(), status);
        assert_eq!(ports.log_types(task.number).await.len(), events);
    }
}

pub async fn reports_of_one_task_in_a_batch_are_taken_in_order(ports: &Ports) {
    for (first, second, expected, events) in [
        (build::complete("done"), build::fail("late"), TaskStatus::Completed, 7),
        (build::fail("broken"), build::complete("late"), TaskStatus::Failed, 7),
        (build::retry_after("busy", AN_HOUR), build::complete("late"), TaskStatus::Queued, 5),
    ] {
        ports.submit_any().await;
        ports.claim_lapsing().await;
        ports.reap().await;
        let task = ports.claim_one().await;
        let lease = build::lease(&task);
        let lost = Attempt::new(1).expect("it is positive");
        let lost = Lease { attempt: lost, ..lease };
        let reports = [(lost, build::complete("lost")), (lease, first), (lease, second)];
        let reports = reports.map(|(lease, conclusion)| Report { lease, conclusion });
        let answers = ports.finish_all(reports.into()).await;
        let [Err(ReportError::LeaseLost), Ok(status), Err(ReportError::LeaseLost)] = answers[..]
        else {
            panic!("{answers:?}");
        };
        assert_eq!((status, ports.status(task.number).await), (expected, expected));
        assert_eq!(ports.log_types(task.number).await.len(), events);
    }
}

pub async fn an_empty_batch_has_no_answers(ports: &Ports) {
    assert!(ports.finish_all(Vec::new()).await.is_empty());
}

pub async fn a_full_batch_is_taken(ports: &Ports) {
    for _ in 0..50 {
        join_all((0..10).map(|_| ports.submit_any())).await;
    }
    let tasks = ports.claim(build::claim(500)).await;
    let reports = tasks.iter().enumerate().map(|(n, task)| Report {
        lease: build::lease(task),
        conclusion: build::complete(&n.to_string()),
    });
    let answers = ports.finish_all(reports.collect()).await;
    assert_eq!((tasks.len(), answers.len()), (500, 500));
    assert!(answers.iter().all(|answer| matches!(answer, Ok(TaskStatus::Completed))));
    for n in [0, 255, 499] {
        let result = finished(ports, &tasks[n]).await.outcome.result;
        assert_eq!(result, Some(n.to_string()), "each result is stored with its own task");
    }
}
