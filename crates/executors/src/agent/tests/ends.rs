//! Budgets, failures, pauses and stops.

use super::world::{Script, ask};
use crate::answerer::AnswerError;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use taskgate_domain::{
    queue::{Conclusion, Conversation},
    task::work::Mode,
    testkit::build,
    usage::Usd,
};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_task_ends_when_it_has_passed_its_budget() {
    let story = ask("Why?", Mode::Standard, r#"{"token_budget":300}"#).run().await;
    let failure = ("the token budget of 300 is used up".to_owned(), false, 360);
    assert_eq!(story.failure(), failure, "what was used is kept");
    let threshold = r#"BUDGET_THRESHOLD budget: 80 % of the budget of tokens is used {"budget":"tokens","used":240,"limit":300,"percent":80}"#;
    assert_eq!(story.events().matches("BUDGET_THRESHOLD").count(), 1);
    assert!(story.events().contains(threshold), "{}", story.events());
    assert!(!story.events().contains("LLM_OUTPUT"));
}

#[tokio::test(start_paused = true)]
async fn a_budget_may_be_used_to_its_end() {
    let story = ask("Why?", Mode::Standard, r#"{"token_budget":360}"#).run().await;
    assert!(story.result().starts_with("On Why?"));
}

#[tokio::test(start_paused = true)]
async fn money_and_the_session_are_bounded_alike() {
    let story = ask("Why?", Mode::Complex, r#"{"cost_budget_usd":0.0025}"#).run().await;
    let failure = ("the cost budget of $0.0025 is used up".to_owned(), false, 360);
    assert_eq!(story.failure(), failure, "of the parts one took its step at a time");
    let before = Conversation { tokens: 950, cost: Usd::ZERO, ..Conversation::default() };
    let mut asked = ask("Why?", Mode::Simple, r#"{"session_token_budget":1000}"#);
    asked.queue.before = before.clone();
    let story = asked.run().await;
    assert_eq!(
        story.failure(),
        ("the session token budget of 1000 is used up".to_owned(), false, 120)
    );
    let mut asked = ask("Why?", Mode::Simple, r#"{"session_token_budget":950}"#);
    asked.queue.before = before;
    let story = asked.run().await;
    let failure = ("the session token budget of 950 is used up".to_owned(), false, 0);
    assert_eq!(story.failure(), failure);
    assert_eq!(story.calls(), "");
}

#[tokio::test(start_paused = true)]
async fn what_earlier_attempts_consumed_counts_and_is_shown() {
    let again = |context| {
        let mut asked = ask("Why?", Mode::Simple, context);
        asked.queue.consumed = build::usage(900, 1_000_000);
        asked
    };
    let story = again(r#"{"token_budget":900}"#).run().await;
    let failure = ("the token budget of 900 is used up".to_owned(), false, 0);
    assert_eq!(story.failure(), failure);
    let story = again("{}").run().await;
    let Conclusion::Complete(outcome) = story.conclusion() else { panic!("it has failed") };
    assert_eq!(outcome.usage.tokens().total(), 120, "its own alone is reported");
    let metadata = story.metadata();
    assert_eq!(metadata["unified_response"]["usage"]["total_tokens"], 1_020);
    let shares = metadata["model_breakdown"].as_array().unwrap();
    let mut shares: Vec<i64> = shares.iter().flat_map(|share| share["tokens"].as_i64()).collect();
    shares.sort_unstable();
    assert_eq!(shares, [120, 900]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_why_and_whether_to_try_again() {
    let call = || Box::new(super::world::call());
    for (error, failure) in [
        (AnswerError::Unavailable("acme is down".to_owned()), ("acme is down", true, 0)),
        (AnswerError::Refused("acme says no".to_owned()), ("acme says no", false, 0)),
        (
            AnswerError::OverBudget("too little is left".to_owned()),
            ("too little is left", false, 0),
        ),
        (
            AnswerError::Spent {
                call: call(),
                error: Box::new(AnswerError::Unavailable("acme broke off".to_owned())),
            },
            ("acme broke off", true, 120),
        ),
    ] {
        let mut asked = ask("Why?", Mode::Complex, "{}");
        asked.script = Script { failures: vec![Some(error)].into(), ..Script::default() };
        let (reason, retry, tokens) = asked.run().await.failure();
        assert_eq!((reason.as_str(), retry, tokens), failure);
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_part_fails_the_steps_of_the_others_are_counted() {
    let mut asked = ask("Why?", Mode::Complex, "{}");
    asked.script.takes = Duration::from_secs(15);
    let failure = AnswerError::Refused("acme says no".to_owned());
    asked.script.failures = vec![Some(failure), None].into();
    let story = asked.run_for(300).await;
    assert_eq!(story.failure(), ("acme says no".to_owned(), false, 4 * 120));
    assert_eq!(story.calls().lines().count(), 1 + 4, "no part takes a further step");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_here_is_not_replaced_by_something_else() {
    for (context, reason) in [
        (
            r#"{"token_budget":"many"}"#,
            "token_budget must be a whole number from 1 to 1000000000000",
        ),
        (
            r#"{"provider_override":"openai"}"#,
            "the provider openai is not available here, only acme is",
        ),
        (
            r#"{"provider_override":"acme","disable_ai":true}"#,
            "the provider acme is not available here, only taskgate is",
        ),
        (
            r#"{"model_override":"m-2","disable_ai":true}"#,
            "the model m-2 is not available here: answers come without a model",
        ),
    ] {
        let story = ask("Why?", Mode::Simple, context).run().await;
        assert_eq!(story.failure(), (reason.to_owned(), false, 0));
        assert_eq!(story.calls(), "");
    }
    let story = ask("Why?", Mode::Simple, r#"{"provider_override":"ACME"}"#).run().await;
    assert_eq!(story.calls().lines().count(), 1);
    let attached = ask("", Mode::Simple, r#"{"attachments":[{}]}"#).run().await;
    assert_eq!(attached.failure().0, "the query is empty, and attachments are not read here");
}

#[tokio::test(start_paused = true)]
async fn without_ai_the_answer_is_an_extract() {
    let context = r#"{"disable_ai":true}"#;
    let story = ask("How long does a worker hold a lease?", Mode::Simple, context).run().await;
    assert_eq!(story.calls(), "");
    assert!(story.events().contains(r#""model_used":"extractive","provider":"taskgate""#));
    assert!(story.result().contains("\n\n## Sources\n["), "{}", story.result());
    assert_eq!(story.pieces(), story.result());
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_between_steps() {
    let mut asked = ask("Why?", Mode::Standard, "{}");
    asked.script.takes = Duration::from_secs(30);
    *asked.queue.paused.get_mut().unwrap() = true;
    let story = asked.run_for(300).await;
    assert_eq!(story.calls(), "next: Why?", "the step that was under way goes to its end");
    assert_eq!(story.queue.told.lock().unwrap().progress, ["0/2 Gathering what is needed"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_all_parts_at_once() {
    let mut asked = ask("Why?", Mode::Complex, "{}");
    asked.script.takes = Duration::from_secs(15);
    let (alive, cancelled) = (asked.script.alive.clone(), asked.queue.cancelled.clone());
    let story = tokio::spawn(asked.run_for(60));
    sleep(Duration::from_secs(18)).await;
    assert_eq!(Arc::strong_count(&alive), 2 + 4, "four parts are at work");
    cancelled.store(true, Ordering::SeqCst);
    // A heartbeat comes at a third of a minute.
    sleep(Duration::from_secs(20)).await;
    assert_eq!(Arc::strong_count(&alive), 2, "none is");
    let story = story.await.unwrap();
    assert!(story.queue.told.lock().unwrap().conclusion.is_none(), "nothing is reported");
}
