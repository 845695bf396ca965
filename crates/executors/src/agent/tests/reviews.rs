//! Plans that wait for the word of the task's owner.

use super::world::{Story, ask};
use taskgate_domain::{
    review::{Intent, Review, Role, Round},
    task::work::Mode,
    testkit::build,
};

async fn reviewed(rounds: &[(Role, &str)], approved: bool) -> Story {
    let round = |&(role, message): &(Role, &str)| Round {
        role,
        message: message.to_owned(),
        at: build::in_an_hour(),
    };
    let context = r#"{"force_research":true,"review_plan":"manual"}"#;
    let mut asked = ask("Why?", Mode::Simple, context);
    asked.queue.review = (!rounds.is_empty()).then(|| Review {
        approved,
        intent: Intent::Ready,
        questions: vec!["how".to_owned(), "when".to_owned()],
        rounds: rounds.iter().map(round).collect(),
    });
    asked.run().await
}

fn proposed(story: &Story) -> String {
    let told = story.queue.told.lock().unwrap();
    assert!(told.conclusion.is_none());
    told.proposal.as_ref().unwrap().plan().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_first_plan_is_proposed() {
    let story = reviewed(&[], false).await;
    assert_eq!(proposed(&story), "3 parts");
    assert_eq!(story.calls(), "plan: Why?");
    let told = story.queue.told.lock().unwrap();
    assert_eq!(told.proposal.as_ref().unwrap().usage().tokens().total(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_remark_leads_to_another_plan() {
    let rounds = [(Role::Assistant, "first plan"), (Role::User, "shorter")];
    let story = reviewed(&rounds, false).await;
    assert_eq!(proposed(&story), "3 parts");
    assert_eq!(story.calls(), "plan: Why? (first plan, shorter)");
}

#[tokio::test(start_paused = true)]
async fn a_resume_without_a_word_proposes_the_same_plan() {
    let story = reviewed(&[(Role::Assistant, "first plan")], false).await;
    assert_eq!(proposed(&story), "first plan");
    assert_eq!(story.calls(), "");
}

#[tokio::test(start_paused = true)]
async fn an_approved_plan_is_carried_out() {
    let story = reviewed(&[(Role::Assistant, "first plan")], true).await;
    assert!(!story.calls().contains("plan"));
    assert!(story.events().contains("DELEGATION researcher: how"));
    assert!(story.events().contains("DELEGATION researcher: when"));
    assert!(story.result().starts_with("On Why? [1]"));
}
