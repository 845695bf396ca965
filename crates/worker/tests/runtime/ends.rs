//! How the ends of tasks are reported.

use crate::world::{Call, Running, World, answer, lane, pass};
use std::time::Duration;
use taskgate_domain::{
    queue::{Conclusion, Report},
    review::{Intent, Proposal},
    task::outcome::Outcome,
    testkit::build,
};
use taskgate_worker::{Failure, Lane, Stop};

/// What is reported of an executor that ends so.
async fn reported(
    end: impl Fn() -> Result<Outcome, Failure> + Clone + Send + Sync + 'static,
) -> Vec<Conclusion> {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![ending(end)]);
    pass(1.0).await;
    running.drain().await;
    world.conclusions()
}

fn ending(end: impl Fn() -> Result<Outcome, Failure> + Clone + Send + Sync + 'static) -> Lane {
    lane(1, move |_| {
        let end = end.clone();
        Box::pin(async move { end() })
    })
}

#[tokio::test(start_paused = true)]
async fn a_result_is_reported_free_of_nul() {
    assert_eq!(reported(|| answer("a\0b")).await, [build::complete("a\u{fffd}b")]);
}

#[tokio::test(start_paused = true)]
async fn a_lasting_failure_is_not_tried_again() {
    assert_eq!(reported(|| Err(Failure::lasting("broken"))).await, [build::fail("broken")]);
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again_later() {
    let reported = reported(|| Err(Failure::passing("busy"))).await;
    let [Conclusion::Fail { outcome, retry: Some(_) }] = &reported[..] else {
        panic!("{reported:?}");
    };
    assert_eq!(outcome.reason(), "busy");
}

#[tokio::test(start_paused = true)]
async fn what_a_failure_has_cost_is_reported_with_it() {
    let outcome =
        Outcome { model: Some("m".to_owned()), ..Outcome::error("the budget is used up") };
    let failed = outcome.clone();
    let reported =
        reported(move || Err(Failure::Failed { outcome: Box::new(failed.clone()), retry: false }));
    assert_eq!(reported.await, [Conclusion::Fail { outcome, retry: None }]);
}

#[tokio::test(start_paused = true)]
async fn what_an_end_does_not_tell_is_what_was_told_before() {
    let told = build::usage(7, 1);
    let whole = Outcome { usage: build::usage(9, 2), ..Outcome::default() };
    let ends: [fn() -> Result<Outcome, Failure>; 4] = [
        || Ok(Outcome { usage: build::usage(9, 2), ..Outcome::default() }),
        || answer("done"),
        || Err(Failure::lasting("broken")),
        || panic!("secret"),
    ];
    let mut reported = Vec::new();
    for end in ends {
        let world = World::with_tasks(1);
        let consuming = lane(1, move |run| {
            Box::pin(async move {
                run.consumed(build::usage(7, 1));
                end()
            })
        });
        let running = Running::start(&world, vec![consuming]);
        pass(1.0).await;
        running.drain().await;
        reported.extend(world.conclusions());
    }
    let panicked = reported.pop();
    let expected = [
        Conclusion::Complete(whole),
        build::consuming(told.clone(), build::complete("done")),
        build::consuming(told.clone(), build::fail("broken")),
    ];
    assert_eq!(reported, expected);
    let Some(Conclusion::Fail { outcome, retry: Some(_) }) = panicked else {
        panic!("{panicked:?}");
    };
    assert_eq!(outcome.usage, told);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_passing_failure_that_tells_nothing() {
    let reported = reported(|| panic!("secret")).await;
    let [Conclusion::Fail { outcome, retry: Some(_) }] = &reported[..] else {
        panic!("{reported:?}");
    };
    assert_eq!(outcome.reason(), "the executor panicked");
}

#[tokio::test(start_paused = true)]
async fn who_lets_go_reports_nothing() {
    for stop in [Stop::Cancelled, Stop::LeaseLost, Stop::DeadlinePassed] {
        assert_eq!(reported(move || Err(stop.into())).await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_does_not_fit_is_a_failure() {
    let world = World::with_tasks(1);
    world.change(|state| state.unfit = Some("text"));
    let running = Running::start(&world, vec![ending(|| answer("text"))]);
    pass(1.0).await;
    let reason = "the executor's result is not valid: result must be a JSON object";
    assert_eq!(world.conclusions(), [build::complete("text"), build::fail(reason)]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_does_not_fit_is_told_without_all_but_its_reason() {
    let world = World::with_tasks(1);
    world.change(|state| state.unfit = Some("broken"));
    let outcome = Outcome { usage: build::usage(9, 2), ..Outcome::error("broken") };
    let failed = outcome.clone();
    let failing =
        ending(move || Err(Failure::Failed { outcome: Box::new(failed.clone()), retry: false }));
    let running = Running::start(&world, vec![failing]);
    pass(1.0).await;
    let told = Conclusion::Fail { outcome, retry: None };
    assert_eq!(world.conclusions(), [told, build::fail("broken")]);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_store_cannot_take_holds_up_no_other() {
    let world = World::with_tasks(9);
    world.change(|state| state.poison = Some("3"));
    let together = lane(9, |run| {
        Box::pin(async {
            pass(0.5).await;
            answer(run.task().number.get())
        })
    });
    let running = Running::start(&world, vec![together]);
    pass(30.0).await;
    let poisoned =
        Conclusion::Complete(Outcome { result: Some("3".to_owned()), ..Outcome::default() });
    let is_taken = |(_, reports): &(Duration, Vec<Report>)| {
        reports.iter().all(|report| report.conclusion != poisoned)
    };
    let taken = world.finishes().into_iter().filter(is_taken).flat_map(|(_, reports)| reports);
    assert_eq!(taken.count(), 8, "each is taken once");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn ends_gather_while_a_report_is_under_way() {
    let world = World::with_tasks(601);
    world.change(|state| state.finish_takes = Duration::from_secs(1));
    let first_then_all = lane(601, |run| {
        Box::pin(async move {
            if run.task().number.get() > 1 {
                pass(0.5).await;
            }
            answer("done")
        })
    });
    let running = Running::start(&world, vec![first_then_all]);
    pass(10.0).await;
    let packs = world.finishes();
    let sizes: Vec<(u64, usize)> =
        packs.iter().map(|(at, ends)| (at.as_secs(), ends.len())).collect();
    assert_eq!(sizes, [(0, 1), (1, 500), (2, 100)]);
    running.drain().await;
}

fn working_for_five_seconds() -> Lane {
    lane(1, |_| {
        Box::pin(async {
            pass(5.0).await;
            answer("done")
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_report_is_repeated_until_it_is_answered() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for_five_seconds()]);
    pass(1.0).await;
    world.change(|state| state.down = true);
    pass(30.0).await;
    assert!(world.finishes().len() > 3);
    world.change(|state| state.down = false);
    pass(6.0).await;
    let tries = world.finishes().len();
    pass(60.0).await;
    assert_eq!(world.finishes().len(), tries, "once it is taken, it is not repeated");
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_is_repeated_beyond_the_lease() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![working_for_five_seconds()]);
    pass(1.0).await;
    world.change(|state| state.down = true);
    pass(300.0).await;
    world.change(|state| state.down = false);
    pass(6.0).await;
    assert_eq!(world.conclusions().last(), Some(&build::complete("done")));
    let (last, _) = world.finishes().pop().unwrap();
    assert!(last > Duration::from_secs(300), "{last:?}");
    running.drain().await;
}

/// An executor whose work is to propose this plan.
fn proposing(plan: &'static str) -> Lane {
    ending(move || {
        let plan = Proposal::new(plan.to_owned(), Vec::new(), Intent::Ready);
        Err(Failure::Proposed(plan.unwrap()))
    })
}

#[tokio::test(start_paused = true)]
async fn a_proposed_plan_is_no_end() {
    let world = World::with_tasks(1);
    let running = Running::start(&world, vec![proposing("read, then write")]);
    pass(1.0).await;
    running.drain().await;
    let plan = |call: &Call| match call {
        Call::Propose(plan) => Some(plan.clone()),
        _ => None,
    };
    assert_eq!(world.calls(plan), [(Duration::ZERO, "read, then write".to_owned())]);
    assert_eq!(world.conclusions(), []);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_refused_is_a_failure() {
    let world = World::with_tasks(1);
    world.change(|state| state.unfit = Some("read"));
    let running = Running::start(&world, vec![proposing("read")]);
    pass(1.0).await;
    running.drain().await;
    let reason = "the executor's plan is not valid: plan is approved";
    assert_eq!(world.conclusions(), [build::fail(reason)]);
}
