//! The calls that sequences are made of.

use crate::{
    control::Control,
    review::{Feedback, Response},
    task::work::{Kind, TaskType},
};
use proptest::{option, prelude::*, sample::Index};

/// One call, its task chosen among those that were submitted by then.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Submit {
        list: usize,
        priority: i64,
        attempts: i64,
        total: i64,
        later: bool,
        again: Again,
    },
    Claim {
        kinds: Vec<Kind>,
        max: u16,
        lapsing: bool,
    },
    Heartbeat {
        task: Index,
        attempt: Which,
        lapsing: Option<bool>,
        progress: Option<i64>,
        tell: bool,
    },
    Record {
        task: Index,
        attempt: Which,
        what: Told,
        events: usize,
    },
    Finish(Vec<(Index, Which, End)>),
    Control {
        task: Index,
        control: Control,
        key: Option<u8>,
    },
    Propose {
        task: Index,
        attempt: Which,
    },
    Respond {
        task: Index,
        response: Response,
        version: Option<u16>,
    },
    Reap,
    Tidy,
}

/// What may make a submit find an earlier task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Again {
    Never,
    Idempotent(u8),
    Unique(u8),
}

/// Which claim a worker speaks of: the latest, or one before or after it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Earlier,
    Latest,
    Later,
}

/// What a worker records.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Note,
    /// A piece of output.
    Piece,
    /// Its own answer to the question.
    Answer,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Complete,
    Fail,
    RetryNow,
    RetryLater,
    Release,
}

/// The number of lists that tasks are submitted to: two users and two projects.
pub(super) const LISTS: usize = 4;

pub(super) fn any() -> impl Strategy<Value = Call> {
    let task = proptest::arbitrary::any::<Index>;
    let flag = proptest::bool::weighted;
    let submit =
        (0..LISTS, -1..=1_i64, 1..=3_i64, prop_oneof![Just(0_i64), Just(10)], flag(0.1), again())
            .prop_map(|(list, priority, attempts, total, later, again)| Call::Submit {
                list,
                priority,
                attempts,
                total,
                later,
                again,
            });
    let claim = (kinds(), 1..=4_u16, flag(0.5)).prop_map(|(kinds, max, lapsing)| Call::Claim {
        kinds,
        max,
        lapsing,
    });
    let heartbeat = (task(), which(), option::of(flag(0.5)), option::of(0..=10_i64), flag(0.5))
        .prop_map(|(task, attempt, lapsing, progress, tell)| Call::Heartbeat {
            task,
            attempt,
            lapsing,
            progress,
            tell,
        });
    let record = (task(), which(), told(), 1..=3_usize)
        .prop_map(|(task, attempt, what, events)| Call::Record { task, attempt, what, events });
    let finish = proptest::collection::vec((task(), which(), end()), 1..=3).prop_map(Call::Finish);
    let control = (task(), control(), option::of(0..2_u8))
        .prop_map(|(task, control, key)| Call::Control { task, control, key });
    let propose = (task(), which()).prop_map(|(task, attempt)| Call::Propose { task, attempt });
    let respond = (task(), response(), option::weighted(0.2, 1..=3_u16))
        .prop_map(|(task, response, version)| Call::Respond { task, response, version });
    prop_oneof![
        6 => submit,
        6 => claim,
        2 => heartbeat,
        2 => record,
        6 => finish,
        5 => control,
        4 => propose,
        4 => respond,
        2 => Just(Call::Reap),
        1 => Just(Call::Tidy),
    ]
}

fn again() -> impl Strategy<Value = Again> {
    prop_oneof![
        3 => Just(Again::Never),
        1 => (0..2_u8).prop_map(Again::Idempotent),
        1 => (0..2_u8).prop_map(Again::Unique),
    ]
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    prop_oneof![
        3 => Just(Kind::ALL.to_vec()),
        1 => Just(vec![Kind::Agent]),
        1 => Just(vec![Kind::Research(TaskType::Search)]),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![1 => Just(Which::Earlier), 8 => Just(Which::Latest), 1 => Just(Which::Later)]
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![Just(Told::Note), Just(Told::Piece), Just(Told::Answer)]
}

fn control() -> impl Strategy<Value = Control> {
    prop_oneof![
        1 => Just(Control::Cancel),
        2 => Just(Control::Pause),
        2 => Just(Control::Resume),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let feedback = Feedback::new("shorter".to_owned()).expect("the remark is valid");
    prop_oneof![1 => Just(Response::Approve), 2 => Just(Response::Feedback(feedback))]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Complete),
        1 => Just(End::Fail),
        2 => Just(End::RetryNow),
        1 => Just(End::RetryLater),
        2 => Just(End::Release),
    ]
}
