//! Housekeeping beside the work.

use crate::{
    event::{EventType, NewEvent},
    id::{TenantId, UserId},
    query::TaskScope,
    queue::{ClaimRequest, ClaimedTask},
    task::work::{Kind, TaskType},
    testkit::{Ports, build},
};
use futures_util::future::{join_all, join3};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

pub async fn a_store_that_is_up_answers(ports: &Ports) {
    ports.maintenance.ping().await.expect("the store answers");
}

pub async fn tidying_changes_nothing_that_is_seen(ports: &Ports) {
    let task = ports.submit(build::keyed(build::agent_task(UserId::DEFAULT), "k")).await;
    let running = ports.claim_one().await;
    ports.finish(build::lease(&running), build::complete("done")).await.expect("it ends");
    ports.submit_any().await;
    let list = ports.list(&TaskScope::User(UserId::DEFAULT), &[]).await;
    let (before, log) = (ports.task(task.number).await, ports.log(task.number).await);
    for _ in 0..2 {
        ports.maintenance.tidy().await.expect("the store is tidied");
    }
    assert_eq!(ports.list(&TaskScope::User(UserId::DEFAULT), &[]).await, list);
    assert_eq!(ports.task(task.number).await, before);
    assert_eq!(ports.log(task.number).await, log);
    let again = ports.submission(build::keyed(build::agent_task(UserId::DEFAULT), "k")).await;
    assert_eq!(again.task.number, task.number, "a young idempotency key is kept");
}

pub async fn tidying_keeps_the_output_of_live_and_just_ended_tasks(ports: &Ports) {
    let (live, ended) = (ports.running().await, ports.running().await);
    let piece = NewEvent::new(EventType::LLM_PARTIAL, None, Some("It ".to_owned()), None);
    let pieces = vec![piece.expect("the event is valid"); 3];
    for task in [&live, &ended] {
        let recorded = ports.queue.record(build::lease(task), pieces.clone()).await;
        recorded.expect("the pieces are recorded");
    }
    ports.finish(build::lease(&ended), build::complete("done")).await.expect("it ends");
    for task in [live, ended] {
        let log = ports.log(task.number).await;
        ports.maintenance.tidy().await.expect("the store is tidied");
        assert_eq!(ports.log(task.number).await, log);
    }
}

pub async fn totals_stay_exact_while_writers_and_tidying_run(ports: &Ports) {
    let scopes = [TaskScope::User(UserId::DEFAULT), TaskScope::Tenant(TenantId::DEFAULT)];
    let writer = || async {
        for _ in 0..10 {
            ports.submit_any().await;
            let job = build::research_task(TenantId::DEFAULT, build::project(1));
            ports.submit(job).await;
            for task in ports.claim(build::claim(1)).await {
                ports.finish(build::lease(&task), build::complete("{}")).await.expect("it ends");
            }
        }
    };
    let reader = async {
        for _ in 0..20 {
            for scope in &scopes {
                let page = ports.list(scope, &[]).await;
                assert_eq!(i64::try_from(page.tasks.len()), Ok(page.total), "in one snapshot");
            }
        }
    };
    let tidying = async {
        for _ in 0..20 {
            ports.maintenance.tidy().await.expect("the store is tidied");
        }
    };
    join3(join_all((0..4).map(|_| writer())), reader, tidying).await;
    ports.check_totals(&scopes).await;
    ports.maintenance.tidy().await.expect("the store is tidied");
    ports.check_totals(&scopes).await;
    assert_eq!(ports.list(&scopes[0], &[]).await.total, 40);
}

const OCR: Kind = Kind::Research(TaskType::Ocr);

async fn unserved(ports: &Ports) -> Vec<Kind> {
    let kinds = ports.maintenance.unserved().await.expect("the kinds are read");
    let distinct: BTreeSet<Kind> = kinds.iter().copied().collect();
    assert_eq!(distinct.len(), kinds.len(), "each kind is told once");
    distinct.into_iter().collect()
}

async fn claim_ocr(ports: &Ports) -> ClaimedTask {
    let request = ClaimRequest { kinds: vec![OCR], ..build::claim(1) };
    ports.claim(request).await.pop().expect("a task is due")
}

pub async fn a_kind_is_unserved_while_no_worker_has_any_of_its_tasks(ports: &Ports) {
    assert_eq!(unserved(ports).await, []);
    ports.submit_any().await;
    for _ in 0..3 {
        let job = build::research_task_of(TenantId::DEFAULT, build::project(1), TaskType::Ocr);
        ports.submit(job).await;
    }
    assert_eq!(unserved(ports).await, [Kind::Agent, OCR]);
    let first = claim_ocr(ports).await;
    assert_eq!(unserved(ports).await, [Kind::Agent], "two wait behind the one that runs");
    ports.pause(first.number).await;
    assert_eq!(unserved(ports).await, [Kind::Agent], "a paused task has its worker");
    ports.finish(build::lease(&first), build::complete("{}")).await.expect("it ends");
    assert_eq!(unserved(ports).await, [Kind::Agent, OCR]);
    for _ in 0..2 {
        let task = claim_ocr(ports).await;
        ports.finish(build::lease(&task), build::complete("{}")).await.expect("it ends");
    }
    assert_eq!(unserved(ports).await, [Kind::Agent], "no job waits");
}

pub async fn a_task_that_is_not_due_needs_no_worker(ports: &Ports) {
    let paused = ports.submit_any().await;
    ports.pause(paused.number).await;
    let start = build::in_an_hour();
    let later = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(later, |o| o.with_run_after(start))).await;
    let retried = ports.running().await;
    let retry = build::retry_after("busy", Duration::from_secs(3_600));
    ports.finish(build::lease(&retried), retry).await.expect("it is put off");
    assert_eq!(unserved(ports).await, []);
    ports.resume(paused.number).await;
    assert_eq!(unserved(ports).await, [Kind::Agent]);
}

pub async fn a_task_whose_time_has_come_needs_a_worker(ports: &Ports) {
    let task = ports.running().await;
    let soon = build::retry_after("busy", Duration::from_millis(1));
    ports.finish(build::lease(&task), soon).await.expect("it is put off");
    // No claim lets it into the queue meanwhile.
    let end = Instant::now() + Duration::from_secs(30);
    while unserved(ports).await != [Kind::Agent] {
        assert!(Instant::now() < end, "it is not noticed that the task is due");
    }
}
