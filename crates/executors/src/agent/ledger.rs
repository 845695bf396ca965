//! What a task consumes, and how much it may.

use super::settings::Limits;
use crate::answerer::{Allowance, ModelCall};
use taskgate_domain::{
    queue::Conversation,
    usage::{ModelUsage, Tokens, Usage, Usd},
};

/// The part of a budget, in percent, of which those who watch are told.
pub(super) const THRESHOLD: i64 = 80;

/// The calls of models that an attempt at a task has made, and the budgets that
/// bound the task.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    tokens: Tokens,
    cost: Usd,
    models: Vec<ModelUsage>,
    last: Option<(String, String)>,
    budgets: Vec<Budget>,
    /// What earlier attempts consumed.
    before: Usage,
}

/// How much of something may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Budget {
    measure: Measure,
    /// Whether it is the whole session's.
    session: bool,
    /// In tokens or nano-dollars, as all amounts here.
    limit: i64,
    used: i64,
    /// Whether it was told that much of it is used.
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Tokens,
    Money,
}

impl Ledger {
    /// Nothing is used yet, but what the session has before, and this task in
    /// earlier attempts.
    pub(super) fn new(limits: &Limits, session: &Conversation, before: Usage) -> Self {
        let budget = |measure, session, limit: Option<i64>, used| {
            limit.map(|limit| Budget { measure, session, limit, used, told: false })
        };
        let (tokens, cost) = (before.tokens().total(), before.cost().nanos());
        let session_tokens = session.tokens.saturating_add(tokens);
        let session_cost = session.cost.nanos().saturating_add(cost);
        let budgets = [
            budget(Measure::Tokens, false, limits.tokens, tokens),
            budget(Measure::Money, false, limits.cost.map(Usd::nanos), cost),
            budget(Measure::Tokens, true, limits.session_tokens, session_tokens),
            budget(Measure::Money, true, limits.session_cost.map(Usd::nanos), session_cost),
        ];
        Self { budgets: budgets.into_iter().flatten().collect(), before, ..Self::default() }
    }

    /// What a step may consume.
    ///
    /// # Errors
    /// A sentence on the budget that is used up.
    pub(super) fn allowance(&self) -> Result<Allowance, String> {
        match self.budgets.iter().find(|budget| budget.left() <= 0) {
            Some(spent) => Err(spent.used_up()),
            None => Ok(Allowance {
                tokens: self.least(Measure::Tokens),
                cost: self.least(Measure::Money).and_then(|nanos| Usd::from_nanos(nanos).ok()),
            }),
        }
    }

    fn least(&self, measure: Measure) -> Option<i64> {
        let budgets = self.budgets.iter().filter(|budget| budget.measure == measure);
        budgets.map(Budget::left).min()
    }

    /// Adds a call.
    ///
    /// # Errors
    /// A sentence on the budget that this has gone beyond, or when the sums
    /// are larger than can be counted.
    pub(super) fn record(&mut self, call: &ModelCall) -> Result<(), String> {
        self.add(call).ok_or_else(|| "the models used more than can be counted".to_owned())?;
        for budget in &mut self.budgets {
            budget.used = budget.used.saturating_add(match budget.measure {
                Measure::Tokens => call.tokens.total(),
                Measure::Money => call.cost.nanos(),
            });
        }
        match self.budgets.iter().find(|budget| budget.left() < 0) {
            Some(passed) => Err(passed.used_up()),
            None => Ok(()),
        }
    }

    fn add(&mut self, call: &ModelCall) -> Option<()> {
        let tokens = self.tokens.checked_add(call.tokens)?;
        let cost = self.cost.checked_add(call.cost)?;
        let known =
            |model: &&mut ModelUsage| model.model == call.model && model.provider == call.provider;
        match self.models.iter_mut().find(known) {
            Some(model) => {
                model.executions += 1;
                // Parts of sums that were just seen to be small enough.
                model.tokens = model.tokens.checked_add(call.tokens)?;
                model.cost = model.cost.checked_add(call.cost)?;
            }
            None => self.models.push(ModelUsage {
                model: call.model.clone(),
                provider: call.provider.clone(),
                executions: 1,
                tokens: call.tokens,
                cost: call.cost,
            }),
        }
        (self.tokens, self.cost) = (tokens, cost);
        self.last = Some((call.model.clone(), call.provider.clone()));
        Some(())
    }

    /// The budgets of which much is used by now, each once.
    pub(super) fn thresholds(&mut self) -> Vec<Budget> {
        let reached = |budget: &&mut Budget| {
            let least = i128::from(budget.limit) * i128::from(THRESHOLD);
            !budget.told && i128::from(budget.used) * 100 >= least
        };
        let reached = self.budgets.iter_mut().filter(reached);
        reached
            .map(|budget| {
                budget.told = true;
                budget.clone()
            })
            .collect()
    }

    /// Whether anything bounds what may be used.
    pub(super) fn is_bounded(&self) -> bool {
        !self.budgets.is_empty()
    }

    /// What this attempt used.
    pub(super) fn usage(&self) -> Usage {
        Usage::new(self.tokens, self.cost, self.models.clone())
    }

    /// What all attempts used.
    pub(super) fn total(&self) -> Usage {
        self.before.clone().plus(self.usage())
    }

    /// The model and the provider of the latest call.
    pub(super) fn last(&self) -> Option<(String, String)> {
        self.last.clone()
    }
}

impl Budget {
    const fn left(&self) -> i64 {
        self.limit.saturating_sub(self.used)
    }

    fn used_up(&self) -> String {
        let session = if self.session { "session " } else { "" };
        match self.measure {
            Measure::Tokens => format!("the {session}token budget of {} is used up", self.limit),
            Measure::Money => {
                format!("the {session}cost budget of ${} is used up", dollars(self.limit))
            }
        }
    }

    /// What it is called in events.
    pub(super) const fn name(&self) -> &'static str {
        match (self.measure, self.session) {
            (Measure::Tokens, false) => "tokens",
            (Measure::Money, false) => "cost_usd",
            (Measure::Tokens, true) => "session_tokens",
            (Measure::Money, true) => "session_cost_usd",
        }
    }

    /// How much is used and how much may be, in tokens or dollars.
    pub(super) fn amounts(&self) -> (serde_json::Value, serde_json::Value) {
        match self.measure {
            Measure::Tokens => (self.used.into(), self.limit.into()),
            Measure::Money => (dollars(self.used).into(), dollars(self.limit).into()),
        }
    }
}

fn dollars(nanos: i64) -> f64 {
    Usd::from_nanos(nanos).unwrap_or_default().dollars()
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Limits};
    use crate::answerer::{Allowance, ModelCall};
    use proptest::{collection::vec, proptest};
    use taskgate_domain::{
        queue::Conversation,
        usage::{Tokens, Usage, Usd},
    };

    fn usd(nanos: i64) -> Usd {
        Usd::from_nanos(nanos).unwrap()
    }

    fn call(model: &str, prompt: i64, completion: i64, nanos: i64) -> ModelCall {
        ModelCall {
            provider: "p".to_owned(),
            model: model.to_owned(),
            tokens: Tokens::new(prompt, completion, None).unwrap(),
            cost: usd(nanos),
        }
    }

    fn of(limits: Limits) -> Ledger {
        let before = Conversation { turns: Vec::new(), tokens: 900, cost: usd(50_000_000) };
        Ledger::new(&limits, &before, Usage::default())
    }

    #[test]
    fn a_budget_may_be_used_to_its_end_and_not_beyond() {
        let mut ledger = of(Limits { tokens: Some(1000), ..Limits::default() });
        assert_eq!(ledger.allowance(), Ok(Allowance { tokens: Some(1000), cost: None }));
        assert_eq!(ledger.record(&call("m", 600, 399, 0)), Ok(()));
        assert_eq!(ledger.allowance(), Ok(Allowance { tokens: Some(1), cost: None }));
        assert_eq!(ledger.record(&call("m", 1, 0, 0)), Ok(()));
        let spent = Err("the token budget of 1000 is used up".to_owned());
        assert_eq!(ledger.allowance(), spent);
        assert_eq!(ledger.record(&call("m", 1, 0, 0)), spent.map(|_| ()));
        assert_eq!(ledger.usage().tokens().total(), 1001, "what was used is told all the same");
    }

    #[test]
    fn money_and_sessions_are_bounded_alike() {
        let mut ledger = of(Limits {
            cost: Some(usd(20_000_000)),
            session_tokens: Some(1000),
            session_cost: Some(usd(60_000_000)),
            ..Limits::default()
        });
        let left = Allowance { tokens: Some(100), cost: Some(usd(10_000_000)) };
        assert_eq!(ledger.allowance(), Ok(left), "the least that is left counts");
        assert_eq!(
            ledger.record(&call("m", 0, 0, 10_000_001)),
            Err("the session cost budget of $0.06 is used up".to_owned())
        );
        let mut ledger = of(Limits { cost: Some(usd(5_000_000)), ..Limits::default() });
        assert_eq!(
            ledger.record(&call("m", 0, 0, 5_000_001)),
            Err("the cost budget of $0.005 is used up".to_owned())
        );
        let ledger = of(Limits { session_tokens: Some(900), ..Limits::default() });
        assert_eq!(
            ledger.allowance(),
            Err("the session token budget of 900 is used up".to_owned())
        );
    }

    #[test]
    fn what_earlier_attempts_used_counts() {
        let session = Conversation { turns: Vec::new(), tokens: 900, cost: usd(50) };
        let mut earlier = of(Limits::default());
        earlier.record(&call("m", 40, 0, 7)).unwrap();
        let before = earlier.usage();
        let limits = Limits {
            tokens: Some(100),
            session_tokens: Some(1000),
            session_cost: Some(usd(60)),
            ..Limits::default()
        };
        let mut ledger = Ledger::new(&limits, &session, before);
        let left = Allowance { tokens: Some(60), cost: Some(usd(3)) };
        assert_eq!(ledger.allowance(), Ok(left));
        ledger.record(&call("m", 5, 0, 1)).unwrap();
        assert_eq!((ledger.usage().tokens().total(), ledger.usage().cost()), (5, usd(1)));
        let total = ledger.total();
        assert_eq!((total.tokens().total(), total.cost()), (45, usd(8)));
        assert_eq!((total.models().len(), total.models()[0].executions), (1, 2));
    }

    #[test]
    fn each_threshold_is_told_once() {
        let mut ledger =
            of(Limits { tokens: Some(1000), session_tokens: Some(1100), ..Limits::default() });
        let names = |ledger: &mut Ledger| -> Vec<&str> {
            ledger.thresholds().iter().map(super::Budget::name).collect()
        };
        assert_eq!(names(&mut ledger), ["session_tokens"], "900 of 1100 were used before");
        ledger.record(&call("m", 100, 0, 0)).unwrap();
        assert_eq!(names(&mut ledger), [""; 0]);
        let mut ledger = of(Limits { tokens: Some(1000), ..Limits::default() });
        ledger.record(&call("m", 799, 0, 0)).unwrap();
        assert_eq!(names(&mut ledger), [""; 0]);
        ledger.record(&call("m", 1, 0, 0)).unwrap();
        assert_eq!(names(&mut ledger), ["tokens"]);
        ledger.record(&call("m", 200, 0, 0)).unwrap();
        assert_eq!(names(&mut ledger), [""; 0]);
    }

    #[test]
    fn sums_that_cannot_be_counted_end_the_task() {
        let mut ledger = of(Limits::default());
        let most = 1_000_000_000_000;
        ledger.record(&call("m", most - 1, 0, i64::MAX)).unwrap();
        assert!(ledger.record(&call("n", 2, 0, 0)).is_err());
        assert!(ledger.record(&call("n", 0, 0, 1)).is_err());
        assert_eq!(ledger.usage().tokens().total(), most - 1);
        assert_eq!(ledger.usage().models().len(), 1);
    }

    proptest! {
        #[test]
        fn sums_are_exact_and_shares_add_up_to_them(
            calls in vec((0..3_u8, 0..1_000_000_i64, 0..1_000_000_i64, 0..1_000_000_000_000_i64), 0..50)
        ) {
            let mut ledger = of(Limits::default());
            for &(model, prompt, completion, nanos) in &calls {
                ledger.record(&call(&model.to_string(), prompt, completion, nanos)).unwrap();
            }
            let usage = ledger.usage();
            let sum = |part: fn(&(u8, i64, i64, i64)) -> i64| calls.iter().map(part).sum::<i64>();
            assert_eq!(usage.tokens().prompt(), sum(|it| it.1));
            assert_eq!(usage.tokens().completion(), sum(|it| it.2));
            assert_eq!(usage.cost().nanos(), sum(|it| it.3));
            let models = usage.models();
            assert_eq!(models.iter().map(|it| it.cost.nanos()).sum::<i64>(), usage.cost().nanos());
            assert_eq!(models.iter().map(|it| it.tokens.total()).sum::<i64>(), usage.tokens().total());
            assert_eq!(models.iter().map(|it| it.executions).sum::<u32>(), u32::try_from(calls.len()).unwrap());
        }
    }
}
