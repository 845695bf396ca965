//! The Python SDK replays the events of ended tasks, whole and from every
//! place, and submits and follows in one go.

use serde_json::json;
use taskgate_tests::{ScriptedWorker, Server, Store, Worker, run_client};

taskgate_tests::on_both_stores!(
    the_sdk_replays_and_resumes_from_every_event,
    the_sdk_submits_and_streams,
);

const TWINS: [&str; 2] = ["sync", "async"];

/// A task that has gone through everything, and its answer.
async fn completed(server: &Server) -> String {
    let (gateway, worker) = (server.gateway(), Worker::of(server));
    let id = gateway.ask("capital?").await;
    let task = worker.claim_one("agent").await;
    let partial = |text| json!({ "type": "LLM_PARTIAL", "agent_id": "scripted", "message": text });
    let started = json!({ "type": "AGENT_STARTED", "agent_id": "scripted", "message": "hello" });
    let said = json!([started, partial("Pa"), partial("ris")]);
    worker.record(&task, said).await.expect(200);
    let half = json!({ "progress": 1, "total": 2, "message": "half way" });
    worker.heartbeat(&task, half).await.expect(200);
    for control in ["pause", "resume"] {
        let path = format!("/api/v1/tasks/{id}/{control}");
        gateway.post(&path, &json!({ "reason": "lunch" })).await.expect(202);
    }
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    id
}

async fn failed(server: &Server) -> String {
    let id = server.gateway().ask("capital?").await;
    let worker = Worker::of(server);
    let task = worker.claim_one("agent").await;
    worker.fail(&task, "no map", false).await.expect(200);
    id
}

async fn cancelled(server: &Server) -> String {
    let gateway = server.gateway();
    let id = gateway.ask("capital?").await;
    let path = format!("/api/v1/tasks/{id}/cancel");
    gateway.post(&path, &json!({ "reason": "enough" })).await.expect(202);
    id
}

async fn the_sdk_replays_and_resumes_from_every_event(store: Store) {
    let server = Server::dev(&store);
    let tasks = [completed(&server).await, failed(&server).await, cancelled(&server).await];
    for twin in TWINS {
        let args = [twin, &tasks[0], &tasks[1], &tasks[2]];
        let run = run_client(&server, "python/sdk_stream.py", &args).await;
        let expected = "\
--- sse
1 DATA_PROCESSING -
2 WORKFLOW_STARTED -
3 AGENT_STARTED scripted hello
4 thread.message.delta scripted Pa
5 thread.message.delta scripted ris
6 PROGRESS - half way
7 workflow.pausing - lunch
8 workflow.paused - lunch
9 workflow.resumed - lunch
10 thread.message.completed final_output Paris
11 WORKFLOW_COMPLETED -
done - [DONE]
--- sse
1 DATA_PROCESSING -
2 WORKFLOW_STARTED -
3 ERROR_OCCURRED - no map
4 WORKFLOW_FAILED - no map
done - [DONE]
--- sse
1 DATA_PROCESSING -
2 workflow.cancelling - enough
3 workflow.cancelled - enough
done - [DONE]
--- sse filters
LLM_PARTIAL: thread.message.delta thread.message.delta done
thread.message.delta: thread.message.delta thread.message.delta done
thread.message.delta: thread.message.delta thread.message.delta done
LLM_OUTPUT: thread.message.completed done
thread.message.completed: thread.message.completed done
WORKFLOW_PAUSED,WORKFLOW_RESUMED: workflow.paused workflow.resumed done
workflow.paused,workflow.resumed: workflow.paused workflow.resumed done
STREAM_END: done
done: done
AGENT_STARTED,PROGRESS: AGENT_STARTED PROGRESS done
SOMETHING_ELSE: done
after 5: 6 PROGRESS - half way 10 thread.message.completed final_output Paris done - [DONE]
--- ws
1 DATA_PROCESSING -
2 WORKFLOW_STARTED -
3 AGENT_STARTED scripted hello
4 LLM_PARTIAL scripted Pa
5 LLM_PARTIAL scripted ris
6 PROGRESS - half way
7 WORKFLOW_PAUSING - lunch
8 WORKFLOW_PAUSED - lunch
9 WORKFLOW_RESUMED - lunch
10 LLM_OUTPUT final_output Paris
11 WORKFLOW_COMPLETED -
12 STREAM_END -
--- ws
1 DATA_PROCESSING -
2 WORKFLOW_STARTED -
3 ERROR_OCCURRED - no map
4 WORKFLOW_FAILED - no map
5 STREAM_END -
--- ws
1 DATA_PROCESSING -
2 WORKFLOW_CANCELLING - enough
3 WORKFLOW_CANCELLED - enough
4 STREAM_END -
--- ws filters
LLM_PARTIAL: LLM_PARTIAL LLM_PARTIAL
thread.message.delta: LLM_PARTIAL LLM_PARTIAL
thread.message.delta: LLM_PARTIAL LLM_PARTIAL
LLM_OUTPUT: LLM_OUTPUT
thread.message.completed: LLM_OUTPUT
WORKFLOW_PAUSED,WORKFLOW_RESUMED: WORKFLOW_PAUSED WORKFLOW_RESUMED
workflow.paused,workflow.resumed: WORKFLOW_PAUSED WORKFLOW_RESUMED
STREAM_END: STREAM_END
done: STREAM_END
AGENT_STARTED,PROGRESS: AGENT_STARTED PROGRESS
SOMETHING_ELSE:
after 5: 6 PROGRESS - half way 10 LLM_OUTPUT final_output Paris
--- refusals
unknown, sse: []
unknown, ws: server rejected WebSocket connection: HTTP 404
";
        assert_eq!(run.output(), expected);
    }
}

async fn the_sdk_submits_and_streams(store: Store) {
    let server = Server::dev(&store);
    let _worker = ScriptedWorker::of(&server);
    for twin in TWINS {
        let args = [twin, twin];
        let run = run_client(&server, "python/sdk_submit_and_stream.py", &args).await;
        let expected = format!(
            "submitted: {twin}, True\n\
             /api/v1/stream/sse?workflow_id=TASK\n\
             DATA_PROCESSING WORKFLOW_STARTED AGENT_STARTED PROGRESS thread.message.completed \
             WORKFLOW_COMPLETED done\n\
             COMPLETED EXECUTION_MODE_STANDARD {{'language': 'en'}} Paris, most likely. \
             You asked: capital?\n"
        );
        assert_eq!(run.output(), expected);
    }
}
