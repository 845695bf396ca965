//! Counts the words of `index` jobs; docs/executors.md tells about it.

use std::{collections::BTreeMap, error::Error, num::NonZeroU16, sync::Arc};
use taskgate_domain::{
    queue::WorkerId,
    task::{
        outcome::Outcome,
        work::{Kind, TaskType, Work},
    },
};
use taskgate_worker::{Executor, Failure, HttpQueue, Lane, Options, Run, Runtime};
use tokio::sync::watch;

struct CountWords;

#[async_trait::async_trait]
impl Executor for CountWords {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Research(TaskType::Index)]
    }

    async fn execute(&self, run: &Run) -> Result<Outcome, Failure> {
        let Work::Research(job) = &run.task().work else {
            return Err(Failure::lasting("this is not a research job"));
        };
        let params: serde_json::Value = serde_json::from_str(job.params.as_str())
            .map_err(|error| Failure::lasting(format!("the params cannot be read: {error}")))?;
        let Some(texts) = params.get("texts").and_then(|texts| texts.as_array()) else {
            return Err(Failure::lasting("params.texts must be an array of texts"));
        };
        let total = i64::try_from(texts.len()).unwrap_or(i64::MAX);
        let mut counts = BTreeMap::<_, u64>::new();
        for (done, text) in (0..).zip(texts) {
            // Waits while the job is paused. When it was cancelled, or is out of
            // time, `?` is all there is to do.
            run.checkpoint().await?;
            run.progress(done, total, None);
            for word in text.as_str().unwrap_or_default().split_whitespace() {
                *counts.entry(word.to_lowercase()).or_default() += 1;
            }
        }
        let result = serde_json::json!({ "words": counts }).to_string();
        Ok(Outcome { result: Some(result), ..Outcome::default() })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("TASKGATE_WORKER_URL")?;
    let key = std::env::var("TASKGATE_API_KEY")?;
    let queue = HttpQueue::new(&url, Some(&key))?;
    let runtime = Runtime::new(Arc::new(queue), WorkerId::new("indexer-1")?, Options::default());
    let eight = NonZeroU16::new(8).ok_or("no slots")?;
    let lane = Lane::new(Arc::new(CountWords), eight);

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::signal::ctrl_c().await.ok();
        stop.send_replace(true);
    });
    runtime.run(vec![lane], stopped).await;
    Ok(())
}
