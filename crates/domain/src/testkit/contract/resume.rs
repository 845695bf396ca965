//! Going on after a pause.

use super::pause::assert_refused;
use crate::{
    control::{Control, ControlRequest, Controlled},
    event::NewEvent,
    id::UserId,
    queue::ClaimRequest,
    task::{
        TaskState,
        status::{LiveStatus, TaskStatus},
    },
    testkit::{Ports, build},
};
use futures_util::future::{join, join_all};
use std::time::{Duration, Instant};

const fn accepted(status: TaskStatus) -> Controlled {
    Controlled { accepted: true, status, replayed: false }
}

pub async fn a_task_paused_in_the_queue_returns_to_it(ports: &Ports) {
    let task = ports.submit_any().await;
    ports.pause(task.number).await;
    assert_eq!(ports.resume(task.number).await, accepted(TaskStatus::Queued));
    assert_eq!(ports.status(task.number).await, TaskStatus::Queued);
    let claimed = ports.claim_one().await;
    assert_eq!((claimed.number, claimed.attempt.get()), (task.number, 1));
}

pub async fn a_task_paused_in_a_workers_hands_runs_on(ports: &Ports) {
    let task = ports.running_paused().await;
    assert_eq!(ports.resume(task.number).await, accepted(TaskStatus::Running));
    assert!(ports.claim(build::claim(9)).await.is_empty(), "its worker has it");
    let reply = ports.heartbeat(build::sign_of_life(build::lease(&task))).await;
    assert!(!reply.cancel_requested && !reply.pause_requested);
    let status = ports.finish(build::lease(&task), build::complete("done")).await;
    assert_eq!(status.expect("its claim still counts"), TaskStatus::Completed);
}

pub async fn a_lapsed_lease_that_nobody_took_is_resumed(ports: &Ports) {
    ports.submit_any().await;
    let task = ports.claim_lapsing().await;
    ports.pause(task.number).await;
    assert_eq!(ports.resume(task.number).await, accepted(TaskStatus::Running));
    assert_eq!(ports.reap().await.expired, 1);
    assert_eq!(ports.status(task.number).await, TaskStatus::Queued);
}

pub async fn a_resumed_task_keeps_its_place(ports: &Ports) {
    let mut made = Vec::new();
    for priority in [0, 5, 0] {
        let task = build::agent_task(UserId::DEFAULT);
        made.push(ports.submit(build::with(task, |o| o.with_priority(priority))).await.number);
    }
    for number in &made[..2] {
        ports.pause(*number).await;
    }
    made.push(ports.submit_any().await.number);
    for number in &made[..2] {
        ports.resume(*number).await;
    }
    let claimed = ports.claim(build::claim(9)).await;
    let order: Vec<_> = claimed.iter().map(|task| task.number).collect();
    assert_eq!(order, [made[1], made[0], made[2], made[3]]);
}

pub async fn a_resumed_task_still_waits_for_its_time(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_run_after(build::in_an_hour()))).await;
    ports.pause(task.number).await;
    assert_eq!(ports.resume(task.number).await, accepted(TaskStatus::Queued));
    assert!(ports.claim(build::claim(9)).await.is_empty());
}

pub async fn what_is_not_paused_is_not_resumed(ports: &Ports) {
    let running = ports.running().await.number;
    for number in [running, ports.submit_any().await.number] {
        assert_refused(ports, build::control(number, Control::Resume)).await;
    }
}

pub async fn a_resume_is_told_with_its_reason(ports: &Ports) {
    let task = ports.running_paused().await;
    let request = build::control(task.number, Control::Resume);
    let reason = "続けて \"x\"";
    ports.control(ControlRequest { reason: Some(reason.to_owned()), ..request }).await;
    let told = NewEvent::controlled(Control::Resume, LiveStatus::Paused, Some(reason));
    assert_eq!(ports.story(task.number).await[4..], told);
}

pub async fn a_resume_forgets_who_paused(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await.user;
    let bob = ports.user("tenant", "bob").await.user;
    let task = ports.submit_any().await;
    let note = || async {
        match ports.task(task.number).await.state {
            TaskState::Live(live) => live.pause.map(|note| (note.by, note.reason)),
            TaskState::Finished(finished) => panic!("{finished:?} is live"),
        }
    };
    let pause = build::control(task.number, Control::Pause);
    let reason = Some("ada's".to_owned());
    ports.control(ControlRequest { by: ada, reason: reason.clone(), ..pause.clone() }).await;
    assert_eq!(note().await, Some((ada, reason)));
    ports.resume(task.number).await;
    assert_eq!(note().await, None);
    ports.control(ControlRequest { by: bob, ..pause }).await;
    assert_eq!(note().await, Some((bob, None)));
}

pub async fn a_task_may_be_paused_in_every_attempt(ports: &Ports) {
    let task = ports.submit_any().await;
    let mut expected = vec!["DATA_PROCESSING"];
    for attempt in 1..=3 {
        let claimed = ports.claim_one().await;
        assert_eq!(claimed.attempt.get(), attempt);
        ports.pause(task.number).await;
        assert_eq!(ports.resume(task.number).await, accepted(TaskStatus::Running));
        expected.extend(["WORKFLOW_STARTED", "WORKFLOW_PAUSING", "WORKFLOW_PAUSED"]);
        expected.push("WORKFLOW_RESUMED");
        if attempt < 3 {
            let retry = build::retry_after("again", Duration::ZERO);
            ports.finish(build::lease(&claimed), retry).await.expect("it is tried again");
            expected.push("ERROR_RECOVERY");
        }
    }
    assert_eq!(ports.log_types(task.number).await, expected);
}

pub async fn a_waiting_claim_gets_what_is_resumed(ports: &Ports) {
    let task = ports.submit_any().await;
    ports.pause(task.number).await;
    let begun = Instant::now();
    let wait = Duration::from_secs(30);
    let claim = ports.claim(ClaimRequest { wait, ..build::claim(9) });
    let (claimed, resumed) = join(claim, ports.resume(task.number)).await;
    assert_eq!(resumed, accepted(TaskStatus::Queued));
    assert_eq!(claimed[0].number, task.number);
    assert!(begun.elapsed() < wait / 2, "the claim waited {:?}", begun.elapsed());
}

pub async fn a_repeated_resume_gets_the_first_answer(ports: &Ports) {
    let task = ports.running_paused().await;
    let request = build::control(task.number, Control::Resume);
    let request = ControlRequest { idempotency: Some(build::idempotency("k")), ..request };
    assert_eq!(ports.control(request.clone()).await, accepted(TaskStatus::Running));
    for _ in 0..2 {
        let again = ports.control(request.clone()).await;
        assert_eq!(again, Controlled { replayed: true, ..accepted(TaskStatus::Running) });
    }
    assert_eq!(ports.log(task.number).await.len(), 5);
}

pub async fn a_refused_resume_is_not_remembered(ports: &Ports) {
    let task = ports.submit_any().await;
    let request = build::control(task.number, Control::Resume);
    let request = ControlRequest { idempotency: Some(build::idempotency("k")), ..request };
    for _ in 0..2 {
        assert_refused(ports, request.clone()).await;
    }
    ports.pause(task.number).await;
    assert_eq!(ports.control(request).await, accepted(TaskStatus::Queued));
}

pub async fn of_concurrent_resumes_one_is_accepted(ports: &Ports) {
    for _ in 0..5 {
        let task = ports.running_paused().await;
        let answers = join_all((0..8).map(|_| ports.resume(task.number))).await;
        assert_eq!(answers.iter().filter(|answer| answer.accepted).count(), 1);
        assert!(answers.iter().all(|answer| answer.status == TaskStatus::Running));
        assert_eq!(ports.log_types(task.number).await.len(), 5);
    }
}

pub async fn of_concurrent_pauses_and_resumes_each_move_is_told_once(ports: &Ports) {
    let task = ports.submit_any().await;
    let toggle = |n: usize| {
        let control = if n.is_multiple_of(2) { Control::Pause } else { Control::Resume };
        async move { (control, ports.control(build::control(task.number, control)).await.accepted) }
    };
    let made = join_all((0..24).map(toggle)).await;
    let count = |which| made.iter().filter(|made| **made == (which, true)).count();
    let (pauses, resumes) = (count(Control::Pause), count(Control::Resume));
    let paused = ports.status(task.number).await == TaskStatus::Paused;
    assert_eq!(pauses, resumes + usize::from(paused));
    assert_eq!(ports.log_types(task.number).await.len(), 1 + 2 * pauses + resumes);
}
