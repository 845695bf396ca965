//! Saying something to plans.

use crate::{
    control::Control,
    event::NewEvent,
    id::UserId,
    queue::ClaimRequest,
    review::{Intent, Proposal, Refusal, Response, Review, ReviewError, ReviewRequest, Role},
    task::{
        TaskState,
        status::{FinalStatus, LiveStatus, TaskStatus},
    },
    testkit::{Ports, build},
};
use futures_util::future::join;
use std::time::{Duration, Instant};

/// Says something to a plan, and checks that it is refused and changes nothing.
async fn assert_refused(ports: &Ports, request: ReviewRequest, expected: Refusal) {
    let number = request.number;
    let (before, log) = (ports.task(number).await, ports.log(number).await);
    let review = ports.review(number).await;
    match ports.respond(request).await {
        Err(ReviewError::Refused(refusal)) => assert_eq!(refusal, expected),
        answer => panic!("{answer:?} is a refusal"),
    }
    assert_eq!(ports.task(number).await, before, "nothing changes");
    assert_eq!(ports.log(number).await, log, "nothing is recorded");
    assert_eq!(ports.review(number).await, review, "nothing is said");
}

async fn assert_last(ports: &Ports, request: &ReviewRequest, told: Option<i64>) {
    let log = ports.log(request.number).await;
    assert_eq!(told, log.last().map(|event| event.seq), "it is told where the log stands");
}

pub async fn a_remark_sends_the_task_to_be_planned_again(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let request = build::feedback(task.number, "短く \"x\"\n😀");
    let told = ports.respond(request.clone()).await.expect("it is taken");
    assert_last(ports, &request, told).await;
    let review = ports.review(task.number).await;
    assert_eq!((review.plan(), review.version()), ("a plan", 1), "the plan is the same");
    assert_eq!((review.feedback(), review.approved), (Some("短く \"x\"\n😀"), false));
    assert!(review.rounds[1].at >= review.rounds[0].at);
    let TaskState::Live(live) = ports.task(task.number).await.state else { panic!("it is live") };
    assert_eq!((live.status, live.pause), (LiveStatus::Queued, None));
    let expected = NewEvent::responded(&request.response, 1, LiveStatus::Paused);
    assert_eq!(expected.len(), 2);
    assert_eq!(ports.story(task.number).await[5..], expected);
    assert_eq!(ports.claim_one().await.attempt.get(), 2);
}

pub async fn another_plan_answers_a_remark(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.respond(build::feedback(task.number, "shorter")).await.expect("it is taken");
    let again = ports.claim_one().await;
    let questions = vec!["How?".to_owned()];
    let proposal = Proposal::new("plan".to_owned(), questions.clone(), Intent::Feedback);
    let proposal = proposal.expect("the plan is valid");
    let answer = ports.queue.propose(build::lease(&again), proposal.clone()).await;
    answer.expect("the plan is taken");
    let review = ports.review(task.number).await;
    assert_eq!((review.plan(), review.version(), review.feedback()), ("plan", 2, None));
    assert_eq!((&review.questions, review.intent), (&questions, Intent::Feedback));
    let said: Vec<_> = review.rounds.iter().map(|r| (r.role, r.message.as_str())).collect();
    let expected =
        [(Role::Assistant, "a plan"), (Role::User, "shorter"), (Role::Assistant, "plan")];
    assert_eq!(said, expected);
    assert_eq!(ports.status(task.number).await, TaskStatus::Paused);
    let told = NewEvent::proposed(&proposal, Some(2), LiveStatus::Running);
    assert_eq!(ports.story(task.number).await[8..], told);
}

pub async fn an_approved_plan_is_carried_out(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let request = build::approval(task.number);
    let told = ports.respond(request.clone()).await.expect("it is taken");
    assert_last(ports, &request, told).await;
    assert!(ports.review(task.number).await.approved);
    let expected = NewEvent::responded(&Response::Approve, 1, LiveStatus::Paused);
    assert_eq!(ports.story(task.number).await[5..], expected);
    let again = ports.claim_one().await;
    let status = ports.finish(build::lease(&again), build::complete("done")).await;
    assert_eq!(status.expect("the lease is held"), TaskStatus::Completed);
}

pub async fn a_repeated_approval_changes_nothing(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    let again = async || {
        let (before, log) = (ports.task(task.number).await, ports.log(task.number).await);
        let told = ports.respond(build::approval(task.number)).await;
        assert_eq!(told.expect("it is taken again"), None);
        assert_eq!(ports.task(task.number).await, before);
        assert_eq!(ports.log(task.number).await, log);
    };
    again().await;
    let claimed = ports.claim_one().await;
    again().await;
    ports.finish(build::lease(&claimed), build::complete("done")).await.expect("it ends");
    again().await;
}

pub async fn a_word_is_about_the_plan_that_was_seen(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let feedback = build::feedback(task.number, "shorter");
    ports.respond(ReviewRequest { version: Some(1), ..feedback.clone() }).await.expect("it is");
    ports.propose(&ports.claim_one().await, "plan").await;
    let approval = build::approval(task.number);
    for version in [Some(1), Some(3), Some(u16::MAX)] {
        for request in [&feedback, &approval] {
            let request = ReviewRequest { version, ..request.clone() };
            assert_refused(ports, request, Refusal::Stale).await;
        }
    }
    ports.respond(ReviewRequest { version: Some(2), ..approval }).await.expect("it is taken");
}

pub async fn a_remark_waits_for_its_plan_alone(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.respond(build::feedback(task.number, "shorter")).await.expect("it is taken");
    let assert_planning = async || {
        for request in [build::feedback(task.number, "longer"), build::approval(task.number)] {
            assert_refused(ports, request, Refusal::Planning).await;
        }
    };
    assert_planning().await;
    let claimed = ports.claim_one().await;
    assert_planning().await;
    ports.pause(task.number).await;
    assert_planning().await;
    ports.propose(&claimed, "plan").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
}

pub async fn a_remark_after_the_approval_is_refused(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    assert_refused(ports, build::feedback(task.number, "wait"), Refusal::Approved).await;
}

pub async fn the_last_plan_can_only_be_approved(ports: &Ports) {
    let task = ports.proposed("plan 1").await;
    for n in 2..=Review::MAX_PLANS {
        ports.respond(build::feedback(task.number, "again")).await.expect("it is taken");
        ports.propose(&ports.claim_one().await, &format!("plan {n}")).await;
    }
    let review = ports.review(task.number).await;
    assert_eq!((review.plan(), review.rounds.len()), ("plan 10", 19));
    assert_refused(ports, build::feedback(task.number, "again"), Refusal::LastPlan).await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
}

pub async fn what_has_ended_is_not_reviewed(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let asked = ports.proposed("a plan").await;
    ports.respond(build::feedback(asked.number, "shorter")).await.expect("it is taken");
    for number in [task.number, asked.number] {
        ports.cancel(number).await;
        for request in [build::feedback(number, "shorter"), build::approval(number)] {
            assert_refused(ports, request, Refusal::Ended).await;
        }
    }
}

pub async fn a_word_on_no_plan_is_not_found(ports: &Ports) {
    let queued = ports.submit_any().await.number;
    let ended = ports.ended(FinalStatus::Cancelled).await.number;
    for number in [queued, ended, build::unknown_number()] {
        for request in [build::feedback(number, "shorter"), build::approval(number)] {
            let answer = ports.respond(request).await;
            assert!(matches!(answer, Err(ReviewError::NotFound)), "{answer:?}");
        }
    }
}

pub async fn a_plan_is_approved_while_the_task_waits_in_the_queue(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.resume(task.number).await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    let told = NewEvent::responded(&Response::Approve, 1, LiveStatus::Queued);
    assert_eq!(told.len(), 1);
    assert_eq!(ports.story(task.number).await[6..], told);
    assert_eq!(ports.status(task.number).await, TaskStatus::Queued);
    let claimed = ports.claim_one().await;
    let review = ports.queue.review(build::lease(&claimed)).await.expect("the lease is held");
    assert!(review.is_some_and(|review| review.approved));
}

pub async fn a_remark_is_made_while_the_task_waits_in_the_queue(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.resume(task.number).await;
    ports.respond(build::feedback(task.number, "shorter")).await.expect("it is taken");
    ports.propose(&ports.claim_one().await, "plan").await;
    assert_eq!(ports.review(task.number).await.plan(), "plan");
}

pub async fn nothing_is_said_while_a_worker_has_the_task(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.resume(task.number).await;
    let claimed = ports.claim_one().await;
    for request in [build::feedback(task.number, "shorter"), build::approval(task.number)] {
        assert_refused(ports, request, Refusal::Planning).await;
    }
    ports.propose(&claimed, "a plan").await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
}

pub async fn an_approval_ends_whatever_pause_there_is(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    ports.resume(task.number).await;
    ports.pause(task.number).await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    assert_eq!(ports.claim_one().await.number, task.number);
}

pub async fn an_approved_task_returns_to_its_place(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let later = ports.submit_any().await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    let claimed = ports.claim(build::claim(9)).await;
    let order: Vec<_> = claimed.iter().map(|task| task.number).collect();
    assert_eq!(order, [task.number, later.number]);
}

pub async fn a_waiting_claim_gets_what_is_approved(ports: &Ports) {
    let task = ports.proposed("a plan").await;
    let begun = Instant::now();
    let wait = Duration::from_secs(30);
    let claim = ports.claim(ClaimRequest { wait, ..build::claim(9) });
    let (claimed, told) = join(claim, ports.respond(build::approval(task.number))).await;
    assert!(told.expect("it is taken").is_some());
    assert_eq!(claimed[0].number, task.number);
    assert!(begun.elapsed() < wait / 2, "the claim waited {:?}", begun.elapsed());
}

pub async fn reviews_of_two_tasks_are_apart(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await.user;
    ports.submit(build::agent_task(ada)).await;
    let hers = ports.claim_one().await;
    ports.propose(&hers, "her plan").await;
    let his = ports.proposed("his plan").await;
    ports.respond(build::approval(his.number)).await.expect("it is taken");
    let review = ports.review(hers.number).await;
    assert_eq!((review.plan(), review.approved), ("her plan", false));
    let TaskState::Live(live) = ports.task(hers.number).await.state else { panic!("it is live") };
    assert_eq!(live.pause.map(|pause| pause.by), Some(ada), "in its owner's name");
    let resumed = ports.control(build::control(hers.number, Control::Resume)).await;
    assert_eq!(resumed.status, TaskStatus::Queued);
}

pub async fn totals_follow_a_review(ports: &Ports) {
    let scopes = [crate::query::TaskScope::User(UserId::DEFAULT)];
    let task = ports.proposed("a plan").await;
    ports.check_totals(&scopes).await;
    ports.respond(build::feedback(task.number, "shorter")).await.expect("it is taken");
    ports.check_totals(&scopes).await;
    ports.propose(&ports.claim_one().await, "plan").await;
    ports.check_totals(&scopes).await;
    ports.resume(task.number).await;
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    ports.check_totals(&scopes).await;
}

pub async fn a_plan_and_a_word_on_it_are_news(ports: &Ports) {
    let task = ports.running().await;
    let mut news = ports.feed.listen(task.number);
    ports.propose(&task, "a plan").await;
    ports.soon("the plan", news.past(4)).await;
    ports.respond(build::feedback(task.number, "shorter")).await.expect("it is taken");
    ports.soon("the remark", news.past(6)).await;
}
