//! What the ports promise, said with plain values.

use crate::{
    control::Control,
    event::{EventType, NewEvent},
    id::{TaskId, TaskNumber},
    queue::{Conclusion, Lease},
    review::Standing,
    task::{
        Attempt,
        outcome::Outcome,
        status::{LiveStatus, TaskStatus, Transition},
        work::Kind,
    },
    usage::Usage,
};
use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

/// The tasks, in the order of their submission.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) tasks: Vec<Entry>,
    /// Which task an idempotent submit has made.
    pub(super) keys: BTreeMap<(usize, u8), usize>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: TaskId,
    pub(super) number: TaskNumber,
    pub(super) list: usize,
    pub(super) kind: Kind,
    pub(super) priority: i64,
    pub(super) max_attempts: i64,
    pub(super) unique: Option<u8>,
    pub(super) status: TaskStatus,
    /// Whether a worker has it.
    pub(super) held: bool,
    /// Whether nothing but a worker is missing while it is queued.
    pub(super) due: bool,
    /// The latest claim, 0 if there was none.
    pub(super) attempt: i64,
    /// Whether the lease ends at once, now and after a plain heartbeat.
    pub(super) lapsed: bool,
    pub(super) lapsing: bool,
    pub(super) progress: (i64, i64),
    pub(super) log: Vec<String>,
    /// The reports that were accepted.
    pub(super) reports: Vec<Accepted>,
    /// Whether the task still is where the last of them put it.
    pub(super) settled: bool,
    /// Whether a worker held the task when it was cancelled.
    pub(super) taken_from_worker: bool,
    /// The claim whose worker has recorded an answer of its own, if any.
    pub(super) answered: Option<i64>,
    /// Whether idempotent controls that are remembered were accepted.
    pub(super) controls: BTreeMap<(String, u8), bool>,
    /// Where the review of its plan stands, if it has one.
    pub(super) review: Option<Standing>,
    /// The claim under which a plan was proposed last.
    pub(super) proposed_by: Option<i64>,
    /// What its attempts consumed.
    pub(super) usage: Usage,
}

/// A report that was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    attempt: i64,
    form: Form,
    led_to: TaskStatus,
}

/// What a repetition of a report has in common with it. Its delay is not: it
/// is drawn anew each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Complete,
    Fail,
    Retry,
    Release,
}

impl Form {
    const fn of(conclusion: &Conclusion) -> Self {
        match conclusion {
            Conclusion::Complete(_) => Self::Complete,
            Conclusion::Fail { retry: None, .. } => Self::Fail,
            Conclusion::Fail { retry: Some(_), .. } => Self::Retry,
            Conclusion::Release { .. } => Self::Release,
        }
    }

    /// Whether a report of this form may be taken for an accepted one: what it
    /// would have led to is where the task is.
    fn resembles(self, accepted: &Accepted) -> bool {
        match self {
            _ if self == accepted.form => true,
            Self::Complete => false,
            Self::Fail => accepted.led_to == TaskStatus::Failed,
            Self::Retry => accepted.form != Self::Complete,
            Self::Release => accepted.form == Self::Retry,
        }
    }
}

/// What a report is to be answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted(TaskStatus),
    Lost,
    /// To accept it once more with this status and to refuse it are both
    /// right: the task has moved on since, or the accepted report was of
    /// another form and had led to the same failure.
    Either(TaskStatus),
}

/// What a heartbeat is to be answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Renewed,
    /// As above, and the task is paused.
    Paused,
    Cancelled,
    Lost,
    /// The claim is the latest, but was lost before the task was cancelled.
    CancelledOrLost,
}

impl World {
    /// The live task that carries a unique key.
    pub(super) fn carrier(&self, list: usize, key: u8) -> Option<usize> {
        self.tasks.iter().position(|task| {
            task.list == list && task.unique == Some(key) && !task.status.is_final()
        })
    }

    /// Leases what is due, and says which tasks.
    pub(super) fn claim(&mut self, kinds: &[Kind], max: u16, lapsing: bool) -> Vec<usize> {
        let tasks = &self.tasks;
        let mut due: Vec<usize> = (0..tasks.len())
            .filter(|n| tasks[*n].status == TaskStatus::Queued && tasks[*n].due)
            .filter(|n| kinds.contains(&tasks[*n].kind))
            .collect();
        due.sort_by_key(|n| (Reverse(tasks[*n].priority), *n));
        due.truncate(max.into());
        for n in &due {
            let task = &mut self.tasks[*n];
            task.attempt += 1;
            (task.lapsed, task.lapsing) = (lapsing, lapsing);
            task.become_through(Transition::Claim);
        }
        due
    }

    /// Takes back lapsed leases, and says of which tasks.
    pub(super) fn reap(&mut self) -> Vec<usize> {
        let lapsed = |task: &Entry| task.held && task.lapsed;
        let lapsed: Vec<usize> =
            (0..self.tasks.len()).filter(|n| lapsed(&self.tasks[*n])).collect();
        for n in &lapsed {
            self.tasks[*n].release(true);
        }
        lapsed
    }
}

impl Entry {
    pub(super) fn become_through(&mut self, transition: Transition) {
        let from = self.live_status().filter(|from| transition.sources().contains(from));
        let from = from.expect("the model moves as the lifecycle lets it");
        let attempt = Attempt::new(self.attempt.max(1)).expect("it is positive");
        let told = |control| NewEvent::controlled(control, from, None);
        let mut events = match transition {
            Transition::Claim => vec![NewEvent::CLAIMED],
            Transition::Release | Transition::Park => vec![NewEvent::released(attempt, "")],
            Transition::Pause => told(Control::Pause),
            Transition::Resume | Transition::Requeue => told(Control::Resume),
            Transition::Cancel => told(Control::Cancel),
            // A proposal tells of itself.
            Transition::Propose => Vec::new(),
            Transition::Complete | Transition::Fail | Transition::TimeOut => {
                NewEvent::ended(transition, self.kind, &Outcome::default())
            }
        };
        if self.answered == Some(self.attempt) {
            events.retain(|event| !event.is_final_output());
        }
        self.log.extend(events.iter().map(|event| event.event_type().as_str().to_owned()));
        self.status = transition.target();
        self.held = match transition {
            Transition::Claim => true,
            Transition::Pause | Transition::Resume => self.held,
            _ => false,
        };
        self.settled = false;
    }

    pub(super) fn live_status(&self) -> Option<LiveStatus> {
        let all = [LiveStatus::Queued, LiveStatus::Running, LiveStatus::Paused];
        all.into_iter().find(|status| TaskStatus::from(*status) == self.status)
    }

    fn release(&mut self, due: bool) {
        self.due = due;
        let used_up = self.attempt >= self.max_attempts;
        self.become_through(match self.status {
            _ if used_up => Transition::Fail,
            TaskStatus::Paused => Transition::Park,
            _ => Transition::Release,
        });
    }

    pub(super) fn holds(&self, attempt: i64) -> bool {
        self.held && attempt == self.attempt
    }

    pub(super) fn lease(&self, attempt: i64) -> Lease {
        Lease { task: self.id, attempt: Attempt::new(attempt).expect("it is positive") }
    }

    pub(super) fn finish(&mut self, attempt: i64, conclusion: &Conclusion) -> Answer {
        let form = Form::of(conclusion);
        let known = self.reports.iter().find(|r| r.attempt == attempt && form.resembles(r));
        if let Some(known) = known {
            let last = self.reports.last().is_some_and(|last| last.attempt == attempt);
            let exact = self.settled && last && known.form == form;
            let answer = if exact { Answer::Accepted } else { Answer::Either };
            return answer(known.led_to);
        }
        if !self.holds(attempt) {
            return Answer::Lost;
        }
        match conclusion {
            Conclusion::Complete(outcome) => {
                self.consume(&outcome.usage);
                if self.progress.1 > 0 {
                    self.progress.0 = self.progress.1;
                }
                self.become_through(Transition::Complete);
            }
            Conclusion::Fail { outcome, retry } => {
                self.consume(&outcome.usage);
                match retry {
                    None => self.become_through(Transition::Fail),
                    Some(delay) => self.release(*delay == Duration::ZERO),
                }
            }
            Conclusion::Release { usage } => {
                self.consume(usage);
                self.max_attempts += 1;
                self.release(true);
            }
        }
        self.reports.push(Accepted { attempt, form, led_to: self.status });
        self.settled = true;
        Answer::Accepted(self.status)
    }

    pub(super) fn consume(&mut self, usage: &Usage) {
        self.usage = std::mem::take(&mut self.usage).plus(usage.clone());
    }

    pub(super) fn heartbeat(
        &mut self,
        attempt: i64,
        lapsing: Option<bool>,
        progress: Option<i64>,
        tell: bool,
    ) -> Pulse {
        if self.status == TaskStatus::Cancelled && attempt == self.attempt {
            return if self.taken_from_worker { Pulse::Cancelled } else { Pulse::CancelledOrLost };
        }
        if !self.holds(attempt) {
            return Pulse::Lost;
        }
        self.lapsed = lapsing.unwrap_or(self.lapsing);
        let before = self.progress;
        if let Some(steps) = progress {
            self.progress = (steps, 10);
        }
        if tell || self.progress != before {
            self.log.push(EventType::PROGRESS.as_str().to_owned());
        }
        if self.status == TaskStatus::Paused { Pulse::Paused } else { Pulse::Renewed }
    }

    /// Records events; false when the lease is lost.
    pub(super) fn record(&mut self, attempt: i64, event: &NewEvent, times: usize) -> bool {
        if !self.holds(attempt) {
            return false;
        }
        let name = event.event_type().as_str();
        self.log.extend((0..times).map(|_| name.to_owned()));
        if event.is_final_output() {
            self.answered = Some(attempt);
        }
        true
    }

    /// What is kept of the log.
    pub(super) fn history(&self) -> Vec<String> {
        let kept = |name: &&String| *name != EventType::LLM_PARTIAL.as_str();
        self.log.iter().filter(kept).cloned().collect()
    }

    /// Does what an owner wishes, and says whether it is accepted and whether
    /// it was answered before.
    pub(super) fn control(&mut self, control: Control, key: Option<u8>) -> (bool, bool) {
        let key = key.map(|key| (format!("{control:?}"), key));
        if let Some(accepted) = key.as_ref().and_then(|key| self.controls.get(key)) {
            return (*accepted, true);
        }
        let transition = self.live_status().and_then(|from| control.transition(from, self.held));
        if let Some(transition) = transition {
            if transition == Transition::Cancel {
                self.taken_from_worker = self.held;
            }
            self.become_through(transition);
        }
        let accepted = transition.is_some();
        if let Some(key) = key
            && (accepted || control == Control::Cancel)
        {
            self.controls.insert(key, accepted);
        }
        (accepted, false)
    }
}
