//! Compares what the store shows with the model.

use super::{
    call::LISTS,
    checker::{Checker, list_project},
    world::Entry,
};
use crate::{
    id::TaskNumber,
    query::TaskScope,
    task::{Task, TaskState, status::TaskStatus},
    testkit::build,
};
use std::collections::BTreeSet;

impl Checker {
    pub(super) async fn compare_all(&self) {
        self.compare(&(0..self.world.tasks.len()).collect::<Vec<_>>()).await;
    }

    pub(super) async fn compare(&self, touched: &[usize]) {
        for n in touched {
            let entry = &self.world.tasks[*n];
            let task = self.ports.task(entry.number).await;
            compare_task(&task, entry);
            assert_eq!(self.ports.log_types(entry.number).await, entry.log, "{entry:?}");
            let history = self.ports.events.history(vec![entry.number], 0, 1_000).await;
            let history = history.expect("the history is read").into_iter();
            let history: Vec<_> =
                history.map(|(_, event)| event.event.event_type().as_str().to_owned()).collect();
            assert_eq!(history, entry.history(), "{entry:?}");
        }
        let lists: BTreeSet<usize> = touched.iter().map(|n| self.world.tasks[*n].list).collect();
        for list in lists {
            self.compare_lists(list, touched).await;
            if list < 2 {
                self.compare_session(list).await;
            }
        }
    }

    /// Compares what a user's session adds up to.
    async fn compare_session(&self, list: usize) {
        let label = build::label("chat");
        let session = self.ports.conversation(self.users[list].user, &label).await;
        let session = session.expect("the session exists");
        let tasks = || self.world.tasks.iter().filter(|entry| entry.list == list);
        let count = |statuses: &[TaskStatus]| {
            i64::try_from(tasks().filter(|entry| statuses.contains(&entry.status)).count())
        };
        assert_eq!(Ok(session.tasks), count(&TaskStatus::ALL));
        assert_eq!(Ok(session.succeeded), count(&[TaskStatus::Completed]));
        assert_eq!(Ok(session.failed), count(&[TaskStatus::Failed, TaskStatus::TimedOut]));
        let ended = || tasks().filter(|entry| entry.status.is_final());
        let tokens: i64 = ended().map(|entry| entry.usage.tokens().total()).sum();
        let nanos: i64 = ended().map(|entry| entry.usage.cost().nanos()).sum();
        assert_eq!((session.tokens, session.cost.nanos()), (tokens, nanos));
        let latest = tasks().next_back().map(|entry| entry.status);
        assert_eq!(session.latest.map(|latest| latest.status), latest);
    }

    /// Compares the lists that show a list's tasks, whole and filtered.
    async fn compare_lists(&self, list: usize, touched: &[usize]) {
        let statuses: BTreeSet<_> = touched.iter().map(|n| self.world.tasks[*n].status).collect();
        let statuses: Vec<TaskStatus> = statuses.into_iter().collect();
        for (scope, shown) in self.scopes(list).await {
            for filter in [&[][..], &statuses] {
                let matches = |entry: &&Entry| {
                    shown[entry.list] && (filter.is_empty() || filter.contains(&entry.status))
                };
                let entries = self.world.tasks.iter().rev().filter(matches);
                let expected: Vec<(TaskNumber, TaskStatus)> =
                    entries.map(|entry| (entry.number, entry.status)).collect();
                let page = self.ports.list(&scope, filter).await;
                let real: Vec<_> = page.tasks.iter().map(|t| (t.number, t.status)).collect();
                assert_eq!(real, expected, "{scope:?} {filter:?}");
                assert_eq!(usize::try_from(page.total), Ok(real.len()), "{scope:?} {filter:?}");
            }
        }
    }

    /// The scopes that show a list, each with the lists that it shows.
    async fn scopes(&self, list: usize) -> Vec<(TaskScope, [bool; LISTS])> {
        let mut alone = [false; LISTS];
        alone[list] = true;
        if list < 2 {
            let user = self.users[list].user;
            let session = self.ports.session(user, &build::label("chat")).await;
            let session = session.expect("the session exists");
            return vec![(TaskScope::User(user), alone), (TaskScope::Session(session), alone)];
        }
        let tenant = self.users[0].tenant;
        let projects = [2, 3].map(|list| build::project(list_project(list)));
        let both = [false, false, true, true];
        vec![
            (TaskScope::Tenant(tenant), both),
            (TaskScope::Projects(tenant, BTreeSet::from(projects)), both),
            (TaskScope::Projects(tenant, BTreeSet::from([projects[list - 2]])), alone),
        ]
    }
}

fn compare_task(task: &Task, entry: &Entry) {
    let progress = (task.progress().current(), task.progress().total());
    assert_eq!((task.status(), progress), (entry.status, entry.progress), "{entry:?}");
    let (attempt, note) = match &task.state {
        TaskState::Live(live) => (live.attempt, &live.pause),
        TaskState::Finished(finished) => {
            assert_eq!(finished.outcome.usage, entry.usage, "{entry:?}");
            (finished.attempt, &finished.cancel)
        }
    };
    let attempt = attempt.map_or(0, |attempt| attempt.get().into());
    assert_eq!(attempt, entry.attempt, "{entry:?}");
    let noted = matches!(entry.status, TaskStatus::Paused | TaskStatus::Cancelled);
    assert_eq!(note.is_some(), noted, "{entry:?}");
}
