//! Handing tasks to workers.

use crate::{
    id::{TaskNumber, TenantId, UserId},
    queue::ClaimRequest,
    task::{
        status::TaskStatus,
        work::{Kind, TaskType, Work},
    },
    testkit::{Ports, build},
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures_util::future::{join, join_all};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

async fn submit_with_priority(ports: &Ports, priority: i64) -> TaskNumber {
    let task = build::agent_task(UserId::DEFAULT);
    ports.submit(build::with(task, |o| o.with_priority(priority))).await.number
}

async fn claimed_numbers(ports: &Ports, request: ClaimRequest) -> Vec<TaskNumber> {
    ports.claim(request).await.iter().map(|task| task.number).collect()
}

pub async fn the_oldest_of_the_highest_priority_comes_first(ports: &Ports) {
    let mut made = Vec::new();
    for priority in [0, -1_000, 5, 0, 1_000, 5] {
        made.push(submit_with_priority(ports, priority).await);
    }
    let order = [4, 2, 5, 0, 3, 1].map(|n: usize| made[n]);
    assert_eq!(claimed_numbers(ports, build::claim(2)).await, order[..2]);
    for number in &order[2..] {
        assert_eq!(ports.claim_one().await.number, *number);
    }
}

pub async fn a_task_that_comes_back_keeps_its_place(ports: &Ports) {
    let first = ports.submit_any().await;
    let second = ports.submit_any().await;
    ports.claim_lapsing().await;
    assert_eq!(ports.claim_one().await.number, second.number);
    let third = ports.submit_any().await;
    ports.reap().await;
    assert_eq!(claimed_numbers(ports, build::claim(9)).await, [first.number, third.number]);
}

pub async fn an_urgent_task_overtakes_what_waits(ports: &Ports) {
    let normal = [ports.submit_any().await.number, ports.submit_any().await.number];
    assert_eq!(ports.claim_one().await.number, normal[0]);
    let urgent = submit_with_priority(ports, 1).await;
    assert_eq!(claimed_numbers(ports, build::claim(9)).await, [urgent, normal[1]]);
}

pub async fn a_worker_gets_its_kinds_alone(ports: &Ports) {
    let agent = ports.submit_any().await.number;
    let mut made = Vec::new();
    for task_type in TaskType::ALL {
        let job = build::research_task_of(TenantId::DEFAULT, build::project(1), task_type);
        made.push((task_type, ports.submit(job).await.number));
    }
    let claim = |kinds| ClaimRequest { kinds, ..build::claim(9) };
    assert!(ports.claim(claim(Vec::new())).await.is_empty(), "no kind is no task");
    for (task_type, number) in &made[2..] {
        let kinds = vec![Kind::Research(*task_type)];
        assert_eq!(claimed_numbers(ports, claim(kinds)).await, [*number]);
    }
    let kinds = vec![Kind::Research(made[1].0), Kind::Agent];
    assert_eq!(claimed_numbers(ports, claim(kinds)).await, [agent, made[1].1]);
    assert_eq!(claimed_numbers(ports, claim(Kind::ALL.to_vec())).await, [made[0].1]);
}

pub async fn a_claim_takes_no_more_than_it_asks_for(ports: &Ports) {
    for _ in 0..5 {
        ports.submit_any().await;
    }
    for (max, given) in [(2, 2), (2, 2), (500, 1), (500, 0)] {
        assert_eq!(ports.claim(build::claim(max)).await.len(), given);
    }
}

pub async fn a_claim_takes_no_more_than_it_can_ship(ports: &Ports) {
    let mut made = Vec::new();
    // In eighths of the limit.
    for eighths in [5, 2, 2, 9] {
        let bytes = usize::try_from(ClaimRequest::MAX_BYTES / 8 * eighths).expect("it is positive");
        let mut task = build::research_task(TenantId::DEFAULT, build::project(1));
        if let Work::Research(work) = &mut task.work {
            work.params = build::object(&format!("{{{}}}", " ".repeat(bytes - 2)));
        }
        made.push(ports.submit(task).await.number);
    }
    for expected in [&made[..2], &made[2..3], &made[3..], &[]] {
        assert_eq!(claimed_numbers(ports, build::claim(500)).await, expected);
    }
}

pub async fn a_task_is_not_given_before_its_time(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let later = build::with(task, |o| o.with_priority(9)?.with_run_after(build::in_an_hour()));
    let later = ports.submit(later).await.number;
    let task = build::agent_task(UserId::DEFAULT);
    let past = build::with(task, |o| o.with_run_after(DateTime::UNIX_EPOCH));
    let past = ports.submit(past).await.number;
    assert_eq!(claimed_numbers(ports, build::claim(9)).await, [past]);
    assert_eq!(ports.status(later).await, TaskStatus::Queued);
}

pub async fn a_task_whose_time_comes_is_given(ports: &Ports) {
    let start = Utc::now() + TimeDelta::milliseconds(300);
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_run_after(start))).await;
    let wait = Duration::from_secs(20);
    let claimed = ports.claim(ClaimRequest { wait, ..build::claim(1) }).await;
    assert_eq!(claimed[0].number, task.number);
    let started = ports.task(task.number).await.started_at().expect("it has started");
    assert!(started >= start.trunc_subsecs(6), "started {started}, due {start}");
}

pub async fn a_claimed_task_carries_its_whole_payload(ports: &Ports) {
    let mut new = build::research_task(TenantId::DEFAULT, build::project(4));
    if let Work::Research(work) = &mut new.work {
        work.params = build::object(super::submit::ODD_JSON);
    }
    let new = build::with(new, |o| o.with_timeout_seconds(60));
    let task = ports.submit(new).await;
    let claimed = ports.claim_one().await;
    assert_eq!((claimed.id, claimed.number), (task.id, task.number));
    assert_eq!((&claimed.work, claimed.deadline), (&task.work, task.deadline));
    let agent = ports.submit_any().await;
    assert_eq!(ports.claim_one().await.work, agent.work);
}

pub async fn a_claim_makes_the_task_running(ports: &Ports) {
    let task = ports.submit_any().await;
    let claimed = ports.claim_one().await;
    assert_eq!(claimed.attempt.get(), 1);
    let running = ports.task(task.number).await;
    let started = running.started_at().expect("a claimed task has started");
    assert_eq!(running.status(), TaskStatus::Running);
    assert_eq!(running.updated_at(), started);
    assert_eq!(claimed.lease_expires_at, started + TimeDelta::hours(1));
}

pub async fn attempts_grow_and_the_first_start_stays(ports: &Ports) {
    let task = ports.submit_any().await;
    ports.claim_lapsing().await;
    let started = ports.task(task.number).await.started_at();
    for attempt in 2..=3 {
        ports.reap().await;
        assert_eq!(ports.claim_lapsing().await.attempt.get(), attempt);
        assert_eq!(ports.task(task.number).await.started_at(), started);
    }
}

pub async fn a_running_task_is_given_to_nobody_else(ports: &Ports) {
    let running = ports.running().await;
    assert!(ports.claim(build::claim(9)).await.is_empty());
    ports.finish(build::lease(&running), build::complete("done")).await.expect("it ends");
    assert!(ports.claim(build::claim(9)).await.is_empty());
}

pub async fn concurrent_claims_share_the_tasks(ports: &Ports) {
    const TASKS: usize = 60;
    for _ in 0..TASKS {
        ports.submit_any().await;
    }
    let worker = || async {
        let mut mine = Vec::new();
        loop {
            let claimed = claimed_numbers(ports, build::claim(4)).await;
            assert!(claimed.len() <= 4);
            if claimed.is_empty() {
                break mine;
            }
            mine.extend(claimed);
        }
    };
    let mine = join_all((0..8).map(|_| worker())).await.concat();
    assert_eq!(mine.iter().collect::<BTreeSet<_>>().len(), mine.len(), "a task was given twice");
    let rest = claimed_numbers(ports, build::claim(500)).await;
    assert_eq!(mine.len() + rest.len(), TASKS);
    assert!(rest.is_empty(), "no worker leaves while tasks are due");
}

pub async fn a_waiting_claim_gets_what_is_submitted_meanwhile(ports: &Ports) {
    let begun = Instant::now();
    let wait = Duration::from_secs(30);
    let claim = ports.claim(ClaimRequest { wait, ..build::claim(9) });
    let submit = async {
        // Lets the claim find nothing first.
        for _ in 0..20 {
            ports.maintenance.ping().await.expect("the store answers");
        }
        ports.submit_any().await
    };
    let (claimed, task) = join(claim, submit).await;
    assert_eq!(claimed[0].number, task.number);
    assert!(begun.elapsed() < wait / 2, "the claim waited {:?}", begun.elapsed());
}

pub async fn a_waiting_claim_gets_what_comes_back(ports: &Ports) {
    let running = ports.running().await;
    let begun = Instant::now();
    let wait = Duration::from_secs(30);
    let claim = ports.claim(ClaimRequest { wait, ..build::claim(9) });
    let retry = build::retry_after("again", Duration::ZERO);
    let (claimed, ended) = join(claim, ports.finish(build::lease(&running), retry)).await;
    ended.expect("the retry is accepted");
    assert_eq!((claimed[0].number, claimed[0].attempt.get()), (running.number, 2));
    assert!(begun.elapsed() < wait / 2, "the claim waited {:?}", begun.elapsed());
}

pub async fn a_claim_that_waits_in_vain_is_empty(ports: &Ports) {
    let begun = Instant::now();
    let wait = Duration::from_millis(200);
    let kinds = vec![Kind::Research(TaskType::Ocr)];
    ports.submit_any().await;
    assert!(ports.claim(ClaimRequest { wait, kinds, ..build::claim(9) }).await.is_empty());
    assert!(begun.elapsed() >= wait, "the claim gave up after {:?}", begun.elapsed());
}
