//! The Python SDK reads, names and deletes sessions, by its clients and by its
//! command.

use serde_json::json;
use taskgate_tests::{ScriptedWorker, Server, Store, run_client, run_shannon_each};

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
    let commands = [
        "session-get trip",
        "session-get trip --no-history",
        "session-list",
        "session-list --limit 5 --offset 1",
        "session-title trip 'City tour'",
        "session-title trip ' '",
        "session-delete trip",
        "session-delete trip",
        "session-get trip",
        "session-title trip 'City tour'",
        "session-delete never-there",
    ];
    let printed = run_shannon_each(&server, &commands).await;
    // The SDK writes times in its own way.
    let created = session["created_at"].as_str().expect("a time");
    let created = created.replace('T', " ").replace('Z', "+00:00");
    let printed = printed.replace(user, "USER").replace(&created, "CREATED");
    let expected = "\
session-get trip: 0 Session trip (user=USER)
Created: CREATED, Updated: CREATED
History msgs: 1
session-get trip --no-history: 0 Session trip (user=USER)
Created: CREATED, Updated: CREATED
session-list: 0 Total: 1
trip\tUSER\tCREATED
session-list --limit 5 --offset 1: 0 Total: 1
session-title trip 'City tour': 0 ✓ Updated
session-title trip ' ': 1 ✗ [400] Title cannot be empty
session-delete trip: 0 ✓ Deleted
session-delete trip: 0 ✓ Deleted
session-get trip: 1 ✗ [404] Session not found
session-title trip 'City tour': 1 ✗ [404] Session not found
session-delete never-there: 1 ✗ [404] Session not found
";
    assert_eq!(printed, expected);
}
