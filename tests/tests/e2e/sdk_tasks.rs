//! The Python SDK's two clients, as its users install it, over tasks.

use taskgate_tests::{ScriptedWorker, Server, Store, run_client};

taskgate_tests::on_both_stores!(
    the_sdk_follows_tasks_from_submit_to_list,
    the_sdk_sends_its_key_in_either_header,
);

const TWINS: [&str; 2] = ["sync", "async"];
const ANSWER: &str = "Paris, most likely. You asked: capital of France?";
const CONTEXT: &str = "{'language': 'en', 'force_swarm': True, 'model_tier': 'small', \
                       'model_override': 'scripted-1', 'provider_override': 'openai'}";
const USAGE: &str = "{'total_tokens': 150, 'input_tokens': 45, 'output_tokens': 105, \
                     'estimated_cost': 0.0023, 'cost_usd': 0.0023}";

async fn the_sdk_follows_tasks_from_submit_to_list(store: Store) {
    let server = Server::dev(&store);
    let _worker = ScriptedWorker::of(&server);
    for twin in TWINS {
        let run = run_client(&server, "python/sdk_tasks.py", &[twin, twin]).await;
        let expected = format!(
            "\
submitted: 1 id, session {twin}
waited: COMPLETED {ANSWER}, progress 100%
as asked: capital of France? {twin} EXECUTION_MODE_STANDARD {CONTEXT}
by: scripted-1 of scripts, {USAGE}
times: True, error ''
handle: {ANSWER}
failed: FAILED out of tokens, result None
waited in vain: TaskTimeoutError [TIMEOUT] Task ID did not complete within 1s
cancelled: True
then: CANCELLED
cancelled again: False
listed: dawdle TASK_STATUS_CANCELLED EXECUTION_MODE_SIMPLE
  0+0=0 0.0, times True
listed: fail: out of tokens TASK_STATUS_FAILED EXECUTION_MODE_SIMPLE
  0+0=0 0.0, times True
listed: capital of France? TASK_STATUS_COMPLETED EXECUTION_MODE_STANDARD
  45+105=150 0.0023, times True
total: 3
{{'status': 'FAILED'}}: ['fail: out of tokens'] of 1
{{'limit': 1, 'offset': 1}}: ['fail: out of tokens'] of 3
{{'status': 'QUEUED'}}: [] of 0
unknown: TaskNotFoundError [404] Task not found
unknown: TaskNotFoundError [404] Task not found
unknown: TaskNotFoundError [404] Task not found
refused: ValidationError [400] Invalid status value
refused: ValidationError [400] Invalid limit parameter
refused: ValidationError [400] mode must be one of simple, standard, complex, supervisor
refused: ValidationError [400] model_tier cannot be combined with disable_ai
health: healthy ready
openapi: True
"
        );
        assert_eq!(run.output(), expected);
    }
}

async fn the_sdk_sends_its_key_in_either_header(store: Store) {
    let server = Server::dev(&store);
    for twin in TWINS {
        let run = run_client(&server, "python/sdk_keys.py", &[twin]).await;
        let refused = "AuthenticationError [401] Unauthorized\n".repeat(4);
        let expected = format!("submitted, session of 36 characters\n{refused}");
        assert_eq!(run.output(), expected);
    }
}
