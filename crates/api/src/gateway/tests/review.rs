use super::{ID, get, in_short, post, queued, task, time, work};
use crate::{
    server::{Face, State},
    testing::{Chapter, Mocks, Story, event, send, with_key},
};
use actix_web::{
    http::header::{HeaderValue, IF_MATCH},
    test::TestRequest,
    web,
};
use std::time::Duration;
use taskgate_domain::{
    error::StoreError,
    id::TaskNumber,
    review::{
        Feedback, Intent, Refusal, Response, Review, ReviewError, ReviewRequest, Role, Round,
    },
    task::work::Mode,
};
use tokio::{sync::watch, time::Instant};

fn path() -> String {
    format!("/api/v1/tasks/{ID}/review")
}

fn round(role: Role, message: &str, at: &str) -> Round {
    Round { role, message: message.to_owned(), at: time(at) }
}

/// A review with so many plans, each but the first after a remark.
fn review(plans: usize) -> Review {
    let mut rounds = vec![round(Role::Assistant, "1. Look", "2025-10-22T10:30:02Z")];
    for _ in 1..plans {
        rounds.push(round(Role::User, "shorter", "2025-10-22T10:31:00.5Z"));
        rounds.push(round(Role::Assistant, "Look", "2025-10-22T10:31:04Z"));
    }
    let questions = vec!["Where?".to_owned()];
    Review { approved: false, intent: Intent::Ready, questions, rounds }
}

/// A task, and what will happen to it.
fn story(future: Vec<Chapter>) -> Story {
    Story::new(task(work("Why?", Mode::Standard, "{}"), queued()), Vec::new(), future)
}

/// A face whose store has this review, and takes one word, with this answer.
fn face(
    mut mocks: Mocks,
    review: Review,
    answer: Result<Option<i64>, ReviewError>,
) -> web::Data<State> {
    mocks.reviews.expect_find_review().returning(move |_| Ok(Some(review.clone())));
    mocks.reviews.expect_respond().return_once(move |_| answer);
    mocks.state(Face::Gateway)
}

fn planned() -> Vec<Chapter> {
    let noted = event("NOTED", "", "", "");
    let updated = event("RESEARCH_PLAN_UPDATED", "research-planner", "Look", "");
    let (soon, later) = (Duration::from_secs(1), Duration::from_secs(20));
    vec![Chapter::Events(soon, vec![noted]), Chapter::Events(later, vec![updated])]
}

const FEEDBACK: &str = r#"{"action":"feedback","message":"shorter"}"#;
const APPROVE: &str = r#"{"action":"approve"}"#;

#[actix_web::test]
async fn a_review_is_shown_with_the_version_of_its_plan() {
    let state = face(story(Vec::new()).mocks(), review(2), Ok(None));
    insta::assert_snapshot!(get(&state, &path()).await, @r#"
    200 OK
    content-type: application/json
    etag: 2
    x-request-id: *

    {"status":"reviewing","round":2,"version":2,"current_plan":"Look","plan":{"message":"Look","round":2,"version":2,"intent":"ready"},"rounds":[{"role":"assistant","message":"1. Look","timestamp":"2025-10-22T10:30:02Z"},{"role":"user","message":"shorter","timestamp":"2025-10-22T10:31:00.500000Z"},{"role":"assistant","message":"Look","timestamp":"2025-10-22T10:31:04Z"}],"query":"Why?"}
    "#);
    let approved = Review { approved: true, ..review(1) };
    let state = face(story(Vec::new()).mocks(), approved, Ok(None));
    assert!(get(&state, &path()).await.contains(r#"{"status":"approved","round":1,"version":1,"#));
}

#[actix_web::test]
async fn a_task_without_a_plan_has_no_review() {
    let mut mocks = story(Vec::new()).mocks();
    mocks.reviews.expect_find_review().returning(|_| Ok(None));
    mocks.reviews.expect_respond().returning(|_| Err(ReviewError::NotFound));
    let state = mocks.state(Face::Gateway);
    insta::assert_snapshot!(get(&state, &path()).await, @r#"
    404 Not Found
    content-type: application/json
    x-request-id: *

    {"error":"Review session not found or expired"}
    "#);
    let refusal = r#"404 Not Found {"error":"Review session not found or expired"}"#;
    for body in [FEEDBACK, APPROVE] {
        assert_eq!(in_short(&post(&state, &path(), body).await), refusal);
    }
    let unknown = "/api/v1/tasks/task-7/review";
    assert_eq!(in_short(&get(&state, unknown).await), refusal);
    assert_eq!(in_short(&post(&state, unknown, APPROVE).await), refusal);
    assert!(get(&state, "/api/v1/tasks/a%20b/review").await.starts_with("400"));
}

#[actix_web::test]
async fn feedback_is_answered_with_the_plan_that_comes_of_it() {
    tokio::time::pause();
    let state = face(story(planned()).mocks(), review(2), Ok(Some(0)));
    insta::assert_snapshot!(post(&state, &path(), FEEDBACK).await, @r#"
    200 OK
    content-type: application/json
    etag: 2
    x-ratelimit-limit-minute: 100
    x-ratelimit-remaining-minute: 99
    x-ratelimit-reset: *
    x-request-id: *

    {"status":"reviewing","round":2,"version":2,"current_plan":"Look","plan":{"message":"Look","round":2,"version":2,"intent":"ready"},"rounds":[{"role":"assistant","message":"1. Look","timestamp":"2025-10-22T10:30:02Z"},{"role":"user","message":"shorter","timestamp":"2025-10-22T10:31:00.500000Z"},{"role":"assistant","message":"Look","timestamp":"2025-10-22T10:31:04Z"}],"query":"Why?"}
    "#);
}

#[actix_web::test]
async fn an_approval_is_answered_at_once() {
    for told in [Some(7), None] {
        let state = face(story(Vec::new()).mocks(), review(1), Ok(told));
        let answer = post(&state, &path(), APPROVE).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer, @r#"
            200 OK
            content-type: application/json
            x-ratelimit-limit-minute: 100
            x-ratelimit-remaining-minute: 99
            x-ratelimit-reset: *
            x-request-id: *

            {"status":"approved","message":"Research started"}
            "#);
        }
    }
}

#[actix_web::test]
async fn feedback_does_not_wait_longer_than_clients_do() {
    tokio::time::pause();
    let begun = Instant::now();
    let state = face(story(Vec::new()).mocks(), review(1), Ok(Some(0)));
    insta::assert_snapshot!(in_short(&post(&state, &path(), FEEDBACK).await), @r#"502 Bad Gateway {"error":"the plan is not ready yet; read the review again"}"#);
    assert_eq!(begun.elapsed().as_secs(), 25);
}

#[actix_web::test]
async fn feedback_does_not_wait_for_a_task_that_has_ended() {
    tokio::time::pause();
    let end = Chapter::Events(Duration::from_secs(3), vec![event("STREAM_END", "", "", "")]);
    let state = face(story(vec![end]).mocks(), review(1), Ok(Some(0)));
    insta::assert_snapshot!(in_short(&post(&state, &path(), FEEDBACK).await), @r#"502 Bad Gateway {"error":"planning failed: the task ended without another plan"}"#);
}

#[actix_web::test]
async fn feedback_does_not_hold_up_a_stop() {
    tokio::time::pause();
    let begun = Instant::now();
    let (stop, stopping) = watch::channel(false);
    let act = Chapter::Do(Box::new(move || {
        stop.send_replace(true);
    }));
    let mut mocks = story(vec![act]).mocks();
    mocks.stopping = Some(stopping);
    let answer = post(&face(mocks, review(1), Ok(Some(0))), &path(), FEEDBACK).await;
    assert!(answer.starts_with("502"), "{answer}");
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[actix_web::test]
async fn a_word_at_the_wrong_time_is_a_conflict() {
    let mut answers = Vec::new();
    for refusal in
        [Refusal::Stale, Refusal::Approved, Refusal::Ended, Refusal::Planning, Refusal::LastPlan]
    {
        let state = face(story(Vec::new()).mocks(), review(1), Err(refusal.into()));
        answers.push(in_short(&post(&state, &path(), FEEDBACK).await));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    409 Conflict {"error":"the plan has been updated; read the review again"}
    409 Conflict {"error":"the plan is already approved"}
    409 Conflict {"error":"the task has already ended"}
    409 Conflict {"error":"the task is being planned; read the review again"}
    409 Conflict {"error":"there is no other plan after the tenth; approve it"}
    "#);
}

#[actix_web::test]
async fn a_word_that_breaks_a_rule_is_refused() {
    let long = format!(r#"{{"action":"feedback","message":"{}"}}"#, "a".repeat(10_241));
    let state = Mocks::default().state(Face::Gateway);
    let mut answers = Vec::new();
    for body in [
        "{}",
        r#"{"action":"reject"}"#,
        r#"{"action":5}"#,
        r#"{"action":"feedback"}"#,
        r#"{"action":"feedback","message":" \n"}"#,
        r#"{"action":"feedback","message":"a\u0000"}"#,
        long.as_str(),
        "",
        "[]",
    ] {
        let answer = post(&state, &path(), body.to_owned()).await;
        answers.push(format!("{body:.40}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    {}  400 Bad Request {"error":"action must be 'feedback' or 'approve'"}
    {"action":"reject"}  400 Bad Request {"error":"action must be 'feedback' or 'approve'"}
    {"action":5}  400 Bad Request {"error":"Invalid request body: invalid type: integer `5`, expected a string at line 1 column 11"}
    {"action":"feedback"}  400 Bad Request {"error":"message is required for feedback"}
    {"action":"feedback","message":" \n"}  400 Bad Request {"error":"message is required for feedback"}
    {"action":"feedback","message":"a\u0000"  400 Bad Request {"error":"message must not contain a NUL character"}
    {"action":"feedback","message":"aaaaaaaa  400 Bad Request {"error":"message must have at most 10240 bytes"}
      400 Bad Request {"error":"Invalid request body: EOF while parsing a value at line 1 column 0"}
    []  400 Bad Request {"error":"Invalid request body: not a JSON object"}
    "#);
}

#[actix_web::test]
async fn if_match_names_the_version_that_was_seen() {
    for (header, version) in [
        (None, None),
        (Some("2"), Some(2)),
        (Some("\"2\""), Some(2)),
        (Some(" 2 "), Some(2)),
        (Some(""), None),
        (Some("*"), None),
        (Some("two"), Some(0)),
        (Some("-1"), Some(0)),
        (Some("65536"), Some(0)),
        (Some("二"), Some(0)),
    ] {
        let feedback = Feedback::new("shorter".to_owned()).unwrap();
        for (body, response) in
            [(APPROVE, Response::Approve), (FEEDBACK, Response::Feedback(feedback))]
        {
            let number = TaskNumber::new(1).unwrap();
            let expected = ReviewRequest { number, response, version };
            let mut mocks = story(Vec::new()).mocks();
            mocks
                .reviews
                .expect_respond()
                .withf(move |request| *request == expected)
                .returning(|_| Err(Refusal::Ended.into()));
            let mut request = TestRequest::post().uri(&path()).set_payload(body);
            if let Some(header) = header {
                let header = HeaderValue::from_bytes(header.as_bytes()).unwrap();
                request = request.insert_header((IF_MATCH, header));
            }
            let answer = send(&mocks.state(Face::Gateway), with_key(request)).await;
            assert!(answer.starts_with("409"), "{header:?} {body}: {answer}");
        }
    }
}

#[actix_web::test]
async fn a_failing_store_tells_nothing_of_itself() {
    let mut mocks = story(Vec::new()).mocks();
    let failed = || StoreError::failed("deadlock detected");
    mocks.reviews.expect_find_review().returning(move |_| Err(failed()));
    mocks.reviews.expect_respond().returning(move |_| Err(failed().into()));
    let state = mocks.state(Face::Gateway);
    insta::assert_snapshot!(in_short(&get(&state, &path()).await), @r#"500 Internal Server Error {"error":"Failed to get review: database error"}"#);
    insta::assert_snapshot!(in_short(&post(&state, &path(), APPROVE).await), @r#"500 Internal Server Error {"error":"Failed to review plan: database error"}"#);
}
