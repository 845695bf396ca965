//! Reporting how tasks ended.

use super::{backoff::Backoff, chain};
use std::{sync::Arc, time::Duration};
use taskgate_domain::{
    error::{InvalidValue, ReportError, StoreError},
    json::JsonObject,
    queue::{Lease, Reported},
    task::outcome::Outcome,
    usage::Usage,
    usecase::workers::{Verdict, Workers},
};
use tokio::{sync::mpsc, time::sleep};

/// How many ends are reported together at most.
pub(super) const BATCH: usize = 500;
/// How many bytes of them, about: the end that goes past this is the last.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// The longest wait after reports that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An end that is to be reported.
#[derive(Debug)]
pub(super) struct End {
    pub(super) lease: Lease,
    pub(super) verdict: Verdict,
}

/// Reports ends as they come, until no more can come. What comes while a
/// report is under way makes up the next. A report that the store does not
/// answer is repeated beyond the end of its lease, too: while nobody else has
/// the task, the work is not lost.
///
/// The ends of a report that failed are sent one by one, so that one that the
/// store cannot take holds up none of the others.
pub(super) async fn report(workers: Arc<Workers>, mut ended: mpsc::Receiver<End>) {
    let mut ends = Vec::new();
    let mut alone = 0;
    let mut trouble: Option<Backoff> = None;
    while gather(&mut ends, &mut ended).await {
        let count = if alone > 0 { 1 } else { ends.len() };
        let batch: Vec<End> = ends.drain(..count).collect();
        let reports = batch.iter().map(|end| (end.lease, end.verdict.clone())).collect();
        let (again, error) = match workers.finish(reports).await {
            Ok(answers) => settle(batch, answers),
            Err(error) => (batch, Some(error)),
        };
        alone = if again.len() > 1 { again.len() } else { usize::saturating_sub(alone, 1) };
        ends.extend(again);
        match error {
            Some(error) => {
                let backoff = trouble.get_or_insert_with(|| {
                    tracing::warn!(error = chain(&error), "reports fail and will be retried");
                    Backoff::up_to(LONGEST_WAIT)
                });
                sleep(backoff.next()).await;
            }
            None => {
                if trouble.take().is_some() {
                    tracing::info!("reports work again");
                }
            }
        }
    }
}

/// Adds what has come; waits for it when there is nothing to report. False
/// when nothing will come any more.
async fn gather(ends: &mut Vec<End>, ended: &mut mpsc::Receiver<End>) -> bool {
    if ends.is_empty() {
        ends.extend(ended.recv().await);
    }
    let mut bytes: usize = ends.iter().map(size).sum();
    while ends.len() < BATCH && bytes < BATCH_BYTES {
        let Ok(end) = ended.try_recv() else { break };
        bytes += size(&end);
        ends.push(end);
    }
    !ends.is_empty()
}

/// The ends that have to be reported again, and why, if the store could not
/// take them.
fn settle(ends: Vec<End>, answers: Vec<Reported>) -> (Vec<End>, Option<StoreError>) {
    let (mut again, mut failed) = (Vec::new(), None);
    for (end, answer) in ends.into_iter().zip(answers) {
        let Lease { task, attempt } = end.lease;
        let attempt = attempt.get();
        match answer {
            Ok(_) => {}
            Err(ReportError::LeaseLost | ReportError::NotFound) => {
                tracing::info!(%task, attempt, "the task was no longer ours to end");
            }
            Err(ReportError::Store(error)) => {
                failed = Some(error);
                again.push(end);
            }
            Err(ReportError::Invalid(error)) => match instead(&end.verdict, &error) {
                Some(verdict) => again.push(End { verdict, ..end }),
                None => {
                    tracing::warn!(%task, attempt, error = chain(&error), "an end is not taken");
                }
            },
        }
    }
    (again, failed)
}

/// What is reported instead of an end that is not valid: ever less. A task of
/// which nothing were reported would be done again, and come to the same.
fn instead(verdict: &Verdict, error: &InvalidValue) -> Option<Verdict> {
    match verdict {
        Verdict::Complete(outcome) => {
            let error = Some(format!("the executor's result is not valid: {error}"));
            let rest =
                Outcome { result: None, response: None, metadata: None, error, ..outcome.clone() };
            Some(Verdict::Fail { outcome: rest, retry: false })
        }
        Verdict::Fail { outcome, retry } => {
            let bare = Outcome::error(outcome.reason());
            (*outcome != bare).then_some(Verdict::Fail { outcome: bare, retry: *retry })
        }
        Verdict::Release { usage } => {
            let bare = Usage::default();
            (*usage != bare).then_some(Verdict::Release { usage: bare })
        }
    }
}

/// The bytes of an end that count.
fn size(end: &End) -> usize {
    let (Verdict::Complete(outcome) | Verdict::Fail { outcome, .. }) = &end.verdict else {
        return 0;
    };
    let text = outcome.result.as_ref().map_or(0, String::len);
    let json =
        |object: &Option<JsonObject>| object.as_ref().map_or(0, |object| object.as_str().len());
    text + json(&outcome.response) + json(&outcome.metadata)
}
