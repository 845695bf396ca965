//! Makes each call on the store and on the model, and compares.

use super::{
    call::{Again, Call, End, Told, Which},
    world::{Answer, Entry, Pulse, World},
};
use crate::{
    control::{Control, ControlRequest},
    error::ReportError,
    event::EventType,
    key::Principal,
    queue::{ClaimRequest, Conclusion, Heartbeat, Reaped, Report},
    task::{
        status::TaskStatus,
        submit::{NewTask, SubmissionKind},
    },
    testkit::{Ports, build},
    usage::Usage,
};
use proptest::sample::Index;
use std::{collections::BTreeMap, time::Duration};

const AN_HOUR: Duration = Duration::from_secs(3_600);

pub(super) struct Checker {
    pub(super) ports: Ports,
    pub(super) users: [Principal; 2],
    pub(super) world: World,
    /// How many ends were told. Each has consumed so much, so that what is
    /// counted twice or not at all shows.
    told: i64,
}

const fn length(lapsing: bool) -> Duration {
    if lapsing { Duration::ZERO } else { AN_HOUR }
}

impl Checker {
    pub(super) async fn new(ports: Ports) -> Self {
        let users = [ports.user("tenant", "ada").await, ports.user("tenant", "bob").await];
        Self { ports, users, world: World::default(), told: 0 }
    }

    /// Makes a call, and compares what it may have touched.
    pub(super) async fn make(&mut self, call: &Call) {
        let touched = match call {
            Call::Submit { list, priority, attempts, total, later, again } => {
                let task = self.new_task(*list);
                let task = build::with(task, |options| {
                    let options = options
                        .with_priority(*priority)?
                        .with_max_attempts(*attempts)?
                        .with_total(*total)?;
                    if *later { options.with_run_after(build::in_an_hour()) } else { Ok(options) }
                });
                vec![self.submit(task, *list, *later, *again).await]
            }
            Call::Claim { kinds, max, lapsing } => {
                let lease = length(*lapsing);
                let request = ClaimRequest { kinds: kinds.clone(), lease, ..build::claim(*max) };
                self.claim(request).await
            }
            Call::Heartbeat { .. }
            | Call::Record { .. }
            | Call::Control { .. }
            | Call::Propose { .. }
            | Call::Respond { .. }
                if self.world.tasks.is_empty() =>
            {
                Vec::new()
            }
            Call::Heartbeat { task, attempt, lapsing, progress, tell } => {
                let n = task.index(self.world.tasks.len());
                self.heartbeat(n, *attempt, *lapsing, *progress, *tell).await;
                vec![n]
            }
            Call::Record { task, attempt, what, events } => {
                let n = task.index(self.world.tasks.len());
                self.record(n, *attempt, *what, *events).await;
                vec![n]
            }
            Call::Finish(ends) => self.finish(ends).await,
            Call::Control { task, control, key } => {
                let n = task.index(self.world.tasks.len());
                self.control(n, *control, *key).await;
                vec![n]
            }
            Call::Propose { task, attempt } => {
                let n = task.index(self.world.tasks.len());
                self.propose(n, self.attempt(n, *attempt)).await;
                vec![n]
            }
            Call::Respond { task, response, version } => {
                let n = task.index(self.world.tasks.len());
                self.respond(n, response.clone(), *version).await;
                vec![n]
            }
            Call::Reap => {
                let lapsed = self.world.reap();
                let expected = Reaped { expired: lapsed.len(), timed_out: 0 };
                assert_eq!(self.ports.reap().await, expected);
                lapsed
            }
            Call::Tidy => {
                self.ports.maintenance.tidy().await.expect("the store is tidied");
                Vec::new()
            }
        };
        self.compare(&touched).await;
    }

    fn new_task(&self, list: usize) -> NewTask {
        match list {
            0 | 1 => build::agent_task_in(self.users[list].user, build::label("chat")),
            _ => build::research_task(self.users[0].tenant, build::project(list_project(list))),
        }
    }

    async fn submit(&mut self, task: NewTask, list: usize, later: bool, again: Again) -> usize {
        let (task, expected, unique) = match again {
            Again::Idempotent(key) => {
                let task = build::keyed(task, &format!("{list} {key}"));
                (task, self.world.keys.get(&(list, key)).copied(), None)
            }
            Again::Unique(key) if list > 1 => {
                let task = build::with(task, |o| o.with_unique_key(key.to_string()));
                (task, self.world.carrier(list, key), Some(key))
            }
            _ => (task, None, None),
        };
        let submission = self.ports.submission(task.clone()).await;
        if let Some(n) = expected {
            assert_ne!(submission.kind, SubmissionKind::Created);
            assert_eq!(unique.is_some(), submission.kind == SubmissionKind::Duplicate);
            assert_eq!(submission.task.id, self.world.tasks[n].id);
            return n;
        }
        assert_eq!((submission.kind, submission.task.id), (SubmissionKind::Created, task.id));
        let n = self.world.tasks.len();
        if let Again::Idempotent(key) = again {
            self.world.keys.insert((list, key), n);
        }
        self.world.tasks.push(Entry {
            id: task.id,
            number: submission.task.number,
            list,
            kind: task.work.kind(),
            priority: task.options.priority().into(),
            max_attempts: task.options.max_attempts().into(),
            unique,
            status: TaskStatus::Queued,
            held: false,
            due: !later,
            attempt: 0,
            lapsed: false,
            lapsing: false,
            progress: (0, task.options.total()),
            log: vec![EventType::DATA_PROCESSING.as_str().to_owned()],
            reports: Vec::new(),
            settled: false,
            taken_from_worker: false,
            answered: None,
            controls: BTreeMap::new(),
            review: None,
            proposed_by: None,
            usage: Usage::default(),
        });
        n
    }

    async fn claim(&mut self, request: ClaimRequest) -> Vec<usize> {
        let lapsing = request.lease.is_zero();
        let expected = self.world.claim(&request.kinds, request.max, lapsing);
        let claimed = self.ports.claim(request).await;
        let claimed: Vec<_> =
            claimed.iter().map(|task| (task.number, i64::from(task.attempt.get()))).collect();
        let task = |n: &usize| (self.world.tasks[*n].number, self.world.tasks[*n].attempt);
        assert_eq!(claimed, expected.iter().map(task).collect::<Vec<_>>());
        expected
    }

    fn attempt(&self, n: usize, which: Which) -> i64 {
        let latest = self.world.tasks[n].attempt;
        match which {
            Which::Earlier => latest - 1,
            Which::Latest => latest,
            Which::Later => latest + 1,
        }
        .max(1)
    }

    async fn heartbeat(
        &mut self,
        n: usize,
        which: Which,
        lapsing: Option<bool>,
        progress: Option<i64>,
        tell: bool,
    ) {
        let attempt = self.attempt(n, which);
        let heartbeat = Heartbeat {
            lease: self.world.tasks[n].lease(attempt),
            extend: lapsing.map(length),
            progress,
            total: progress.map(|_| 10),
            message: tell.then(|| "so far".to_owned()),
        };
        let expected = self.world.tasks[n].heartbeat(attempt, lapsing, progress, tell);
        let answer = match self.ports.queue.heartbeat(heartbeat).await {
            Ok(reply) if reply.cancel_requested => Pulse::Cancelled,
            Ok(reply) if reply.pause_requested => Pulse::Paused,
            Ok(_) => Pulse::Renewed,
            Err(ReportError::LeaseLost) => Pulse::Lost,
            Err(error) => panic!("the heartbeat is answered: {error}"),
        };
        if expected == Pulse::CancelledOrLost {
            assert!(matches!(answer, Pulse::Cancelled | Pulse::Lost), "{answer:?}");
        } else {
            assert_eq!(answer, expected);
        }
    }

    async fn record(&mut self, n: usize, which: Which, what: Told, count: usize) {
        let event = match what {
            Told::Note => build::event("NOTED"),
            Told::Piece => build::event(EventType::LLM_PARTIAL.as_str()),
            Told::Answer => build::final_output("mine"),
        };
        let attempt = self.attempt(n, which);
        let lease = self.world.tasks[n].lease(attempt);
        let answer = self.ports.queue.record(lease, vec![event.clone(); count]).await;
        if self.world.tasks[n].record(attempt, &event, count) {
            let last = answer.expect("the events are recorded");
            assert_eq!(usize::try_from(last), Ok(self.world.tasks[n].log.len()));
        } else {
            assert!(matches!(answer, Err(ReportError::LeaseLost)), "{answer:?}");
        }
    }

    async fn finish(&mut self, ends: &[(Index, Which, End)]) -> Vec<usize> {
        if self.world.tasks.is_empty() {
            return Vec::new();
        }
        let mut touched = Vec::new();
        let mut reports = Vec::new();
        let mut expected = Vec::new();
        for (task, which, end) in ends {
            let n = task.index(self.world.tasks.len());
            let attempt = self.attempt(n, *which);
            let lease = self.world.tasks[n].lease(attempt);
            let conclusion = build::consuming(self.usage(), conclusion(*end));
            expected.push(self.world.tasks[n].finish(attempt, &conclusion));
            reports.push(Report { lease, conclusion });
            touched.push(n);
        }
        let answers = self.ports.finish_all(reports).await;
        assert_eq!(answers.len(), expected.len());
        for (answer, expected) in answers.into_iter().zip(expected) {
            match (answer, expected) {
                (Ok(status), Answer::Accepted(expected)) => assert_eq!(status, expected),
                // Tried again, whether or not it has been paused or resumed since.
                (
                    Ok(TaskStatus::Queued | TaskStatus::Paused),
                    Answer::Either(TaskStatus::Queued | TaskStatus::Paused),
                ) => {}
                (Ok(status), Answer::Either(expected)) => assert_eq!(status, expected),
                (Err(ReportError::LeaseLost), Answer::Lost | Answer::Either(_)) => {}
                (answer, expected) => panic!("{answer:?} where {expected:?} was due"),
            }
        }
        touched
    }

    /// What the next end has consumed.
    pub(super) fn usage(&mut self) -> Usage {
        self.told += 1;
        build::usage(self.told, 3 * self.told)
    }

    async fn control(&mut self, n: usize, control: Control, key: Option<u8>) {
        let number = self.world.tasks[n].number;
        let name = |key| format!("{control:?} {number} {key}");
        let idempotency = key.map(|key| build::idempotency(&name(key)));
        let request = ControlRequest { idempotency, ..build::control(number, control) };
        let answer = self.ports.control(request).await;
        let expected = self.world.tasks[n].control(control, key);
        assert_eq!((answer.accepted, answer.replayed), expected);
        assert_eq!(answer.status, self.world.tasks[n].status);
    }
}

pub(super) const fn list_project(list: usize) -> i64 {
    if list == 2 { 1 } else { 2 }
}

fn conclusion(end: End) -> Conclusion {
    match end {
        End::Complete => build::complete("{}"),
        End::Fail => build::fail("broken"),
        End::RetryNow => build::retry_after("busy", Duration::ZERO),
        End::RetryLater => build::retry_after("busy", AN_HOUR),
        End::Release => build::release(),
    }
}
