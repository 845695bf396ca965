//! Reviews while others do something with the same task.

use crate::{
    error::ReportError,
    review::{Refusal, Response, ReviewError, ReviewRequest},
    task::status::TaskStatus,
    testkit::{Ports, build},
};
use futures_util::future::{join, join_all};

const ROUNDS: usize = 10;

/// How often each of these types is in the log.
async fn count(ports: &Ports, request: &ReviewRequest, name: &str) -> usize {
    ports.log_types(request.number).await.iter().filter(|told| *told == name).count()
}

pub async fn of_concurrent_approvals_one_is_told(ports: &Ports) {
    for waits_in_queue in [false, true].repeat(ROUNDS / 2) {
        let task = ports.proposed("a plan").await;
        if waits_in_queue {
            ports.resume(task.number).await;
        }
        let approval = build::approval(task.number);
        let answers = join_all((0..8).map(|_| ports.respond(approval.clone()))).await;
        let told = answers.into_iter().map(|answer| answer.expect("each is taken"));
        assert_eq!(told.flatten().count(), 1);
        assert_eq!(count(ports, &approval, "RESEARCH_PLAN_APPROVED").await, 1);
        assert_eq!(ports.claim_one().await.number, task.number);
    }
}

pub async fn of_concurrent_remarks_one_is_taken(ports: &Ports) {
    for waits_in_queue in [false, true].repeat(ROUNDS / 2) {
        let task = ports.proposed("a plan").await;
        if waits_in_queue {
            ports.resume(task.number).await;
        }
        let remark = build::feedback(task.number, "shorter");
        let answers = join_all((0..8).map(|_| ports.respond(remark.clone()))).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let others = answers.iter().filter(|answer| answer.is_err());
        for answer in others {
            let planning = matches!(answer, Err(ReviewError::Refused(Refusal::Planning)));
            assert!(planning, "{answer:?}");
        }
        assert_eq!(count(ports, &remark, "REVIEW_USER_FEEDBACK").await, 1);
        assert_eq!(ports.review(task.number).await.rounds.len(), 2);
        assert_eq!(ports.claim_one().await.number, task.number);
    }
}

pub async fn of_a_remark_and_an_approval_one_is_taken(ports: &Ports) {
    for _ in 0..ROUNDS {
        let task = ports.proposed("a plan").await;
        let (remark, approval) = (build::feedback(task.number, "no"), build::approval(task.number));
        let (remarked, approved) = join(ports.respond(remark), ports.respond(approval)).await;
        let review = ports.review(task.number).await;
        match (remarked, approved) {
            (Ok(Some(_)), Err(ReviewError::Refused(Refusal::Planning))) => {
                assert!(!review.approved && review.feedback().is_some());
            }
            (Err(ReviewError::Refused(Refusal::Approved)), Ok(Some(_))) => {
                assert!(review.approved && review.feedback().is_none());
            }
            answers => panic!("{answers:?}: one is taken"),
        }
        assert_eq!(ports.claim_one().await.number, task.number);
    }
}

pub async fn of_a_word_and_a_cancel_the_cancel_stands(ports: &Ports) {
    for response in [Response::Approve, build::feedback(build::unknown_number(), "no").response] {
        for _ in 0..ROUNDS {
            let task = ports.proposed("a plan").await;
            let request =
                ReviewRequest { response: response.clone(), ..build::approval(task.number) };
            let (answer, cancelled) = join(ports.respond(request), ports.cancel(task.number)).await;
            assert!(cancelled.accepted);
            assert_eq!(ports.status(task.number).await, TaskStatus::Cancelled);
            let taken = match answer {
                Ok(told) => told.is_some(),
                Err(ReviewError::Refused(Refusal::Ended)) => false,
                Err(error) => panic!("{error}"),
            };
            let review = ports.review(task.number).await;
            assert_eq!(review.approved || review.feedback().is_some(), taken);
            let length = ports.log_types(task.number).await.len();
            assert_eq!(length, if taken { 10 } else { 8 });
        }
    }
}

pub async fn of_an_approval_and_a_resume_both_are_taken(ports: &Ports) {
    for _ in 0..ROUNDS {
        let task = ports.proposed("a plan").await;
        let (approved, resumed) =
            join(ports.respond(build::approval(task.number)), ports.resume(task.number)).await;
        assert!(approved.expect("it is taken").is_some());
        assert_eq!(resumed.status, TaskStatus::Queued);
        let resumes = count(ports, &build::approval(task.number), "WORKFLOW_RESUMED").await;
        assert_eq!(resumes, 1);
        assert!(ports.review(task.number).await.approved);
        assert_eq!(ports.claim_one().await.number, task.number);
    }
}

pub async fn of_a_word_and_a_claim_the_worker_reads_what_is_taken(ports: &Ports) {
    for _ in 0..ROUNDS {
        let task = ports.proposed("a plan").await;
        ports.resume(task.number).await;
        let (mut claimed, approved) =
            join(ports.claim(build::claim(1)), ports.respond(build::approval(task.number))).await;
        // A claim may pass over what somebody else is changing.
        let claimed = match claimed.pop() {
            Some(claimed) => claimed,
            None => ports.claim_one().await,
        };
        let seen = ports.queue.review(build::lease(&claimed)).await.expect("the lease is held");
        match approved {
            Ok(_) => assert!(seen.is_some_and(|review| review.approved)),
            Err(ReviewError::Refused(Refusal::Planning)) => {
                assert!(seen.is_some_and(|review| !review.approved));
            }
            Err(error) => panic!("{error}"),
        }
        ports.finish(build::lease(&claimed), build::complete("done")).await.expect("it ends");
    }
}

pub async fn of_a_proposal_and_a_cancel_the_cancel_stands(ports: &Ports) {
    for _ in 0..ROUNDS {
        let task = ports.running().await;
        let proposal = ports.queue.propose(build::lease(&task), build::proposal("a plan"));
        let (proposed, cancelled) = join(proposal, ports.cancel(task.number)).await;
        assert!(cancelled.accepted);
        assert_eq!(ports.status(task.number).await, TaskStatus::Cancelled);
        let review = ports.reviews.find_review(task.number).await.expect("the review is read");
        match proposed {
            Ok(()) => assert!(review.is_some()),
            Err(ReportError::LeaseLost) => assert_eq!(review, None),
            Err(error) => panic!("{error}"),
        }
        ports.log_types(task.number).await;
    }
}

pub async fn of_a_proposal_and_a_pause_the_task_is_paused_once(ports: &Ports) {
    for _ in 0..ROUNDS {
        let task = ports.running().await;
        let proposal = ports.queue.propose(build::lease(&task), build::proposal("a plan"));
        let (proposed, paused) = join(proposal, ports.pause(task.number)).await;
        proposed.expect("the plan is taken");
        assert_eq!(paused.status, TaskStatus::Paused);
        assert_eq!(ports.log_types(task.number).await.len(), 5);
        assert_eq!(ports.resume(task.number).await.status, TaskStatus::Queued, "nobody holds it");
        ports.cancel(task.number).await;
    }
}

pub async fn of_a_proposal_and_the_reaper_one_takes_the_task(ports: &Ports) {
    for _ in 0..ROUNDS {
        ports.submit_any().await;
        let task = ports.claim_lapsing().await;
        let proposal = ports.queue.propose(build::lease(&task), build::proposal("a plan"));
        let (proposed, reaped) = join(proposal, ports.reap()).await;
        let reaped = reaped.expired + ports.reap().await.expired;
        let status = ports.status(task.number).await;
        match proposed {
            Ok(()) => assert_eq!((reaped, status), (0, TaskStatus::Paused)),
            Err(ReportError::LeaseLost) => assert_eq!((reaped, status), (1, TaskStatus::Queued)),
            Err(error) => panic!("{error}"),
        }
        ports.cancel(task.number).await;
    }
}

pub async fn concurrent_repetitions_of_a_proposal_are_taken_once(ports: &Ports) {
    for _ in 0..ROUNDS {
        let task = ports.running().await;
        let propose = || ports.queue.propose(build::lease(&task), build::proposal("a plan"));
        for answer in join_all((0..8).map(|_| propose())).await {
            answer.expect("each is taken");
        }
        assert_eq!(ports.log_types(task.number).await.len(), 5);
        assert_eq!(ports.review(task.number).await.rounds.len(), 1);
    }
}
