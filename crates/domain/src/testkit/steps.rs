//! Steps that stories share.

use super::{Ports, build};
use crate::{
    control::{Control, ControlRequest, Controlled},
    event::{NewEvent, TaskEvent},
    id::{KeyId, SessionId, TaskNumber, UserId},
    key::{ApiKey, KeyGrant, KeyOwner, KeySecret, NewApiKey, Principal, Scope},
    query::{TaskKey, TaskPage, TaskQuery, TaskScope},
    queue::{
        ClaimRequest, ClaimedTask, Conclusion, Heartbeat, HeartbeatReply, Lease, Reaped, Report,
        Reported,
    },
    review::{Review, ReviewError, ReviewRequest},
    session::Session,
    task::{
        Task,
        status::{FinalStatus, TaskStatus},
        submit::{NewTask, Submission, SubmissionKind},
        work::{Kind, SessionLabel, TaskType},
    },
};
use futures_util::future::{Either, select};
use std::{
    collections::BTreeSet,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

impl Ports {
    /// A user of a tenant, both made when their names are new.
    pub async fn user(&self, tenant: &str, user: &str) -> Principal {
        let grant = KeyGrant::new(
            "key".to_owned(),
            KeyOwner::Named { tenant: Some(tenant.to_owned()), user: Some(user.to_owned()) },
            BTreeSet::from([Scope::Gateway]),
            BTreeSet::new(),
            None,
        );
        self.key(grant.expect("the grant is valid")).await.1.principal
    }

    /// A new key and its secret.
    pub async fn key(&self, grant: KeyGrant) -> (KeySecret, ApiKey) {
        let secret = KeySecret::generate().expect("the system has randomness");
        let id = KeyId(Uuid::new_v4());
        let key = NewApiKey { id, hash: secret.hash(), hint: secret.hint(), grant };
        (secret, self.keys.create_key(key).await.expect("the key is stored"))
    }

    /// What comes of a submit.
    pub async fn submission(&self, task: NewTask) -> Submission {
        self.tasks.submit(task).await.expect("the submit is answered")
    }

    /// A task that this submit has made.
    pub async fn submit(&self, task: NewTask) -> Task {
        let submission = self.submission(task).await;
        assert_eq!(submission.kind, SubmissionKind::Created);
        submission.task
    }

    /// A task of the default user that this submit has made.
    pub async fn submit_any(&self) -> Task {
        self.submit(build::agent_task(UserId::DEFAULT)).await
    }

    /// A task that exists.
    pub async fn task(&self, number: TaskNumber) -> Task {
        let found = self.tasks.find(TaskKey::Number(number)).await.expect("the task is read");
        found.expect("the task exists")
    }

    /// Where a task is in its life.
    pub async fn status(&self, number: TaskNumber) -> TaskStatus {
        self.task(number).await.status()
    }

    /// A list as far as one page shows it, filtered when statuses are given.
    pub async fn list(&self, scope: &TaskScope, statuses: &[TaskStatus]) -> TaskPage {
        let query =
            TaskQuery { scope: scope.clone(), statuses: statuses.to_vec(), page: build::whole() };
        self.tasks.list(query).await.expect("the list is read")
    }

    /// The numbers of the tasks in a list, the newest first.
    pub async fn numbers(&self, scope: &TaskScope) -> Vec<TaskNumber> {
        self.list(scope, &[]).await.tasks.iter().map(|task| task.number).collect()
    }

    /// A user's session.
    pub async fn session(&self, user: UserId, label: &SessionLabel) -> Option<SessionId> {
        self.sessions.find_session(user, label).await.expect("the session is looked up")
    }

    /// A user's session with what its tasks add up to.
    pub async fn conversation(&self, user: UserId, label: &SessionLabel) -> Option<Session> {
        self.sessions.session(user, label).await.expect("the session is read")
    }

    /// Whether a user's session is deleted now.
    pub async fn delete_session(&self, user: UserId, label: &SessionLabel) -> bool {
        self.sessions.delete_session(user, label).await.expect("the delete is answered")
    }

    /// What a worker gets.
    pub async fn claim(&self, request: ClaimRequest) -> Vec<ClaimedTask> {
        self.queue.claim(request).await.expect("the claim is answered")
    }

    /// The one task that is due, held for an hour.
    pub async fn claim_one(&self) -> ClaimedTask {
        self.only(build::claim(1)).await
    }

    /// The one task that is due, under a lease that has ended.
    pub async fn claim_lapsing(&self) -> ClaimedTask {
        self.only(build::lapsing_claim(1)).await
    }

    async fn only(&self, request: ClaimRequest) -> ClaimedTask {
        self.claim(request).await.pop().expect("a task is due")
    }

    /// A task of the default user in a worker's hands.
    pub async fn running(&self) -> ClaimedTask {
        self.submit_any().await;
        self.claim_one().await
    }

    /// The same, then paused.
    pub async fn running_paused(&self) -> ClaimedTask {
        let task = self.running().await;
        assert!(self.pause(task.number).await.accepted, "a running task is paused");
        task
    }

    /// The answer to a sign of life that is accepted.
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> HeartbeatReply {
        self.queue.heartbeat(heartbeat).await.expect("the heartbeat is accepted")
    }

    /// The answer to one report.
    pub async fn finish(&self, lease: Lease, conclusion: Conclusion) -> Reported {
        let mut answers = self.finish_all(vec![Report { lease, conclusion }]).await;
        assert_eq!(answers.len(), 1, "one report has one answer");
        answers.remove(0)
    }

    /// The answers to several reports.
    pub async fn finish_all(&self, reports: Vec<Report>) -> Vec<Reported> {
        self.queue.finish(reports).await.expect("the reports are answered")
    }

    /// What comes of a cancel.
    pub async fn cancel(&self, number: TaskNumber) -> Controlled {
        self.control(build::control(number, Control::Cancel)).await
    }

    /// What comes of a pause.
    pub async fn pause(&self, number: TaskNumber) -> Controlled {
        self.control(build::control(number, Control::Pause)).await
    }

    /// What comes of a resume.
    pub async fn resume(&self, number: TaskNumber) -> Controlled {
        self.control(build::control(number, Control::Resume)).await
    }

    /// What comes of a control of a task that exists.
    pub async fn control(&self, request: ControlRequest) -> Controlled {
        let answer = self.tasks.control(request).await.expect("the control is answered");
        answer.expect("the task exists")
    }

    /// A task of the default user whose worker has proposed this plan.
    pub async fn proposed(&self, plan: &str) -> ClaimedTask {
        let task = self.running().await;
        self.propose(&task, plan).await;
        task
    }

    /// Proposes a plan, which is taken.
    pub async fn propose(&self, task: &ClaimedTask, plan: &str) {
        let answer = self.queue.propose(build::lease(task), build::proposal(plan)).await;
        answer.expect("the plan is taken");
    }

    /// The review of a task's plan.
    pub async fn review(&self, number: TaskNumber) -> Review {
        let review = self.reviews.find_review(number).await.expect("the review is read");
        review.expect("a plan was proposed")
    }

    /// What comes of a word on a plan.
    pub async fn respond(&self, request: ReviewRequest) -> Result<Option<i64>, ReviewError> {
        self.reviews.respond(request).await
    }

    /// What is found to be over.
    pub async fn reap(&self) -> Reaped {
        self.maintenance.reap(500).await.expect("the reaper runs")
    }

    /// Runs the reaper, for one task at a time, until it has ended so many at
    /// their deadline.
    pub async fn reap_deadlines(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        let mut timed_out = 0;
        while timed_out < count {
            assert!(Instant::now() < end, "{timed_out} of {count} deadlines were noticed");
            match self.maintenance.reap(1).await.expect("the reaper runs").timed_out {
                0 => self.pass_a_moment().await,
                1 => timed_out += 1,
                more => panic!("the reaper ended {more} tasks where it might end 1"),
            }
        }
        assert_eq!(self.reap().await.timed_out, 0, "no other deadline has passed");
    }

    /// What a future comes to, which must be before patience ends.
    pub async fn soon<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let nothing = ClaimRequest {
            kinds: vec![Kind::Research(TaskType::KeywordExpand)],
            wait: PATIENCE,
            ..build::claim(1)
        };
        match select(pin!(future), pin!(self.claim(nothing))).await {
            Either::Left((value, _)) => value,
            Either::Right(_) => panic!("{what} does not come"),
        }
    }

    /// Lets a moment pass: the length of a claim that nothing can answer.
    pub async fn pass_a_moment(&self) {
        let nothing = ClaimRequest {
            kinds: vec![Kind::Research(TaskType::KeywordExpand)],
            wait: Duration::from_millis(50),
            ..build::claim(1)
        };
        assert!(self.claim(nothing).await.is_empty(), "nothing of this kind was submitted");
    }

    /// A task's whole log.
    pub async fn log(&self, number: TaskNumber) -> Vec<Arc<TaskEvent>> {
        let mut log = Vec::new();
        loop {
            let after = log.last().map_or(0, |event: &Arc<TaskEvent>| event.seq);
            let more = self.events.events(number, after, 1_000).await.expect("the log is read");
            if more.is_empty() {
                return log;
            }
            log.extend(more);
        }
    }

    /// What a task's log tells, without when.
    pub async fn story(&self, number: TaskNumber) -> Vec<NewEvent> {
        self.log(number).await.iter().map(|event| event.event.clone()).collect()
    }

    /// The names of a task's events, after checking that they are numbered
    /// from 1 without gaps.
    pub async fn log_types(&self, number: TaskNumber) -> Vec<String> {
        let log = self.log(number).await;
        assert!(log.iter().zip(1..).all(|(event, seq)| event.seq == seq), "{log:?}");
        log.iter().map(|event| event.event.event_type().as_str().to_owned()).collect()
    }

    /// Checks that each of the lists is as long as its total says, whatever
    /// the filter.
    pub async fn check_totals(&self, scopes: &[TaskScope]) {
        for scope in scopes {
            let all = self.list(scope, &[]).await;
            assert_eq!(i64::try_from(all.tasks.len()), Ok(all.total), "{scope:?}");
            for status in TaskStatus::ALL {
                let real = all.tasks.iter().filter(|task| task.status == status).count();
                let page = self.list(scope, &[status]).await;
                assert_eq!(page.tasks.len(), real, "{scope:?} {status}");
                assert_eq!(i64::try_from(real), Ok(page.total), "{scope:?} {status}");
            }
        }
    }

    /// A new task of the default user that has ended in this way.
    pub async fn ended(&self, status: FinalStatus) -> Task {
        let task = match status {
            FinalStatus::TimedOut => {
                let task = build::agent_task(UserId::DEFAULT);
                let task = self.submit(build::with(task, |o| o.with_timeout_seconds(1))).await;
                self.reap_deadlines(1).await;
                task
            }
            FinalStatus::Cancelled => {
                let task = self.submit_any().await;
                self.cancel(task.number).await;
                task
            }
            FinalStatus::Completed | FinalStatus::Failed => {
                let task = self.submit_any().await;
                let conclusion = match status {
                    FinalStatus::Completed => build::complete("done"),
                    _ => build::fail("broken"),
                };
                let claimed = self.claim_one().await;
                assert_eq!(claimed.number, task.number, "the only task that is due");
                self.finish(build::lease(&claimed), conclusion).await.expect("it is accepted");
                task
            }
        };
        let task = self.task(task.number).await;
        assert_eq!(task.status(), status.into());
        task
    }
}
