use super::{answered, get, in_short, queued, session, store, turn};
use crate::{
    server::{Face, State},
    testing::Mocks,
};
use actix_web::web;
use chrono::TimeDelta;
use taskgate_domain::{
    event::{EventType, NewEvent, TaskEvent},
    id::TaskNumber,
    json::JsonObject,
    task::Turn,
};

const PATH: &str = "/api/v1/sessions/chat/events";

type Logs = Vec<(TaskNumber, TaskEvent)>;

fn event(
    task: i64,
    seq: i64,
    event_type: &str,
    agent: Option<&str>,
    message: Option<&str>,
) -> (TaskNumber, TaskEvent) {
    let payload = (event_type == "LLM_OUTPUT")
        .then(|| JsonObject::parse("payload", r#"{"tokens_used":150}"#.to_owned()).unwrap());
    let event = NewEvent::new(
        EventType::new(event_type.to_owned()).unwrap(),
        agent.map(str::to_owned),
        message.map(str::to_owned),
        payload,
    );
    let at = super::time("2025-10-22T10:30:01.5Z") + TimeDelta::milliseconds(seq);
    (TaskNumber::new(task).unwrap(), TaskEvent { seq, event: event.unwrap(), at })
}

/// A gateway over a session with these turns and their logs.
fn gateway(turns: Vec<Turn>, logs: Logs) -> web::Data<State> {
    let mut mocks = store(turns);
    mocks.events.expect_history().returning(move |tasks, offset, limit| {
        let asked = logs.iter().filter(|(task, _)| tasks.contains(task));
        Ok(asked.skip(usize::try_from(offset).unwrap()).take(limit.into()).cloned().collect())
    });
    mocks.state(Face::Gateway)
}

fn told() -> Logs {
    vec![
        event(3, 1, "DATA_PROCESSING", None, None),
        event(3, 2, "AGENT_THINKING", Some("planner"), Some("Hm.")),
        event(3, 3, "AGENT_STARTED", Some("answerer"), None),
        event(3, 4, "AGENT_COMPLETED", Some("planner"), None),
        event(8, 1, "LLM_OUTPUT", Some("title_generator"), Some("Nights")),
        event(8, 2, "LLM_OUTPUT", Some("final_output"), Some("It is dark.")),
    ]
}

fn turns() -> Vec<Turn> {
    vec![
        turn(3, "Why is the sky blue?", answered()),
        turn(8, "And at night?", queued()),
        turn(9, "And on the moon?", queued()),
    ]
}

#[actix_web::test]
async fn turns_tell_what_happened_in_each() {
    insta::assert_snapshot!(get(&gateway(turns(), told()), PATH).await, @r#"
    200 OK
    content-type: application/json
    x-request-id: *

    {"session_id":"chat","count":4,"turns":[{"turn":1,"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","user_query":"Why is the sky blue?","final_output":"It scatters.","timestamp":"2025-10-22T10:30:00Z","events":[{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"DATA_PROCESSING","timestamp":"2025-10-22T10:30:01.501000Z","seq":1,"stream_id":"1761129001501-1"},{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"AGENT_THINKING","agent_id":"planner","message":"Hm.","timestamp":"2025-10-22T10:30:01.502000Z","seq":2,"stream_id":"1761129001502-2"},{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"AGENT_STARTED","agent_id":"answerer","timestamp":"2025-10-22T10:30:01.503000Z","seq":3,"stream_id":"1761129001503-3"},{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"AGENT_COMPLETED","agent_id":"planner","timestamp":"2025-10-22T10:30:01.504000Z","seq":4,"stream_id":"1761129001504-4"}],"metadata":{"tokens_used":150,"execution_time_ms":4250,"agents_involved":["planner","answerer"]}},{"turn":2,"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","user_query":"And at night?","final_output":"It is dark.","timestamp":"2025-10-22T10:30:00Z","events":[{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_OUTPUT","agent_id":"title_generator","message":"Nights","timestamp":"2025-10-22T10:30:01.501000Z","seq":1,"stream_id":"1761129001501-1"},{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_OUTPUT","agent_id":"final_output","message":"It is dark.","timestamp":"2025-10-22T10:30:01.502000Z","seq":2,"stream_id":"1761129001502-2"}],"metadata":{"tokens_used":0,"execution_time_ms":0,"agents_involved":["title_generator","final_output"]}},{"turn":3,"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","user_query":"And on the moon?","final_output":"","timestamp":"2025-10-22T10:30:00Z","events":[],"metadata":{"tokens_used":0,"execution_time_ms":0,"agents_involved":[]}}]}
    "#);
}

#[actix_web::test]
async fn payloads_are_texts_for_those_who_want_them() {
    let state = gateway(turns(), told());
    let answer = get(&state, &format!("{PATH}?include_payload=true&offset=1&limit=1")).await;
    insta::assert_snapshot!(in_short(&answer), @r#"200 OK {"session_id":"chat","count":4,"turns":[{"turn":2,"task_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","user_query":"And at night?","final_output":"It is dark.","timestamp":"2025-10-22T10:30:00Z","events":[{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_OUTPUT","agent_id":"title_generator","message":"Nights","payload":"{\"tokens_used\":150}","timestamp":"2025-10-22T10:30:01.501000Z","seq":1,"stream_id":"1761129001501-1"},{"workflow_id":"task_01JARZ3NDEKTSV4RRFFQ69G5FA","type":"LLM_OUTPUT","agent_id":"final_output","message":"It is dark.","payload":"{\"tokens_used\":150}","timestamp":"2025-10-22T10:30:01.502000Z","seq":2,"stream_id":"1761129001502-2"}],"metadata":{"tokens_used":0,"execution_time_ms":0,"agents_involved":["title_generator","final_output"]}}]}"#);
    let without = get(&state, &format!("{PATH}?include_payload=false&offset=1&limit=1")).await;
    assert!(!without.contains("payload"));
}

#[actix_web::test]
async fn behind_the_last_turn_there_is_nothing() {
    let answer = get(&gateway(turns(), vec![]), &format!("{PATH}?offset=3")).await;
    assert_eq!(in_short(&answer), r#"200 OK {"session_id":"chat","count":4,"turns":[]}"#);
}

#[actix_web::test]
async fn a_page_has_as_many_turns_as_were_asked_for() {
    let all: Vec<Turn> = (1..=150).map(|n| turn(n, &n.to_string(), queued())).collect();
    let state = gateway(all, vec![]);
    for (query, turns) in [
        ("", 1..=10),
        ("?limit=1", 1..=1),
        ("?limit=7&offset=3", 4..=10),
        ("?limit=100&offset=1", 2..=101),
        ("?limit=100&offset=145", 146..=150),
    ] {
        let answer = get(&state, &format!("{PATH}{query}")).await;
        let body: serde_json::Value =
            serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap();
        let shown: Vec<(i64, String)> = body["turns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| (t["turn"].as_i64().unwrap(), t["user_query"].as_str().unwrap().to_owned()))
            .collect();
        let expected: Vec<(i64, String)> = turns.map(|n| (n, n.to_string())).collect();
        assert_eq!(shown, expected, "{query}");
    }
}

/// A session of one turn with so many events.
fn busy(events: i64, message: &str) -> web::Data<State> {
    let logs = (1..=events).map(|seq| event(1, seq, "PROGRESS", None, Some(message)));
    gateway(vec![turn(1, "q", queued())], logs.collect())
}

#[actix_web::test]
async fn what_does_not_fit_into_an_answer_is_refused() {
    let most = get(&busy(5_000, "x"), PATH).await;
    assert!(most.starts_with("200") && most.contains(r#""seq":5000"#));
    insta::assert_snapshot!(get(&busy(5_001, "x"), PATH).await, @r#"
    413 Payload Too Large
    content-type: application/json
    x-request-id: *

    {"error":"Too many events: ask for fewer turns, or for the events of one task"}
    "#);
    let megabyte = "x".repeat(1 << 20);
    assert!(get(&busy(65, &megabyte), PATH).await.starts_with("413"));
}

#[actix_web::test]
async fn a_page_that_makes_no_sense_is_refused() {
    let state = Mocks::default().state(Face::Gateway);
    let mut answers = Vec::new();
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=65537",
        "offset=-1",
        "offset=x",
        "include_payload=1",
        "include_payload=TRUE",
        "limit=%FF",
    ] {
        let answer = get(&state, &format!("{PATH}?{query}")).await;
        answers.push(format!("{query}  {}", in_short(&answer)));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    limit=0  400 Bad Request {"error":"Invalid limit parameter"}
    limit=101  400 Bad Request {"error":"Invalid limit parameter"}
    limit=x  400 Bad Request {"error":"Invalid limit parameter"}
    limit=65537  400 Bad Request {"error":"Invalid limit parameter"}
    offset=-1  400 Bad Request {"error":"Invalid offset parameter"}
    offset=x  400 Bad Request {"error":"Invalid offset parameter"}
    include_payload=1  400 Bad Request {"error":"Invalid include_payload parameter"}
    include_payload=TRUE  400 Bad Request {"error":"Invalid include_payload parameter"}
    limit=%FF  400 Bad Request {"error":"Invalid query string"}
    "#);
}

#[actix_web::test]
async fn the_count_is_that_of_the_whole_session() {
    let answer = get(&gateway(turns(), told()), &format!("{PATH}?limit=1")).await;
    assert!(answer.contains(&format!(r#""count":{}"#, session().tasks)));
}
