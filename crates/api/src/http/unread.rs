//! Request bodies that an answer does not wait for.

use actix_web::{
    HttpMessage,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    web::Bytes,
};
use futures_util::Stream;
use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A request's body, kept until the answer is written.
///
/// When a body of unknown length is dropped unread, actix waits for the rest
/// of it before it uses the connection again, and puts no end to that: a few
/// refused requests would hold connections for ever. As long as somebody has
/// the body, actix closes the connection instead, as it does for bodies of
/// announced length.
pub(crate) struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Keeps the body of a request, if its length is unknown. Handlers read it
    /// as before.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Self> {
        if !request.chunked().unwrap_or(false) {
            return None;
        }
        let body = Rc::new(RefCell::new(request.take_payload()));
        request.set_payload(Payload::Stream { payload: Box::pin(Self(Rc::clone(&body))) });
        Some(Self(body))
    }

    /// Lives as long as the answer.
    pub(crate) fn until_written(
        self,
        answer: ServiceResponse<BoxBody>,
    ) -> ServiceResponse<BoxBody> {
        answer.map_body(|_, answer| Answer { answer, _unread: self }.boxed())
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// An answer and the body of its request.
struct Answer {
    answer: BoxBody,
    _unread: Unread,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}
