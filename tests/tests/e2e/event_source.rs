//! A page in a real browser follows a task with `EventSource`.

use serde_json::json;
use taskgate_tests::{Live, Proxy, Server, Store, Worker};

taskgate_tests::on_both_stores!(
    a_page_sees_every_event_once_over_a_line_that_breaks,
    a_page_is_told_that_a_task_is_unknown,
);

async fn sees(page: &mut Live, lines: &[&str]) {
    for line in lines {
        assert_eq!(page.line().await, *line);
    }
}

async fn a_page_sees_every_event_once_over_a_line_that_breaks(store: Store) {
    let server = Server::dev(&store);
    let (gateway, worker) = (server.gateway(), Worker::of(&server));
    let proxy = Proxy::to(gateway.address());
    let id = gateway.ask("capital?").await;
    let front = proxy.address().to_string();
    let mut page = Live::client(&server, &front, "python/browser.py", &[&id]);
    sees(&mut page, &["open", "1 DATA_PROCESSING"]).await;
    let task = worker.claim_one("agent").await;
    sees(&mut page, &["2 WORKFLOW_STARTED"]).await;

    let think = json!([{ "type": "AGENT_THINKING", "message": "while away" }]);
    proxy.refuse();
    sees(&mut page, &["cut"]).await;
    worker.record(&task, think).await.expect(200);
    proxy.restore();
    // It tries again after a while, and hears of each attempt that failed.
    let mut line = page.line().await;
    while line == "cut" {
        line = page.line().await;
    }
    assert_eq!(line, "open");
    sees(&mut page, &["3 AGENT_THINKING while away"]).await;
    worker.complete(&task, json!({ "result": "Paris" })).await.expect(200);
    let run = page.finish().await;
    let end = "4 thread.message.completed Paris\n5 WORKFLOW_COMPLETED\ndone [DONE]\n\
               read TASK_STATUS_COMPLETED Paris, traced true\n";
    assert_eq!(run.output(), end);
}

async fn a_page_is_told_that_a_task_is_unknown(store: Store) {
    let server = Server::dev(&store);
    let address = server.gateway().address().to_owned();
    let unknown = "task_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let page = Live::client(&server, &address, "python/browser.py", &[unknown]);
    assert_eq!(page.finish().await.output(), "closed\n");
}
