//! The Python SDK reads, names and deletes sessions, by its clients and by its
//! command.

use serde_json::json;
use taskgate_tests::{ScriptedWorker, Server, Store, run_client, run_shannon};

taskgate_tests::on_both_stores!(
    the_sdk_reads_names_and_deletes_sessions,
    the_command_reads_names_and_deletes_sessions,
);

async fn the_sdk_reads_names_and_deletes_sessions(store: Store) {
    for (twin, row) in [
        ("sync", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
        ("async", "7f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
    ] {
        // One server each: together they would pass the limit of one second.
        let server = Server::dev(&store);
        let _worker = ScriptedWorker::of(&server);
        let run = run_client(&server, "python/sdk_sessions.py", &[twin, twin, row]).await;
        let expected = format!(
            "\
listed: capital of France? (standard, research False)
  tasks 2: 1 good, 1 bad
  success 0.5, tokens 150
  cost 0.002300, each 0.001150
  latest fail: no map FAILED, active True
  times True
listed: panels? (simple, research True)
  tasks 1: 1 good, 0 bad
  success 1.0, tokens 1542
  cost 0.046200, each 0.046200
  latest panels? COMPLETED, active True
  times True
got: {twin} capital of France? {twin}
  tasks 2, tokens 150, cost 0.002300
got: True panels?, research True
history: answered capital of France? COMPLETED True
  Paris, most likely. You asked: capital of France?, tokens 150
history: failed fail: no map FAILED True
  None, tokens 0
turns: 2 of 2
1: answered capital of France? -> 'Paris, most likely. You asked: capital of France?'
  DATA_PROCESSING WORKFLOW_STARTED AGENT_STARTED PROGRESS LLM_OUTPUT WORKFLOW_COMPLETED STREAM_END
  tokens 150, by ['scripted', 'final_output']
2: failed fail: no map -> ''
  DATA_PROCESSING WORKFLOW_STARTED AGENT_STARTED ERROR_OCCURRED WORKFLOW_FAILED STREAM_END
  tokens 0, by ['scripted']
page: [2] of 2
refused: ValidationError [400] Invalid limit parameter
event: 1 DATA_PROCESSING -
event: 2 WORKFLOW_STARTED -
event: 3 AGENT_STARTED scripted thinking
event: 4 PROGRESS - half way
event: 5 LLM_OUTPUT final_output Paris, most likely. You asked: capital of France?
event: 6 WORKFLOW_COMPLETED -
event: 7 STREAM_END -
timeline: WF_STARTED ACT_STARTED WF_FAILED
  {{'total': 3, 'mode': 'summary'}}
renamed: True
title: City  tour, City  tour
refused: ValidationError [400] Title cannot be empty
refused: ValidationError [400] Title must be 60 characters or less
deleted: True True
gone: True
gone: SessionNotFoundError [404] Session not found
gone: SessionNotFoundError [404] Session not found
gone: SessionNotFoundError [404] Session not found
gone: SessionNotFoundError [404] Session not found
unknown: SessionNotFoundError [404] Session not found
task: COMPLETED
anew: capital of Italy?, tasks 1
"
        );
        assert_eq!(run.output(), expected);
    }
}

async fn the_command_reads_names_and_deletes_sessions(store: Store) {
    let server = Server::dev(&store);
    let gateway = server.gateway();
    gateway.submit(&json!({ "query": "capital?", "session_id": "trip" })).await;
    let session = gateway.get("/api/v1/sessions/trip").await.expect(200);
    let user = session["user_id"].as_str().expect("a user");
    let call = async |args: &[&str]| {
        let run = run_shannon(&server, args).await;
        assert_eq!(run.stderr, "", "{run:?}");
        (run.code, run.stdout)
    };

    let (code, shown) = call(&["session-get", "trip"]).await;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((code, lines[0]), (0, format!("Session trip (user={user})").as_str()));
    assert!(lines[1].starts_with("Created: ") && lines[1].contains("+00:00, Updated: "), "{shown}");
    assert_eq!(lines[2..], ["History msgs: 1"]);
    let (code, shown) = call(&["session-get", "trip", "--no-history"]).await;
    assert_eq!((code, shown.lines().count()), (0, 2));

    let (code, shown) = call(&["session-list"]).await;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((code, lines[0]), (0, "Total: 1"));
    assert!(lines[1].starts_with(&format!("trip\t{user}\t20")) && lines.len() == 2, "{shown}");
    let beyond = call(&["session-list", "--limit", "5", "--offset", "1"]).await;
    assert_eq!(beyond, (0, "Total: 1\n".to_owned()));

    let rename = ["session-title", "trip", "City tour"];
    assert_eq!(call(&rename).await, (0, "✓ Updated\n".to_owned()));
    let empty = call(&["session-title", "trip", " "]).await;
    assert_eq!(empty, (1, "✗ [400] Title cannot be empty\n".to_owned()));
    for _ in 0..2 {
        let delete = call(&["session-delete", "trip"]).await;
        assert_eq!(delete, (0, "✓ Deleted\n".to_owned()));
    }
    for args in [&["session-get", "trip"][..], &rename, &["session-delete", "never-there"]] {
        assert_eq!(call(args).await, (1, "✗ [404] Session not found\n".to_owned()), "{args:?}");
    }
}
