//! A store against a model of it, over random sequences of calls.
//!
//! The model is a plain list of tasks; what it says is what the ports promise.
//! After every call the answer, the tasks that it touched, their logs and the
//! lists that show them are compared. A sequence that tells the two apart is
//! shrunk to the shortest that still does.

mod call;
mod checker;
mod compare;
mod review;
mod world;

use super::StoreFactory;
use call::Call;
use checker::Checker;
use futures_util::future::LocalBoxFuture;
use proptest::test_runner::{Config, TestRunner};

/// How many sequences are tried, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 64;
const LONGEST: usize = 40;

/// Runs the comparison, each sequence on a fresh store. `block_on` runs a
/// future to its end on the adapter's runtime.
///
/// # Panics
/// When the store and the model differ.
pub fn check(factory: &dyn StoreFactory, block_on: impl Fn(LocalBoxFuture<'_, ()>)) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { CASES };
    let mut runner = TestRunner::new(Config { cases, ..config });
    let calls = proptest::collection::vec(call::any(), 1..=LONGEST);
    let verdict = runner.run(&calls, |calls: Vec<Call>| {
        block_on(Box::pin(async {
            let mut checker = Checker::new(factory.fresh().await).await;
            for call in &calls {
                checker.make(call).await;
            }
            checker.compare_all().await;
        }));
        Ok(())
    });
    if let Err(difference) = verdict {
        panic!("{difference}");
    }
}
