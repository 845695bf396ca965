//! What workers' reports become.

use std::{sync::Arc, time::Duration};
use taskgate_domain::{
    error::ReportError,
    ports::MockTaskQueue,
    queue::{Conclusion, Lease, Report},
    task::{Attempt, outcome::Outcome, status::TaskStatus},
    testkit::build,
    usecase::workers::{Verdict, Workers},
};

fn lease(attempt: i64) -> Lease {
    Lease { task: build::task_id(), attempt: Attempt::new(attempt).unwrap() }
}

fn failure(error: &str, retry: bool) -> Verdict {
    Verdict::Fail { outcome: Outcome::error(error), retry }
}

/// What reaches the queue when a worker reports this.
async fn reported(ends: Vec<(Lease, Verdict)>) -> Vec<Report> {
    let (send, receive) = std::sync::mpsc::channel();
    let mut queue = MockTaskQueue::new();
    queue.expect_finish().times(1).returning(move |reports| {
        let answers = reports.iter().map(|_| Ok(TaskStatus::Completed)).collect();
        send.send(reports).unwrap();
        Ok(answers)
    });
    Workers::new(Arc::new(queue)).finish(ends).await.unwrap();
    receive.recv().unwrap()
}

#[tokio::test]
async fn only_a_failure_that_may_be_retried_has_a_delay() {
    let outcome = Outcome { result: Some("done".to_owned()), ..Outcome::default() };
    let ends = vec![
        (lease(1), Verdict::Complete(outcome.clone())),
        (lease(1), failure("broken", false)),
        (lease(1), failure("busy", true)),
    ];
    let leases: Vec<Lease> = ends.iter().map(|(lease, _)| *lease).collect();
    let reports = reported(ends).await;
    assert!(reports.iter().map(|report| &report.lease).eq(&leases), "in the order given");
    assert_eq!(reports[0].conclusion, Conclusion::Complete(outcome));
    let broken = Outcome::error("broken");
    assert_eq!(reports[1].conclusion, Conclusion::Fail { outcome: broken, retry: None });
    let Conclusion::Fail { outcome, retry: Some(delay) } = &reports[2].conclusion else {
        panic!("{:?} is to be retried", reports[2]);
    };
    assert_eq!(outcome.reason(), "busy");
    assert!(*delay <= Duration::from_secs(1), "the first retry waits {delay:?}");
}

#[tokio::test]
async fn delays_differ_and_stay_below_five_minutes() {
    let ends = (0..100).map(|_| (lease(100), failure("busy", true))).collect();
    let delays: std::collections::BTreeSet<_> = reported(ends)
        .await
        .into_iter()
        .map(|report| match report.conclusion {
            Conclusion::Fail { retry: Some(delay), .. } => delay,
            other => panic!("{other:?} is to be retried"),
        })
        .collect();
    assert!(delays.len() > 50, "tasks that failed together return apart");
    assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(300)));
}

#[tokio::test]
async fn a_reported_error_is_free_of_nul() {
    let reports = reported(vec![(lease(1), failure("a\0b", false))]).await;
    assert_eq!(reports[0].conclusion, build::fail("a\u{fffd}b"));
}

#[tokio::test]
async fn each_report_gets_its_own_answer() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_finish()
        .returning(|_| Ok(vec![Err(ReportError::LeaseLost), Ok(TaskStatus::Failed)]));
    let ends = vec![(lease(1), failure("late", false)), (lease(2), failure("broken", false))];
    let answers = Workers::new(Arc::new(queue)).finish(ends).await.unwrap();
    assert!(matches!(answers[..], [Err(ReportError::LeaseLost), Ok(TaskStatus::Failed)]));
}
