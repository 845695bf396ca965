//! Pausing.

use crate::{
    control::{Control, ControlRequest, Controlled},
    event::NewEvent,
    id::{TenantId, UserId},
    task::{
        Attempt, ControlNote, Live, TaskState,
        status::{FinalStatus, LiveStatus, TaskStatus},
        submit::SubmissionKind,
    },
    testkit::{Ports, build},
};
use futures_util::future::{join, join_all};

const ACCEPTED: Controlled =
    Controlled { accepted: true, status: TaskStatus::Paused, replayed: false };
const REFUSED: Controlled = Controlled { accepted: false, ..ACCEPTED };

fn live(state: TaskState) -> Live {
    match state {
        TaskState::Live(live) => live,
        TaskState::Finished(finished) => panic!("{finished:?} is live"),
    }
}

/// Makes a control, and checks that it is refused and changes nothing.
pub(super) async fn assert_refused(ports: &Ports, request: ControlRequest) {
    let number = request.number;
    let (before, log) = (ports.task(number).await, ports.log(number).await);
    let status = before.status();
    let refused = Controlled { accepted: false, status, replayed: false };
    assert_eq!(ports.control(request).await, refused);
    assert_eq!(ports.task(number).await, before, "nothing changes");
    assert_eq!(ports.log(number).await, log, "nothing is recorded");
}

pub async fn a_queued_task_is_paused(ports: &Ports) {
    let task = ports.submit_any().await;
    assert_eq!(ports.pause(task.number).await, ACCEPTED);
    let live = live(ports.task(task.number).await.state);
    assert_eq!((live.status, live.attempt, live.started_at), (LiveStatus::Paused, None, None));
}

pub async fn a_task_that_waits_for_its_time_is_paused(ports: &Ports) {
    let task = build::agent_task(UserId::DEFAULT);
    let task = ports.submit(build::with(task, |o| o.with_run_after(build::in_an_hour()))).await;
    assert_eq!(ports.pause(task.number).await, ACCEPTED);
}

pub async fn a_running_task_is_paused(ports: &Ports) {
    let running = ports.running().await;
    let started = ports.task(running.number).await.started_at();
    assert_eq!(ports.pause(running.number).await, ACCEPTED);
    let live = live(ports.task(running.number).await.state);
    assert_eq!(live.status, LiveStatus::Paused);
    assert_eq!((live.attempt, live.started_at), (Some(running.attempt), started));
}

pub async fn a_paused_task_is_given_to_nobody(ports: &Ports) {
    let urgent = build::agent_task(UserId::DEFAULT);
    let urgent = ports.submit(build::with(urgent, |o| o.with_priority(9))).await;
    let normal = ports.submit_any().await;
    ports.pause(urgent.number).await;
    let claimed = ports.claim(build::claim(9)).await;
    assert_eq!(claimed.iter().map(|task| task.number).collect::<Vec<_>>(), [normal.number]);
}

pub async fn a_pause_keeps_who_when_and_why(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await.user;
    let reason = Some("後で \"x\"".to_owned());
    let task = ports.submit_any().await;
    let request = build::control(task.number, Control::Pause);
    ports.control(ControlRequest { by: ada, reason: reason.clone(), ..request }).await;
    let paused = ports.task(task.number).await;
    let at = paused.updated_at();
    assert!(at >= task.created_at);
    assert_eq!(ports.task(task.number).await, paused, "read twice");
    let noted = live(paused.state).pause;
    assert_eq!(noted, Some(ControlNote { at, by: ada, reason }));
    let told = ports.log(task.number).await.last().map(|event| event.at);
    assert_eq!(told, Some(at), "seen together");
}

pub async fn a_pause_tells_where_the_task_stood(ports: &Ports) {
    let queued = ports.submit_any().await.number;
    ports.pause(queued).await;
    let running = ports.running().await.number;
    let why = Some("why");
    let request = build::control(running, Control::Pause);
    ports.control(ControlRequest { reason: why.map(str::to_owned), ..request }).await;
    let of_queued = NewEvent::controlled(Control::Pause, LiveStatus::Queued, None);
    assert_eq!(ports.story(queued).await[1..], of_queued);
    let of_running = NewEvent::controlled(Control::Pause, LiveStatus::Running, why);
    assert_eq!(ports.story(running).await[2..], of_running);
}

pub async fn a_paused_task_is_not_paused_again(ports: &Ports) {
    let queued = ports.submit_any().await.number;
    ports.pause(queued).await;
    for number in [queued, ports.running_paused().await.number] {
        assert_refused(ports, build::control(number, Control::Pause)).await;
    }
}

pub async fn what_has_ended_is_neither_paused_nor_resumed(ports: &Ports) {
    for status in
        [FinalStatus::Completed, FinalStatus::Failed, FinalStatus::Cancelled, FinalStatus::TimedOut]
    {
        let task = ports.ended(status).await;
        for control in [Control::Pause, Control::Resume] {
            assert_refused(ports, build::control(task.number, control)).await;
        }
    }
}

pub async fn an_unknown_task_is_neither_paused_nor_resumed(ports: &Ports) {
    for control in [Control::Pause, Control::Resume] {
        for idempotency in [None, Some(build::idempotency("k"))] {
            let request = build::control(build::unknown_number(), control);
            let answer = ports.tasks.control(ControlRequest { idempotency, ..request }).await;
            assert_eq!(answer.expect("the control is answered"), None);
        }
    }
}

pub async fn a_paused_task_still_carries_its_unique_key(ports: &Ports) {
    let unique = || {
        let job = build::research_task(TenantId::DEFAULT, build::project(1));
        build::with(job, |o| o.with_unique_key("nightly".to_owned()))
    };
    let task = ports.submit(unique()).await;
    ports.pause(task.number).await;
    let again = ports.submission(unique()).await;
    assert_eq!((again.kind, again.task.number), (SubmissionKind::Duplicate, task.number));
}

pub async fn a_repeated_pause_gets_the_first_answer(ports: &Ports) {
    let task = ports.submit_any().await;
    let request = build::control(task.number, Control::Pause);
    let request = ControlRequest { idempotency: Some(build::idempotency("k")), ..request };
    assert_eq!(ports.control(request.clone()).await, ACCEPTED);
    for _ in 0..2 {
        let again = ports.control(request.clone()).await;
        assert_eq!(again, Controlled { replayed: true, ..ACCEPTED });
    }
    assert_eq!(ports.log(task.number).await.len(), 3);
}

pub async fn a_repeated_pause_does_not_undo_a_resume(ports: &Ports) {
    let task = ports.submit_any().await;
    let request = build::control(task.number, Control::Pause);
    let request = ControlRequest { idempotency: Some(build::idempotency("k")), ..request };
    ports.control(request.clone()).await;
    ports.resume(task.number).await;
    let again = ports.control(request).await;
    assert!(again.accepted && again.replayed, "{again:?}");
    assert_eq!(again.status, TaskStatus::Queued, "where the task is now");
    assert_eq!(ports.status(task.number).await, TaskStatus::Queued);
}

pub async fn a_refused_pause_is_not_remembered(ports: &Ports) {
    let task = ports.submit_any().await;
    ports.pause(task.number).await;
    let request = build::control(task.number, Control::Pause);
    let request = ControlRequest { idempotency: Some(build::idempotency("k")), ..request };
    for _ in 0..2 {
        assert_eq!(ports.control(request.clone()).await, REFUSED);
    }
    ports.resume(task.number).await;
    assert_eq!(ports.control(request).await, ACCEPTED);
}

pub async fn of_concurrent_pauses_one_is_accepted(ports: &Ports) {
    for _ in 0..5 {
        let task = ports.submit_any().await;
        let answers = join_all((0..8).map(|_| ports.pause(task.number))).await;
        assert_eq!(answers.iter().filter(|answer| answer.accepted).count(), 1);
        assert!(answers.iter().all(|answer| answer.status == TaskStatus::Paused));
        assert_eq!(ports.log_types(task.number).await.len(), 3);
    }
}

pub async fn concurrent_repeated_pauses_get_one_answer(ports: &Ports) {
    for round in ["k1", "k2", "k3"] {
        let task = ports.submit_any().await;
        let request = build::control(task.number, Control::Pause);
        let request = ControlRequest { idempotency: Some(build::idempotency(round)), ..request };
        let answers = join_all((0..8).map(|_| ports.control(request.clone()))).await;
        assert!(answers.iter().all(|answer| answer.accepted), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        assert_eq!(ports.log_types(task.number).await.len(), 3);
    }
}

pub async fn of_a_pause_and_a_claim_the_pause_stands(ports: &Ports) {
    for _ in 0..20 {
        let task = ports.submit_any().await;
        let (claimed, paused) = join(ports.claim(build::claim(1)), ports.pause(task.number)).await;
        assert_eq!(paused, ACCEPTED);
        let live = live(ports.task(task.number).await.state);
        let held = i32::try_from(claimed.len()).expect("one task at most");
        assert_eq!((live.status, live.attempt.map_or(0, Attempt::get)), (LiveStatus::Paused, held));
        let from = if held == 1 { LiveStatus::Running } else { LiveStatus::Queued };
        let told = ports.story(task.number).await;
        assert_eq!(told[1 + claimed.len()..], NewEvent::controlled(Control::Pause, from, None));
    }
}

pub async fn of_a_pause_and_a_completion_the_completion_stands(ports: &Ports) {
    for round in 0..20 {
        let running = ports.running().await;
        let finish = ports.finish(build::lease(&running), build::complete("done"));
        // The order in which the two are begun alternates.
        let (paused, completed) = if round % 2 == 0 {
            join(ports.pause(running.number), finish).await
        } else {
            let (completed, paused) = join(finish, ports.pause(running.number)).await;
            (paused, completed)
        };
        assert_eq!(completed.expect("it is accepted"), TaskStatus::Completed);
        let types = ports.log_types(running.number).await;
        assert_eq!(types.len(), if paused.accepted { 7 } else { 5 }, "{types:?}");
        let status = if paused.accepted { TaskStatus::Paused } else { TaskStatus::Completed };
        assert_eq!(paused.status, status);
        assert_eq!(ports.status(running.number).await, TaskStatus::Completed);
    }
}
