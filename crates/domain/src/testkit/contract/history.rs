//! What is kept of logs.

use crate::{
    event::{EventType, NewEvent, TaskEvent},
    id::TaskNumber,
    queue::ClaimedTask,
    testkit::{Ports, build},
};

type History = Vec<(TaskNumber, TaskEvent)>;

async fn history(ports: &Ports, tasks: &[TaskNumber], offset: i64, limit: u16) -> History {
    let history = ports.events.history(tasks.to_vec(), offset, limit).await;
    history.expect("the history is read")
}

/// A task whose log has pieces of output between other events.
async fn with_pieces(ports: &Ports) -> ClaimedTask {
    let task = ports.running().await;
    let piece = || NewEvent::new(EventType::LLM_PARTIAL, None, Some("It ".to_owned()), None);
    let piece = || piece().expect("the event is valid");
    let events = vec![piece(), build::event("A"), piece(), piece(), build::event("B"), piece()];
    ports.queue.record(build::lease(&task), events).await.expect("they are recorded");
    task
}

/// A log without the pieces of output.
async fn kept(ports: &Ports, number: TaskNumber) -> History {
    let log = ports.log(number).await;
    let kept = log.iter().filter(|event| event.event.event_type() != &EventType::LLM_PARTIAL);
    kept.map(|event| (number, TaskEvent::clone(event))).collect()
}

pub async fn a_history_has_all_but_pieces_of_output(ports: &Ports) {
    let number = with_pieces(ports).await.number;
    let whole = history(ports, &[number], 0, 500).await;
    assert_eq!(whole, kept(ports, number).await);
    assert_eq!(whole.iter().map(|(_, event)| event.seq).collect::<Vec<_>>(), [1, 2, 4, 7]);
}

pub async fn a_history_of_what_has_ended_stays(ports: &Ports) {
    let task = with_pieces(ports).await;
    ports.finish(build::lease(&task), build::complete("done")).await.expect("it ends");
    let whole = history(ports, &[task.number], 0, 500).await;
    assert_eq!(whole, kept(ports, task.number).await);
    assert_eq!(whole.len(), 7);
}

pub async fn histories_follow_the_numbers_of_their_tasks(ports: &Ports) {
    let tasks = [with_pieces(ports).await, with_pieces(ports).await, with_pieces(ports).await];
    let numbers = tasks.map(|task| task.number);
    let mut expected = Vec::new();
    for number in numbers {
        expected.extend(kept(ports, number).await);
    }
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let asked = order.map(|n: usize| numbers[n]);
        assert_eq!(history(ports, &asked, 0, 500).await, expected);
    }
    let others = history(ports, &[numbers[2], numbers[0]], 0, 500).await;
    assert_eq!(others, [&expected[..4], &expected[8..]].concat());
}

pub async fn a_history_is_cut_without_overlap(ports: &Ports) {
    let numbers = [with_pieces(ports).await.number, with_pieces(ports).await.number];
    let whole = history(ports, &numbers, 0, 500).await;
    assert_eq!(whole.len(), 8);
    for (offset, limit, expected) in [
        (0, 3, &whole[..3]),
        (3, 3, &whole[3..6]),
        (6, 3, &whole[6..]),
        (8, 3, &[]),
        (i64::MAX, 3, &[]),
    ] {
        let part = history(ports, &numbers, offset, limit).await;
        assert_eq!(part, expected, "{limit} after {offset}");
    }
}

pub async fn a_history_of_no_task_is_empty(ports: &Ports) {
    let number = ports.running().await.number;
    assert!(history(ports, &[], 0, 500).await.is_empty());
    assert!(history(ports, &[build::unknown_number()], 0, 500).await.is_empty());
    let both = history(ports, &[build::unknown_number(), number], 0, 500).await;
    assert_eq!(both, kept(ports, number).await);
}
