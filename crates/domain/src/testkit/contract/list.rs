//! Lists: order, pages, filters, totals, and whose tasks they show.

use crate::{
    id::{SessionId, TenantId, UserId},
    query::{TaskQuery, TaskScope},
    queue::ClaimRequest,
    task::{
        Subject,
        status::TaskStatus,
        work::{Kind, Mode, TaskType},
    },
    testkit::{Ports, build},
};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

fn projects(tenant: TenantId, numbers: &[i64]) -> TaskScope {
    TaskScope::Projects(tenant, numbers.iter().map(|number| build::project(*number)).collect())
}

pub async fn an_empty_store_has_empty_lists(ports: &Ports) {
    let session = SessionId(Uuid::new_v4());
    for scope in [
        TaskScope::User(UserId::DEFAULT),
        TaskScope::Session(session),
        TaskScope::Tenant(TenantId::DEFAULT),
        projects(TenantId::DEFAULT, &[1, 2]),
        TaskScope::Projects(TenantId::DEFAULT, BTreeSet::new()),
    ] {
        for statuses in [&[][..], &TaskStatus::ALL] {
            let page = ports.list(&scope, statuses).await;
            assert_eq!((page.tasks.len(), page.total), (0, 0), "{scope:?}");
        }
    }
}

pub async fn a_list_shows_the_newest_first(ports: &Ports) {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(ports.submit_any().await.number);
    }
    // What happens to a task does not move it.
    let first = ports.claim_one().await;
    ports.finish(build::lease(&first), build::complete("done")).await.expect("it ends");
    made.reverse();
    assert_eq!(ports.numbers(&TaskScope::User(UserId::DEFAULT)).await, made);
}

pub async fn pages_cut_a_list_without_overlap(ports: &Ports) {
    for _ in 0..7 {
        ports.submit_any().await;
    }
    let scope = TaskScope::User(UserId::DEFAULT);
    let whole = ports.numbers(&scope).await;
    for (limit, offset, expected) in
        [(3, 0, &whole[..3]), (3, 3, &whole[3..6]), (3, 6, &whole[6..]), (500, 2, &whole[2..])]
    {
        let query = TaskQuery {
            scope: scope.clone(),
            statuses: Vec::new(),
            page: build::page(limit, offset),
        };
        let page = ports.tasks.list(query).await.expect("the page is read");
        let numbers: Vec<_> = page.tasks.iter().map(|task| task.number).collect();
        assert_eq!((numbers.as_slice(), page.total), (expected, 7));
    }
}

pub async fn an_offset_past_the_end_shows_nothing_but_the_total(ports: &Ports) {
    ports.submit_any().await;
    for offset in [1, 500, i64::MAX] {
        for statuses in [Vec::new(), vec![TaskStatus::Queued]] {
            let scope = TaskScope::User(UserId::DEFAULT);
            let query = TaskQuery { scope, statuses, page: build::page(10, offset) };
            let page = ports.tasks.list(query).await.expect("the page is read");
            assert_eq!((page.tasks.len(), page.total), (0, 1), "offset {offset}");
        }
    }
}

pub async fn a_list_shows_what_was_asked(ports: &Ports) {
    let agent = ports.submit_any().await;
    let job = build::research_task_of(TenantId::DEFAULT, build::project(3), TaskType::Ocr);
    let job = ports.submit(job).await;
    let agents = ports.list(&TaskScope::User(UserId::DEFAULT), &[]).await.tasks;
    let jobs = ports.list(&TaskScope::Tenant(TenantId::DEFAULT), &[]).await.tasks;
    let query = "Why is the sky blue?".to_owned();
    assert_eq!(agents[0].subject, Subject::Agent { query, mode: Mode::Simple });
    let (project, task_type) = (build::project(3), TaskType::Ocr);
    assert_eq!(jobs[0].subject, Subject::Research { project, task_type });
    for (shown, task) in [(&agents[0], agent), (&jobs[0], job)] {
        assert_eq!((shown.number, shown.id), (task.number, task.id));
        assert_eq!((shown.status, shown.progress), (task.status(), task.progress()));
        assert_eq!((shown.created_at, shown.finished), (task.created_at, None));
    }
}

pub async fn lists_are_apart_by_user_session_tenant_and_project(ports: &Ports) {
    let one = ports.user("one", "ada").await;
    let two = ports.user("two", "ada").await;
    let colleague = ports.user("one", "bob").await;
    let chat = build::label("chat");
    let mut lists = Vec::new();
    for user in [one.user, two.user, colleague.user] {
        let task = ports.submit(build::agent_task_in(user, chat.clone())).await.number;
        let elsewhere = ports.submit(build::agent_task(user)).await.number;
        let session = ports.session(user, &chat).await.expect("the session exists");
        lists.push((TaskScope::User(user), vec![elsewhere, task]));
        lists.push((TaskScope::Session(session), vec![task]));
    }
    for tenant in [one.tenant, two.tenant] {
        let mut made = Vec::new();
        for number in [1, 2, 3] {
            let job = build::research_task(tenant, build::project(number));
            made.push(ports.submit(job).await.number);
            lists.push((projects(tenant, &[number]), vec![made[made.len() - 1]]));
        }
        lists.push((projects(tenant, &[1, 3]), vec![made[2], made[0]]));
        lists.push((projects(tenant, &[1, 2, 3, 4]), vec![made[2], made[1], made[0]]));
        lists.push((TaskScope::Tenant(tenant), vec![made[2], made[1], made[0]]));
        lists.push((projects(tenant, &[4]), Vec::new()));
    }
    for (scope, expected) in lists {
        let page = ports.list(&scope, &[TaskStatus::Queued]).await;
        assert_eq!(ports.numbers(&scope).await, expected, "{scope:?}");
        assert_eq!(i64::try_from(expected.len()), Ok(page.total), "{scope:?}");
    }
}

pub async fn pages_run_over_several_projects_together(ports: &Ports) {
    let mut made = Vec::new();
    for number in [1, 2, 3, 1, 2, 3, 1] {
        let job = build::research_task(TenantId::DEFAULT, build::project(number));
        made.push(ports.submit(job).await.number);
    }
    let page = build::page(2, 1);
    let query = TaskQuery {
        scope: projects(TenantId::DEFAULT, &[1, 2]),
        statuses: vec![TaskStatus::Queued, TaskStatus::Running],
        page,
    };
    let page = ports.tasks.list(query).await.expect("the page is read");
    let numbers: Vec<_> = page.tasks.iter().map(|task| task.number).collect();
    assert_eq!((numbers, page.total), (vec![made[4], made[3]], 5));
}

/// Leaves tasks of every reachable status in every kind of list.
async fn a_full_store(ports: &Ports) -> Vec<TaskScope> {
    let ada = ports.user("tenant", "ada").await;
    let chat = build::label("chat");
    let new = |n: i64| match n % 3 {
        0 => build::agent_task_in(ada.user, chat.clone()),
        1 => build::agent_task(ada.user),
        _ => build::research_task(ada.tenant, build::project(n % 2 + 1)),
    };
    for n in 0..6 {
        ports.submit(build::with(new(n), |o| o.with_timeout_seconds(1))).await;
    }
    ports.reap_deadlines(6).await;
    for n in 0..24 {
        ports.submit(new(n)).await;
    }
    for (n, task) in ports.claim(build::claim(21)).await.iter().enumerate() {
        let lease = build::lease(task);
        match n / 5 {
            0 => drop(ports.finish(lease, build::complete("{}")).await.expect("it ends")),
            1 => drop(ports.finish(lease, build::fail("broken")).await.expect("it ends")),
            2 => drop(ports.cancel(task.number).await),
            3 => drop(ports.pause(task.number).await),
            _ => {}
        }
    }
    let session = ports.session(ada.user, &chat).await.expect("the session exists");
    vec![
        TaskScope::User(ada.user),
        TaskScope::Session(session),
        TaskScope::Tenant(ada.tenant),
        projects(ada.tenant, &[1]),
        projects(ada.tenant, &[1, 2]),
    ]
}

pub async fn every_combination_of_statuses_filters_exactly(ports: &Ports) {
    for scope in a_full_store(ports).await {
        let all = ports.list(&scope, &[]).await.tasks;
        for bits in 1_u8..1 << TaskStatus::ALL.len() {
            let chosen = |n: usize| bits >> n & 1 == 1;
            let statuses = TaskStatus::ALL.into_iter().enumerate();
            let statuses: Vec<_> = statuses.filter(|(n, _)| chosen(*n)).map(|(_, s)| s).collect();
            let page = ports.list(&scope, &statuses).await;
            let expected = all.iter().filter(|task| statuses.contains(&task.status));
            assert!(page.tasks.iter().eq(expected), "{scope:?} {statuses:?}");
            assert_eq!(i64::try_from(page.tasks.len()), Ok(page.total), "{scope:?} {statuses:?}");
        }
    }
}

pub async fn pages_cut_a_filtered_list(ports: &Ports) {
    for scope in a_full_store(ports).await {
        for statuses in [
            vec![TaskStatus::Queued, TaskStatus::Completed, TaskStatus::TimedOut],
            vec![TaskStatus::Failed, TaskStatus::Cancelled],
        ] {
            let whole = ports.list(&scope, &statuses).await;
            let mut pieces = Vec::new();
            for offset in 0..=whole.total {
                let scope = scope.clone();
                let page = build::page(1, offset);
                let query = TaskQuery { scope, statuses: statuses.clone(), page };
                let page = ports.tasks.list(query).await.expect("the page is read");
                assert_eq!(page.total, whole.total);
                pieces.extend(page.tasks);
            }
            assert_eq!(pieces, whole.tasks, "{scope:?} {statuses:?}");
        }
    }
}

pub async fn totals_follow_a_pause(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await;
    let chat = build::label("chat");
    for kind in [Kind::Agent, Kind::Research(TaskType::Search)] {
        let claim = ClaimRequest { kinds: vec![kind], ..build::lapsing_claim(1) };
        let finish =
            |lease, end| async move { ports.finish(lease, end).await.expect("it is taken") };
        for end in ["complete", "cancel", "let go", "expire"] {
            let task = ports.submit(match kind {
                Kind::Agent => build::agent_task_in(ada.user, chat.clone()),
                Kind::Research(_) => build::research_task(ada.tenant, build::project(1)),
            });
            let number = task.await.number;
            let session = ports.session(ada.user, &chat).await.expect("the session exists");
            let scopes = [
                TaskScope::User(ada.user),
                TaskScope::Session(session),
                TaskScope::Tenant(ada.tenant),
                projects(ada.tenant, &[1]),
            ];
            ports.pause(number).await;
            ports.check_totals(&scopes).await;
            ports.resume(number).await;
            ports.check_totals(&scopes).await;
            let claimed = ports.claim(claim.clone()).await;
            ports.pause(number).await;
            ports.check_totals(&scopes).await;
            let lease = build::lease(&claimed[0]);
            match end {
                "complete" => drop(finish(lease, build::complete("{}")).await),
                "cancel" => drop(ports.cancel(number).await),
                "let go" => drop(finish(lease, build::retry_after("", Duration::ZERO)).await),
                _ => drop(ports.reap().await),
            }
            ports.check_totals(&scopes).await;
            // What still lives goes back to the queue, out of the next one's way.
            ports.resume(number).await;
            ports.check_totals(&scopes).await;
            ports.cancel(number).await;
            ports.check_totals(&scopes).await;
        }
    }
}

pub async fn totals_follow_every_transition(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await;
    let chat = build::label("chat");
    for kind in [Kind::Agent, Kind::Research(TaskType::Search)] {
        let new = |attempts| {
            let task = match kind {
                Kind::Agent => build::agent_task_in(ada.user, chat.clone()),
                Kind::Research(_) => build::research_task(ada.tenant, build::project(1)),
            };
            build::with(task, |o| o.with_max_attempts(attempts))
        };
        ports.submit(new(3)).await;
        let session = ports.session(ada.user, &chat).await.expect("the session exists");
        let scopes = [
            TaskScope::User(ada.user),
            TaskScope::Session(session),
            TaskScope::Tenant(ada.tenant),
            projects(ada.tenant, &[1]),
        ];
        let lapsing = ClaimRequest { kinds: vec![kind], ..build::lapsing_claim(1) };
        ports.check_totals(&scopes).await;
        let claimed = ports.claim(lapsing.clone()).await;
        ports.check_totals(&scopes).await;
        assert_eq!(ports.reap().await.expired, 1, "the task returns to the queue");
        ports.check_totals(&scopes).await;
        let claimed = [claimed, ports.claim(lapsing.clone()).await].concat();
        let retry = build::retry_after("again", Duration::ZERO);
        ports.finish(build::lease(&claimed[1]), retry).await.expect("it is tried again");
        ports.check_totals(&scopes).await;
        let last = ports.claim(lapsing.clone()).await;
        ports.finish(build::lease(&last[0]), build::complete("{}")).await.expect("it ends");
        ports.check_totals(&scopes).await;

        let queued = ports.submit(new(1)).await;
        ports.cancel(queued.number).await;
        ports.check_totals(&scopes).await;
        ports.submit(new(1)).await;
        let doomed = ports.claim(lapsing.clone()).await;
        ports.cancel(doomed[0].number).await;
        ports.check_totals(&scopes).await;
        ports.submit(new(1)).await;
        let failing = ports.claim(lapsing.clone()).await;
        ports.finish(build::lease(&failing[0]), build::fail("broken")).await.expect("it ends");
        ports.check_totals(&scopes).await;
        ports.submit(new(1)).await;
        ports.claim(lapsing).await;
        assert_eq!(ports.reap().await.expired, 1, "the task fails");
        ports.check_totals(&scopes).await;
        ports.submit(build::with(new(1), |o| o.with_timeout_seconds(1))).await;
        ports.reap_deadlines(1).await;
        ports.check_totals(&scopes).await;
        ports.maintenance.tidy().await.expect("the store is tidied");
        ports.check_totals(&scopes).await;
    }
}
