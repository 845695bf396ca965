//! Telling an answer once, however often it is begun.

use crate::answerer::Listener;

/// Tells a listener an answer piece by piece.
///
/// When an answer breaks off and the question is asked again, what was told
/// stays told: the new answer is told from where it goes beyond that. If it
/// reads differently, nothing more is told, and the final text, which the
/// listener gets from elsewhere, is what holds.
pub(super) struct Teller<'a> {
    listener: Option<&'a dyn Listener>,
    told: String,
}

impl<'a> Teller<'a> {
    /// Tells `listener`, or nobody.
    pub(super) const fn new(listener: Option<&'a dyn Listener>) -> Self {
        Self { listener, told: String::new() }
    }

    /// Tells what is new in an answer that has come this far.
    pub(super) async fn tell(&mut self, text: &str) {
        let Some(listener) = self.listener else { return };
        if let Some(piece) = text.strip_prefix(&*self.told)
            && !piece.is_empty()
        {
            listener.hear(piece).await;
            self.told.push_str(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Teller;
    use crate::answerer::Listener;
    use async_trait::async_trait;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Ear(Mutex<Vec<String>>);

    #[async_trait]
    impl Listener for Ear {
        async fn hear(&self, piece: &str) {
            self.0.lock().unwrap().push(piece.to_owned());
        }
    }

    async fn heard(texts: &[&str]) -> Vec<String> {
        let ear = Ear::default();
        let mut teller = Teller::new(Some(&ear));
        for text in texts {
            teller.tell(text).await;
        }
        ear.0.into_inner().unwrap()
    }

    #[tokio::test]
    async fn the_same_answer_again_is_told_from_where_it_goes_on() {
        let heard = heard(&["one", "one two", "on", "one tw", "one two three"]).await;
        assert_eq!(heard, ["one", " two", " three"]);
    }

    #[tokio::test]
    async fn another_answer_is_not_told() {
        assert_eq!(heard(&["one", "un", "un deux"]).await, ["one"]);
    }
}
