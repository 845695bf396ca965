//! What tasks consume over all of their attempts.

use super::finish::finish_twice;
use crate::{
    id::UserId,
    query::TaskScope,
    queue::Conclusion,
    task::{TaskSummary, status::TaskStatus},
    testkit::{Ports, build},
    usage::{ModelUsage, Tokens, Usage, Usd},
};
use std::time::Duration;

/// Amounts that say which attempt they are of, by two models. The cost is no
/// whole number of millionths of a dollar.
fn usage(attempt: i64) -> Usage {
    let tokens = |n| Tokens::new(n, 2 * n, Some(4 * n)).expect("the counts are valid");
    let usd = |nanos| Usd::from_nanos(nanos).expect("the amount is valid");
    let share = |model: String, part: i64| ModelUsage {
        model,
        provider: "提供者".to_owned(),
        executions: 1,
        tokens: tokens(part * attempt),
        cost: usd(part * attempt),
    };
    let models = vec![share("every".to_owned(), 1), share(format!("only {attempt}"), 2)];
    Usage::new(tokens(3 * attempt), usd(3 * attempt), models)
}

fn sum(attempts: impl IntoIterator<Item = i64>) -> Usage {
    attempts.into_iter().map(usage).fold(Usage::default(), Usage::plus)
}

fn retry() -> Conclusion {
    build::retry_after("busy", Duration::ZERO)
}

pub async fn a_task_has_consumed_what_all_its_attempts_report(ports: &Ports) {
    let last = [build::complete("done"), build::fail("broken"), retry()];
    for (end, status) in
        last.into_iter().zip([TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Failed])
    {
        ports.submit_any().await;
        for (attempt, end) in [(1, retry()), (2, build::release()), (3, retry()), (4, end)] {
            let task = ports.claim_one().await;
            assert_eq!(task.consumed, sum(1..attempt), "known to the next attempt");
            let led_to = finish_twice(ports, &task, build::consuming(usage(attempt), end)).await;
            let expected = if attempt < 4 { TaskStatus::Queued } else { status };
            assert_eq!(led_to, expected);
            let stored = ports.task(task.number).await;
            if let Some(finished) = stored.finished() {
                assert_eq!(finished.outcome.usage, sum(1..=4));
            }
        }
        let list = ports.list(&TaskScope::User(UserId::DEFAULT), &[]).await;
        let TaskSummary { finished: Some(shown), .. } = &list.tasks[0] else {
            panic!("the list shows the end");
        };
        let total = sum(1..=4);
        assert_eq!((shown.tokens, shown.cost), (total.tokens(), total.cost()));
    }
}

pub async fn a_plan_counts_among_what_its_task_consumed(ports: &Ports) {
    let task = ports.running().await;
    let proposal = || build::proposal("a plan").with_usage(usage(1));
    for _ in 0..2 {
        let answer = ports.queue.propose(build::lease(&task), proposal()).await;
        answer.expect("the plan is taken");
    }
    ports.respond(build::approval(task.number)).await.expect("it is taken");
    let again = ports.claim_one().await;
    assert_eq!(again.consumed, usage(1), "the repeated proposal is not counted again");
    let end = build::consuming(usage(2), build::complete("done"));
    ports.finish(build::lease(&again), end).await.expect("it ends");
    let stored = ports.task(task.number).await;
    assert_eq!(stored.finished().map(|end| &end.outcome.usage), Some(&sum(1..=2)));
}

pub async fn whatever_ends_a_task_keeps_what_it_consumed(ports: &Ports) {
    for end in ["cancelled", "late", "silent", "reports nothing"] {
        let task = build::agent_task(UserId::DEFAULT);
        let task = build::with(task, |o| o.with_max_attempts(2));
        let timeout = if end == "late" { 1 } else { 3_600 };
        let task = ports.submit(build::with(task, |o| o.with_timeout_seconds(timeout))).await;
        let first = build::lease(&ports.claim_one().await);
        ports.finish(first, build::consuming(usage(1), retry())).await.expect("it is queued");
        match end {
            "cancelled" => drop(ports.cancel(task.number).await),
            "late" => ports.reap_deadlines(1).await,
            "silent" => {
                ports.claim_lapsing().await;
                assert_eq!(ports.reap().await.expired, 1);
            }
            _ => {
                let second = build::lease(&ports.claim_one().await);
                ports.finish(second, build::complete("done")).await.expect("it ends");
            }
        }
        let stored = ports.task(task.number).await;
        let kept = stored.finished().map(|end| &end.outcome.usage);
        assert_eq!(kept, Some(&usage(1)), "{end}");
    }
}

pub async fn a_session_adds_up_all_attempts(ports: &Ports) {
    let chat = build::label("chat");
    ports.submit(build::agent_task_in(UserId::DEFAULT, chat.clone())).await;
    for (attempt, end) in [(1, build::release()), (2, retry()), (3, build::fail("broken"))] {
        let before = ports.conversation(UserId::DEFAULT, &chat).await.expect("it exists");
        assert_eq!((before.tokens, before.cost), (0, Usd::ZERO), "as long as the task lives");
        let lease = build::lease(&ports.claim_one().await);
        ports.finish(lease, build::consuming(usage(attempt), end)).await.expect("it is taken");
    }
    let total = sum(1..=3);
    for _ in 0..2 {
        let session = ports.conversation(UserId::DEFAULT, &chat).await.expect("it exists");
        assert_eq!((session.tokens, session.cost), (total.tokens().total(), total.cost()));
        ports.maintenance.tidy().await.expect("the store is tidied");
    }
}

pub async fn a_report_that_is_refused_counts_nothing(ports: &Ports) {
    ports.submit_any().await;
    let first = build::lease(&ports.claim_lapsing().await);
    ports.reap().await;
    let second = ports.claim_one().await;
    for end in [build::complete("late"), build::fail("late"), retry(), build::release()] {
        let answer = ports.finish(first, build::consuming(usage(1), end)).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let end = build::consuming(usage(2), build::complete("done"));
    ports.finish(build::lease(&second), end).await.expect("it ends");
    let stored = ports.task(second.number).await;
    assert_eq!(stored.finished().map(|end| &end.outcome.usage), Some(&usage(2)));
}

pub async fn no_sum_goes_past_the_largest_amount(ports: &Ports) {
    let most = || {
        let tokens = Tokens::new(Tokens::MAX, Tokens::MAX, Some(Tokens::MAX));
        let tokens = tokens.expect("the counts are valid");
        let cost = Usd::from_nanos(i64::MAX).expect("it is valid");
        let (model, provider) = ("m".to_owned(), "p".to_owned());
        let share = ModelUsage { model, provider, executions: u32::MAX, tokens, cost };
        Usage::new(tokens, cost, vec![share])
    };
    let task = ports.running().await;
    let end = build::consuming(most(), build::release());
    ports.finish(build::lease(&task), end).await.expect("it is queued");
    let again = ports.claim_one().await;
    let end = build::consuming(most(), retry());
    ports.finish(build::lease(&again), end).await.expect("it is queued");
    let last = ports.claim_one().await;
    assert_eq!(last.consumed, most());
    let end = build::consuming(most(), build::complete("done"));
    ports.finish(build::lease(&last), end).await.expect("it ends");
    let stored = ports.task(task.number).await;
    assert_eq!(stored.finished().map(|end| &end.outcome.usage), Some(&most()));
}
