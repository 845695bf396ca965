//! What a step may consume.

use super::{Ear, Scripted, brief, ended, says, status};
use crate::answerer::{Allowance, AnswerError, Answerer, Brief, Material, ModelChoice};
use serde_json::json;
use taskgate_domain::usage::Usd;

async fn ask(scripted: &Scripted, allowance: Allowance) -> Result<(), AnswerError> {
    let brief = Brief { allowance, ..brief() };
    scripted.answerer().answer(&brief, &Material::default(), &Ear::default()).await.map(drop)
}

fn tokens(tokens: i64) -> Allowance {
    Allowance { tokens: Some(tokens), cost: None }
}

#[tokio::test]
async fn a_call_that_cannot_be_paid_is_not_made() {
    let scripted = Scripted::new([]).await;
    insta::assert_snapshot!(ask(&scripted, tokens(20)).await.unwrap_err(), @"the tokens that are left of the budget do not suffice for a call that sends 48");
    let money = Allowance { tokens: None, cost: Some(Usd::from_nanos(1000).unwrap()) };
    let error = ask(&scripted, money).await.unwrap_err();
    insta::assert_snapshot!(error, @"the money that is left of the budget does not suffice for a call that sends 48 tokens");
    assert!(matches!(error, AnswerError::OverBudget(_)));
    assert_eq!(scripted.requests().len(), 0);
}

#[tokio::test]
async fn what_is_left_bounds_the_answer_by_the_providers_own_name() {
    let mut scripted = Scripted::new([says("Yes."), says("Yes."), says("Yes.")]).await;
    ask(&scripted, Allowance::default()).await.unwrap();
    ask(&scripted, tokens(1000)).await.unwrap();
    scripted.settings.provider = Some("openai".to_owned());
    ask(&scripted, tokens(1000)).await.unwrap();
    let bounds: Vec<_> = scripted
        .requests()
        .iter()
        .map(|body| json!([body.get("max_tokens"), body.get("max_completion_tokens")]))
        .collect();
    let left = bounds[1][0].clone();
    assert!((900..1000).contains(&left.as_i64().unwrap()), "{left}");
    assert_eq!(bounds, [json!([null, null]), json!([left, null]), json!([null, left])]);
}

#[tokio::test]
async fn money_cannot_bound_a_model_without_a_price_among_priced_ones() {
    let scripted = Scripted::new([]).await;
    let model = ModelChoice { name: Some("other".to_owned()), ..ModelChoice::default() };
    let allowance = Allowance { tokens: None, cost: Some(Usd::from_nanos(1_000_000).unwrap()) };
    let brief = Brief { allowance, model: &model, ..brief() };
    let asked = scripted.answerer().answer(&brief, &Material::default(), &Ear::default()).await;
    insta::assert_snapshot!(asked.unwrap_err(), @"the model other has no price, so that no budget in money can be kept");
}

#[tokio::test]
async fn no_bound_is_sent_that_a_model_may_refuse() {
    let scripted = Scripted::new([says("Yes.")]).await;
    ask(&scripted, tokens(1_000_000)).await.unwrap();
    assert_eq!(scripted.requests()[0].get("max_tokens"), None);
}

#[tokio::test]
async fn a_bound_that_is_refused_is_left_out() {
    let message = "'max_tokens' is too large: 952. This model's maximum context length is 512";
    let refusal = json!({"error": {"message": message}}).to_string();
    let scripted = Scripted::new([status("400 Bad Request", "", refusal), says("Yes.")]).await;
    ask(&scripted, tokens(1000)).await.unwrap();
    let requests = scripted.requests();
    assert!(requests[0]["max_tokens"].is_i64());
    assert_eq!(requests[1].get("max_tokens"), None);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_over_budget_and_paid_for() {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 990});
    let scripted = Scripted::new([ended(&["Half an ans"], "length", &usage)]).await;
    let (error, call) = ask(&scripted, tokens(1000)).await.unwrap_err().split();
    assert!(matches!(error, AnswerError::OverBudget(_)), "{error:?}");
    assert_eq!(call.unwrap().tokens.total(), 1000);
}

#[tokio::test]
async fn an_answer_that_ends_far_below_its_bound_is_at_the_models_own_limit() {
    let scripted = Scripted::new([ended(&["Half an ans"], "length", &json!(null))]).await;
    assert_eq!(ask(&scripted, tokens(1000)).await, Ok(()));
}

#[tokio::test]
async fn usage_is_guessed_when_the_endpoint_keeps_it_to_itself() {
    let scripted = Scripted::new([ended(&["four", "four"], "stop", &json!(null))]).await;
    let reply = super::answer(&scripted.answerer()).await.unwrap();
    assert_eq!(reply.call.tokens.completion(), 2);
    assert!(reply.call.tokens.prompt() > 20, "{:?}", reply.call.tokens);
    assert!(reply.call.cost.nanos() > 0);
}
