//! The Python SDK's own command asks for what taskgate has none of.

use serde_json::json;
use taskgate_tests::{Server, Store, run_shannon_each};

taskgate_tests::on_both_stores!(
    the_command_finds_every_catalogue_empty,
    the_command_is_told_what_there_is_not,
);

async fn the_command_finds_every_catalogue_empty(store: Store) {
    let server = Server::dev(&store);
    server.gateway().submit(&json!({ "query": "capital?", "session_id": "trip" })).await;
    let commands = [
        "tools-list",
        "tools-list --category search",
        "agents-list",
        "skills-list",
        "skills-list --category search",
        "session-files trip",
        "session-files trip --path notes",
        "memory-files",
        "schedule-list",
        "schedule-list --page 2 --page-size 5 --status PAUSED",
    ];
    let printed = run_shannon_each(&server, &commands).await;
    let expected = "\
tools-list: 0 No tools found
tools-list --category search: 0 No tools found
agents-list: 0 No agents found
skills-list: 0 No skills found
skills-list --category search: 0 No skills found
session-files trip: 0 No files found
session-files trip --path notes: 0 No files found
memory-files: 0 No files found
schedule-list: 0 Total: 0
schedule-list --page 2 --page-size 5 --status PAUSED: 0 Total: 0
";
    assert_eq!(printed, expected);
}

async fn the_command_is_told_what_there_is_not(store: Store) {
    let server = Server::dev(&store);
    let id = server.gateway().ask("capital?").await;
    let (swarm, review) = (format!("swarm-message {id} hello"), format!("review-get {id}"));
    let feedback = format!("review-feedback {id} 'more of it'");
    let (approve, approval) = (format!("review-approve {id}"), format!("approve nothing {id}"));
    let commands = [
        "tool-get hammer",
        "tool-exec hammer",
        "agent-get smith",
        "agent-exec smith",
        "skill-get forging",
        "skill-versions forging",
        "memory-file-get notes.txt",
        "session-file-get trip notes/of/today.txt",
        "schedule-create daily '0 9 * * *' news?",
        "schedule-get daily",
        "schedule-update daily --name weekly",
        "schedule-pause daily",
        "schedule-resume daily",
        "schedule-delete daily",
        "schedule-runs daily",
        &swarm,
        &review,
        &feedback,
        &approve,
        &approval,
    ];
    let printed = run_shannon_each(&server, &commands).await;
    let expected = "\
tool-get hammer: 1 ✗ [404] Tool not found
tool-exec hammer: 1 ✗ [404] Tool not found
agent-get smith: 1 ✗ [404] Agent not found
agent-exec smith: 1 ✗ [404] Agent not found
skill-get forging: 1 ✗ [404] Skill not found
skill-versions forging: 1 ✗ [404] Skill not found
memory-file-get notes.txt: 1 ✗ [404] File not found
session-file-get trip notes/of/today.txt: 1 ✗ [404] File not found
schedule-create daily '0 9 * * *' news?: 1 ✗ [501] Schedules are not offered here
schedule-get daily: 1 ✗ [404] Schedule not found
schedule-update daily --name weekly: 1 ✗ [404] Schedule not found
schedule-pause daily: 1 ✗ [404] Schedule not found
schedule-resume daily: 1 ✗ [404] Schedule not found
schedule-delete daily: 1 ✗ [404] Schedule not found
schedule-runs daily: 1 ✗ [404] Schedule not found
swarm-message TASK hello: 1 ✗ [404] Swarm not found
review-get TASK: 1 ✗ [404] Review session not found or expired
review-feedback TASK 'more of it': 1 ✗ [404] Review session not found or expired
review-approve TASK: 1 ✗ [404] Review session not found or expired
approve nothing TASK: 1 ✗ [404] Workflow or approval not found
";
    assert_eq!(printed.replace(&id, "TASK"), expected);
}
