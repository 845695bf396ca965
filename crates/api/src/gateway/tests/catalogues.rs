//! What is empty here.

use super::{get, idle, in_short, post};

#[actix_web::test]
async fn a_list_of_what_is_not_there_is_empty() {
    let mut answers = Vec::new();
    for path in [
        "tools?category=search",
        "agents",
        "skills",
        "memory/files",
        "sessions/user-123-session/files?path=a",
        "schedules",
        "schedules?page=2&page_size=10&status=ACTIVE",
        "schedules?page=0",
        "schedules?page_size=101",
    ] {
        answers.push(in_short(&get(&idle(), &format!("/api/v1/{path}")).await));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    200 OK {"tools":[]}
    200 OK {"agents":[]}
    200 OK {"skills":[],"count":0,"categories":[]}
    200 OK {"success":true,"files":[]}
    200 OK {"success":true,"files":[]}
    200 OK {"schedules":[],"total_count":0,"page":1,"page_size":50}
    200 OK {"schedules":[],"total_count":0,"page":2,"page_size":10}
    400 Bad Request {"error":"Invalid page parameter"}
    400 Bad Request {"error":"Invalid page_size parameter"}
    "#);
}

#[actix_web::test]
async fn an_item_of_it_is_unknown() {
    let mut answers = Vec::new();
    for path in [
        "tools/web_search",
        "agents/a",
        "skills/s",
        "skills/s/versions",
        "sessions/s/files/a/b.txt",
        "memory/files/a.txt",
        "schedules/00000000-0000-0000-0000-000000000001",
        "schedules/00000000-0000-0000-0000-000000000001/runs",
        "tasks/t/review",
    ] {
        answers.push(in_short(&get(&idle(), &format!("/api/v1/{path}")).await));
    }
    for path in ["tools/web_search/execute", "agents/a", "swarm/t/message", "approvals/decision"] {
        answers.push(in_short(&post(&idle(), &format!("/api/v1/{path}"), "{}").await));
    }
    insta::assert_snapshot!(answers.join("\n"), @r#"
    404 Not Found {"error":"Tool not found"}
    404 Not Found {"error":"Agent not found"}
    404 Not Found {"error":"Skill not found"}
    404 Not Found {"error":"Skill not found"}
    404 Not Found {"error":"File not found"}
    404 Not Found {"error":"File not found"}
    404 Not Found {"error":"Schedule not found"}
    404 Not Found {"error":"Schedule not found"}
    404 Not Found {"error":"Review session not found or expired"}
    404 Not Found {"error":"Tool not found"}
    404 Not Found {"error":"Agent not found"}
    404 Not Found {"error":"Swarm not found"}
    404 Not Found {"error":"Workflow or approval not found"}
    "#);
}

#[actix_web::test]
async fn a_schedule_cannot_be_made() {
    let answer = post(&idle(), "/api/v1/schedules", r#"{"name":"daily"}"#).await;
    insta::assert_snapshot!(in_short(&answer), @r#"501 Not Implemented {"error":"Schedules are not offered here"}"#);
    let answer = post(&idle(), "/api/v1/tools", "{}").await;
    assert!(answer.starts_with("405"), "{answer}");
}
