//! A queue with one task, and an answerer that follows a script.

use crate::{
    Agent, Answerer, Toolbox,
    answerer::{
        Answer, AnswerError, Brief, Claim, Fact, Intent, Listener, Material, ModelCall,
        Observation, Plan, Reply, Revision, Source, Step, ToolSpec,
    },
};
use async_trait::async_trait;
use std::{
    num::NonZeroU16,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use taskgate_domain::{
    error::{ReportError, StoreError},
    event::{EventType, NewEvent},
    id::{TaskId, TaskNumber},
    json::JsonObject,
    ports::TaskQueue,
    queue::{
        ClaimRequest, ClaimedTask, Conclusion, Conversation, Heartbeat, HeartbeatReply, Lease,
        Report, Reported, WorkerId,
    },
    review::{Proposal, Review},
    task::{
        Attempt,
        status::TaskStatus,
        work::{AgentWork, Mode, SessionLabel, Work},
    },
    testkit::build,
    usage::{Tokens, Usage, Usd},
};
use taskgate_worker::{Lane, Options, Runtime};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

/// What becomes of a task.
#[derive(Default)]
pub(super) struct Told {
    pub(super) events: Vec<NewEvent>,
    pub(super) conclusion: Option<Conclusion>,
    pub(super) proposal: Option<Proposal>,
    pub(super) progress: Vec<String>,
    /// How many earlier turns were asked for.
    pub(super) turns: Option<u16>,
}

/// What a queue with one task says.
#[derive(Default)]
pub(super) struct Queue {
    task: Mutex<Option<ClaimedTask>>,
    pub(super) told: Mutex<Told>,
    pub(super) before: Conversation,
    /// What earlier attempts consumed.
    pub(super) consumed: Usage,
    pub(super) review: Option<Review>,
    pub(super) paused: Mutex<bool>,
    pub(super) cancelled: Arc<AtomicBool>,
    ended: Notify,
}

#[async_trait]
impl TaskQueue for Queue {
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedTask>, StoreError> {
        let task = self.task.lock().unwrap().take();
        if task.is_none() {
            sleep(request.wait).await;
        }
        Ok(task.into_iter().collect())
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ReportError> {
        if let (Some(done), Some(total), Some(text)) =
            (heartbeat.progress, heartbeat.total, heartbeat.message)
        {
            self.told.lock().unwrap().progress.push(format!("{done}/{total} {text}"));
        }
        Ok(HeartbeatReply {
            lease_expires_at: build::in_an_hour(),
            cancel_requested: self.cancelled.load(Ordering::SeqCst),
            pause_requested: *self.paused.lock().unwrap(),
        })
    }

    async fn record(&self, _: Lease, events: Vec<NewEvent>) -> Result<i64, ReportError> {
        self.told.lock().unwrap().events.extend(events);
        Ok(1)
    }

    async fn conversation(&self, _: Lease, turns: u16) -> Result<Conversation, ReportError> {
        self.told.lock().unwrap().turns = Some(turns);
        Ok(self.before.clone())
    }

    async fn finish(&self, reports: Vec<Report>) -> Result<Vec<Reported>, StoreError> {
        let count = reports.len();
        self.told.lock().unwrap().conclusion = reports.into_iter().next().map(|it| it.conclusion);
        self.ended.notify_one();
        Ok((0..count).map(|_| Ok(TaskStatus::Completed)).collect())
    }

    async fn review(&self, _: Lease) -> Result<Option<Review>, ReportError> {
        Ok(self.review.clone())
    }

    async fn propose(&self, _: Lease, proposal: Proposal) -> Result<(), ReportError> {
        self.told.lock().unwrap().proposal = Some(proposal);
        self.ended.notify_one();
        Ok(())
    }
}

/// How the answerer answers.
#[derive(Default)]
pub(super) struct Script {
    /// The steps so far, each with what it was asked.
    pub(super) calls: Mutex<Vec<String>>,
    /// What the first steps fail with, if they do; the first of them last.
    pub(super) failures: Mutex<Vec<Option<AnswerError>>>,
    /// How long each step takes.
    pub(super) takes: Duration,
    /// The answer to the task's question when there are sources.
    pub(super) text: Option<&'static str>,
    /// Lives as long as a step.
    pub(super) alive: Arc<()>,
}

impl Script {
    async fn step<T>(&self, name: &str, asked: &str, value: T) -> Result<Reply<T>, AnswerError> {
        let _alive = self.alive.clone();
        self.calls.lock().unwrap().push(format!("{name}: {asked}"));
        sleep(self.takes).await;
        if let Some(Some(error)) = self.failures.lock().unwrap().pop() {
            return Err(error);
        }
        Ok(Reply { value, call: call() })
    }
}

/// What every step takes.
pub(super) fn call() -> ModelCall {
    ModelCall {
        provider: "acme".to_owned(),
        model: "m-1".to_owned(),
        tokens: Tokens::new(100, 20, None).unwrap(),
        cost: Usd::from_dollars(0.001).unwrap(),
    }
}

#[async_trait]
impl Answerer for Script {
    async fn plan(
        &self,
        brief: &Brief<'_>,
        breadth: usize,
        revision: Option<&Revision<'_>>,
    ) -> Result<Reply<Plan>, AnswerError> {
        let said = revision.map(|it| format!(" ({}, {})", it.plan, it.feedback));
        let asked = format!("{}{}", brief.question, said.unwrap_or_default());
        let questions = (1..=breadth + 1).map(|n| format!("part {n}")).collect();
        let plan = Plan { text: format!("{breadth} parts"), questions, intent: Intent::Ready };
        self.step("plan", &asked, plan).await
    }

    /// Searches, calculates what there is to calculate, and answers.
    async fn next(
        &self,
        brief: &Brief<'_>,
        _: &[ToolSpec],
        done: &[Observation],
    ) -> Result<Reply<Step>, AnswerError> {
        let tool = |tool: &str, input: &str| Step::Use { tool: tool.into(), input: input.into() };
        let step = match done.len() {
            _ if brief.question == "forever" => tool("no_such_tool", "x"),
            0 if brief.question != "unknown" => tool("search", brief.question),
            1 if brief.question == "How many?" => tool("calculator", "6 * 7"),
            _ => Step::Answer,
        };
        self.step("next", brief.question, step).await
    }

    async fn answer(
        &self,
        brief: &Brief<'_>,
        material: &Material<'_>,
        listener: &dyn Listener,
    ) -> Result<Reply<Answer>, AnswerError> {
        let text = match (material.sources.is_empty(), self.text) {
            (true, _) => "Nothing but an array: [1, 2].".to_owned(),
            (false, Some(text)) => text.to_owned(),
            (false, None) => format!("On {} [2] and more [1, 2] or less [9].", brief.question),
        };
        for piece in text.chars().collect::<Vec<_>>().chunks(3) {
            listener.hear(&piece.iter().collect::<String>()).await;
        }
        let turns: Vec<&str> = brief.history.iter().map(|turn| turn.query.as_str()).collect();
        let asked = format!(
            "{} {:?} {} sources {:?} {turns:?}",
            brief.question,
            brief.instructions.unwrap_or_default(),
            material.sources.len(),
            material.notes
        );
        self.step("answer", &asked, Answer { text, sources: material.sources.to_vec() }).await
    }

    async fn verify(
        &self,
        _: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Claim>>, AnswerError> {
        let claim = |text: &str, supporting: &[usize], conflicting: &[usize], confidence| Claim {
            text: text.to_owned(),
            supporting: supporting.to_vec(),
            conflicting: conflicting.to_vec(),
            confidence,
        };
        let claims = vec![
            claim("sure", &[2, 1, 2], &[], 0.9),
            claim("disputed", &[1], &[2], 0.5),
            claim("made up", &[9], &[0], f64::NAN),
        ];
        self.step("verify", &format!("{text} {}", sources.len()), claims).await
    }

    async fn extract(
        &self,
        _: &Brief<'_>,
        text: &str,
        sources: &[Source],
    ) -> Result<Reply<Vec<Fact>>, AnswerError> {
        let fact = |category: &str, confidence, time: Option<&str>| Fact {
            statement: format!("a fact of {category}"),
            confidence,
            sources: vec![1, 7],
            category: category.to_owned(),
            entities: vec!["taskgate".to_owned()],
            time: time.map(str::to_owned),
            quantitative: time.is_some(),
        };
        let facts = vec![
            fact("speed", 0.95, Some("2025")),
            fact("market", 7.0, None),
            fact("speed", 0.3, None),
        ];
        self.step("extract", &format!("{text} {}", sources.len()), facts).await
    }
}

/// The tools, with a search that finds as much as is wished: half of it the
/// same for every query.
fn tools() -> Toolbox {
    let source = |name: String, quality| Source {
        url: format!("doc:{name}"),
        title: format!("About {name}"),
        publisher: "docs".to_owned(),
        text: name,
        credibility: 1.0,
        quality,
    };
    Toolbox::new(move |query, most| {
        if query == "unknown" {
            return Vec::new();
        }
        (0..most)
            .map(|n| match n % 2 {
                0 => source(format!("{query} {n}"), 0.5),
                _ => source(format!("all {n}"), 0.75),
            })
            .collect()
    })
    .unwrap()
}

/// A task for an agent, and where it is put.
pub(super) struct Asked {
    pub(super) query: &'static str,
    pub(super) mode: Mode,
    pub(super) context: String,
    pub(super) queue: Queue,
    pub(super) script: Script,
}

pub(super) fn ask(query: &'static str, mode: Mode, context: &str) -> Asked {
    let context = context.to_owned();
    Asked { query, mode, context, queue: Queue::default(), script: Script::default() }
}

/// What has become of a task.
pub(super) struct Story {
    pub(super) queue: Arc<Queue>,
    pub(super) script: Arc<Script>,
}

impl Asked {
    /// Runs the task to its end, or for so many seconds.
    pub(super) async fn run_for(self, seconds: u64) -> Story {
        let Self { query, mode, context, queue, script } = self;
        let context = JsonObject::parse("context", context).unwrap();
        let session = SessionLabel::new("s-1").unwrap();
        let work = AgentWork::new(query.to_owned(), session, mode, context).unwrap();
        *queue.task.lock().unwrap() = Some(ClaimedTask {
            id: "task_01JARZ3NDEKTSV4RRFFQ69G5FA".parse::<TaskId>().unwrap(),
            number: TaskNumber::new(1).unwrap(),
            work: Work::Agent(work),
            attempt: Attempt::new(1).unwrap(),
            lease_expires_at: build::in_an_hour(),
            deadline: None,
            consumed: queue.consumed.clone(),
        });
        let (queue, script) = (Arc::new(queue), Arc::new(script));
        let offline = Arc::new(crate::offline::Offline::new(Arc::new(
            crate::library::Library::embedded().unwrap(),
        )));
        let agent = Agent::new(offline, tools()).with_model("acme", script.clone());
        let lane = Lane::new(Arc::new(agent), NonZeroU16::new(1).unwrap());
        let worker = WorkerId::new("w").unwrap();
        let runtime = Runtime::new(queue.clone(), worker, Options::default());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(runtime.run(vec![lane], stopped));
        drop(timeout(Duration::from_secs(seconds), queue.ended.notified()).await);
        stop.send_replace(true);
        running.await.unwrap();
        Story { queue, script }
    }

    pub(super) async fn run(self) -> Story {
        self.run_for(600).await
    }
}

impl Story {
    /// The events, one a line, without the pieces of the answer.
    pub(super) fn events(&self) -> String {
        let told = self.queue.told.lock().unwrap();
        let events = told.events.iter().filter(|it| *it.event_type() != EventType::LLM_PARTIAL);
        let lines = events.map(|event| {
            let payload = event.payload().map_or("", JsonObject::as_str);
            format!(
                "{} {}: {} {payload}",
                event.event_type().as_str(),
                event.agent().unwrap_or_default(),
                event.message().unwrap_or_default().replace('\n', "\\n")
            )
        });
        lines.map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// The pieces of the answer, together.
    pub(super) fn pieces(&self) -> String {
        let told = self.queue.told.lock().unwrap();
        let pieces = told.events.iter().filter(|it| *it.event_type() == EventType::LLM_PARTIAL);
        pieces.filter_map(NewEvent::message).collect()
    }

    pub(super) fn calls(&self) -> String {
        self.script.calls.lock().unwrap().join("\n")
    }

    pub(super) fn conclusion(&self) -> Conclusion {
        self.queue.told.lock().unwrap().conclusion.clone().expect("the task has ended")
    }

    /// The result.
    pub(super) fn result(&self) -> String {
        match self.conclusion() {
            Conclusion::Complete(outcome) => outcome.result.unwrap(),
            failed => panic!("{failed:?}"),
        }
    }

    /// The metadata, without what differs from run to run.
    pub(super) fn metadata(&self) -> serde_json::Value {
        let Conclusion::Complete(outcome) = self.conclusion() else { panic!("it has failed") };
        let mut metadata: serde_json::Value =
            serde_json::from_str(outcome.metadata.unwrap().as_str()).unwrap();
        let timestamp = metadata["unified_response"]["timestamp"].take();
        assert!(timestamp.as_str().unwrap().ends_with('Z'));
        metadata
    }

    /// Why the task failed, whether it is to be tried again, and the tokens
    /// that it took.
    pub(super) fn failure(&self) -> (String, bool, i64) {
        match self.conclusion() {
            Conclusion::Fail { outcome, retry } => {
                (outcome.reason().to_owned(), retry.is_some(), outcome.usage.tokens().total())
            }
            completed => panic!("{completed:?}"),
        }
    }
}
