//! Events over a WebSocket (gateway contract, section 7).

use super::{Subscription, filter::Types};
use crate::{
    gateway::{
        event::EventView,
        refusals::{Missing, Refused},
    },
    http::{
        auth::Caller,
        error::ApiError,
        stream::{Cut, Source, Step},
    },
    server::State,
};
use actix_codec::{Decoder, Encoder};
use actix_http::ws::{self, CloseCode, Codec, Frame, Message, ProtocolError};
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, MessageBody},
    web::{self, Bytes, BytesMut},
};
use futures_util::{StreamExt, stream};
use std::time::Duration;
use taskgate_domain::event::TaskEvent;
use tokio::{task::yield_now, time::timeout};

/// How often the client is asked whether it is there.
const BEAT: Duration = Duration::from_secs(20);

/// How long a client may take to answer the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The longest frame that a client may send, in bytes.
const MAX_FRAME: usize = 512;

/// The longest head of a frame, in bytes.
const MAX_HEAD: usize = 14;

/// Streams the events of one of the caller's tasks over a WebSocket, as
/// `GET /api/v1/stream/sse` does, each as a text message with an `Event`.
///
/// The server closes with 1000 when all was told, 1012 when it restarts and 1011
/// when the store fails; the client resumes then behind the last `stream_id`.
/// What the client sends is ignored, but frames above 512 bytes close the
/// connection with 1009.
#[utoipa::path(
    get, path = "/api/v1/stream/ws", tag = "streams", operation_id = "stream_events_ws",
    params(
        ("workflow_id" = String, Query, pattern = "^[A-Za-z0-9:_\\-.]{1,128}$", description = "The task's id."),
        ("types" = Option<String>, Query, description = "Only events of these types, in either spelling, between commas: at most 100 names of at most 64 characters. Unless STREAM_END is among them, the stream ends at WORKFLOW_COMPLETED."),
        ("last_event_id" = Option<String>, Query, pattern = "^[0-9]+(-[0-9]+)?$", description = "Only events behind this `stream_id`, or behind this `seq`."),
        ("Upgrade" = String, Header, description = "`websocket`, with the other headers of a WebSocket handshake."),
    ),
    responses((status = 101, description = "The WebSocket."), Refused, Missing),
)]
pub(in crate::gateway) async fn ws(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let subscription = Subscription::by_query(&request)?;
    let mut answer = ws::handshake(request.head())
        .map_err(|error| ApiError::invalid(format!("Invalid WebSocket handshake: {error}")))?;
    let follow = subscription.follow(&caller, &state).await?;
    let socket = Socket {
        source: Source::new(follow, BEAT, state.services.stopping.clone()),
        inbox: Inbox { payload, codec: Codec::new().max_size(MAX_FRAME), bytes: BytesMut::new() },
        workflow: subscription.workflow,
        types: subscription.types,
        phase: Phase::Open,
    };
    let body = stream::unfold(socket, |mut socket| async move {
        let chunk = socket.chunk().await;
        Some((chunk, socket))
    });
    Ok(HttpResponse::from(answer.finish()).set_body(BodyStream::new(body).boxed()))
}

enum Phase {
    /// Events are told.
    Open,
    /// The server has said that it closes.
    Closing,
    /// Nothing more is said.
    Over,
}

struct Socket {
    source: Source,
    inbox: Inbox,
    workflow: String,
    types: Types,
    phase: Phase,
}

impl Socket {
    /// The next bytes for the client.
    ///
    /// # Errors
    /// [`Cut`] to end the connection: otherwise it would stay open until the
    /// client ends it, which waits for the server to do so.
    async fn chunk(&mut self) -> Result<Bytes, Cut> {
        while matches!(self.phase, Phase::Open) {
            let messages = tokio::select! {
                biased;
                heard = self.inbox.next() => self.answer(heard),
                step = self.source.next() => self.tell(step),
            };
            if !messages.is_empty() {
                return encode(messages);
            }
        }
        // What was written before has to leave first.
        yield_now().await;
        if matches!(self.phase, Phase::Closing) {
            // A client that does not answer gets no more time.
            let _ = timeout(FAREWELL, self.inbox.closed()).await;
        }
        Err(Cut)
    }

    /// What to say to what the client said.
    fn answer(&mut self, heard: Heard) -> Vec<Message> {
        match heard {
            Heard::Ping(data) => vec![Message::Pong(data)],
            Heard::Close => {
                self.phase = Phase::Over;
                vec![Message::Close(Some(CloseCode::Normal.into()))]
            }
            Heard::Nonsense(code) => vec![self.close(code)],
            Heard::Gone => {
                self.phase = Phase::Over;
                Vec::new()
            }
        }
    }

    /// What to say about the task.
    fn tell(&mut self, step: Step) -> Vec<Message> {
        match step {
            Step::Event(event) => self.event(&event),
            Step::End => vec![self.close(CloseCode::Normal)],
            Step::Beat => vec![Message::Ping(Bytes::new())],
            // Python's `websockets` takes 1001 for a good end.
            Step::Stop => vec![self.close(CloseCode::Restart)],
            Step::Fail => vec![self.close(CloseCode::Error)],
        }
    }

    fn event(&mut self, event: &TaskEvent) -> Vec<Message> {
        let event_type = event.event.event_type();
        let mut messages = Vec::new();
        if self.types.admit(event_type) {
            let json = serde_json::to_string(&EventView::of(&self.workflow, event));
            messages.push(Message::Text(json.unwrap_or_default().into()));
        }
        if self.types.end_at(event_type) {
            messages.push(self.close(CloseCode::Normal));
        }
        messages
    }

    fn close(&mut self, code: CloseCode) -> Message {
        self.phase = Phase::Closing;
        Message::Close(Some(code.into()))
    }
}

fn encode(messages: Vec<Message>) -> Result<Bytes, Cut> {
    let mut bytes = BytesMut::new();
    for message in messages {
        Codec::new().encode(message, &mut bytes).map_err(|_| Cut)?;
    }
    Ok(bytes.freeze())
}

/// Something from the client that matters.
enum Heard {
    /// It asks whether the server is there.
    Ping(Bytes),
    /// It leaves.
    Close,
    /// It breaks the protocol, or says too much at once.
    Nonsense(CloseCode),
    /// The connection is closed.
    Gone,
}

/// What the client sends.
struct Inbox {
    payload: web::Payload,
    codec: Codec,
    /// The beginning of a frame.
    bytes: BytesMut,
}

impl Inbox {
    /// What the client says next; data is ignored. To stop waiting loses
    /// nothing.
    async fn next(&mut self) -> Heard {
        loop {
            match self.codec.decode(&mut self.bytes) {
                Ok(Some(Frame::Ping(data))) => return Heard::Ping(data),
                Ok(Some(Frame::Close(_))) => return Heard::Close,
                Ok(Some(
                    Frame::Text(_) | Frame::Binary(_) | Frame::Continuation(_) | Frame::Pong(_),
                )) => {}
                Ok(None) => {
                    // The codec would collect the whole frame before it looks
                    // at the length.
                    if self.bytes.len() > MAX_FRAME + MAX_HEAD {
                        return Heard::Nonsense(CloseCode::Size);
                    }
                    match self.payload.next().await {
                        Some(Ok(bytes)) => self.bytes.extend_from_slice(&bytes),
                        Some(Err(_)) | None => return Heard::Gone,
                    }
                }
                Err(ProtocolError::Overflow) => return Heard::Nonsense(CloseCode::Size),
                Err(_) => return Heard::Nonsense(CloseCode::Protocol),
            }
        }
    }

    /// Returns when the client has answered the end, or is gone.
    async fn closed(&mut self) {
        loop {
            match self.next().await {
                Heard::Ping(_) => {}
                Heard::Close | Heard::Gone => return,
                // It reads the end only after it has said all it wanted.
                Heard::Nonsense(_) => while let Some(Ok(_)) = self.payload.next().await {},
            }
        }
    }
}
