//! The HTTP faces: their sockets and servers.

use crate::{
    address::{FaceAddress, Reach},
    config::Settings,
    failure::Failure,
};
use actix_web::dev::ServerHandle;
use futures_util::future::join_all;
use std::{
    io,
    net::{SocketAddr, TcpListener},
};
use taskgate_api::{Face, HttpOptions, Services};
use tokio::{net::TcpSocket, task::JoinSet};

/// How many connections the system holds for a face that is busy, as far as its
/// own limit goes (`net.core.somaxconn`, 4,096 by default). The usual 128
/// overflow in a burst, and then a client waits a second to try again.
const BACKLOG: u32 = 4_096;

/// Sockets that are bound, and not served yet.
pub(crate) struct Sockets(Vec<Socket>);

struct Socket {
    face: Face,
    address: SocketAddr,
    listener: TcpListener,
}

impl Sockets {
    /// Binds every face that is not off, or none.
    pub(crate) fn bind(
        settings: &Settings,
        reach: impl Fn(Face) -> Reach,
    ) -> Result<Self, Failure> {
        let faces = [
            (Face::Gateway, &settings.gateway_addr),
            (Face::Research, &settings.research_addr),
            (Face::Worker, &settings.worker_addr),
        ];
        let mut sockets = Vec::new();
        for (face, address) in faces {
            if let FaceAddress::At(at) = address {
                let addresses = reach(face).resolve(face, at)?;
                let (listener, address) =
                    listen(&addresses).map_err(|error| refusal(face, at, &error))?;
                sockets.push(Socket { face, address, listener });
            }
        }
        if sockets.is_empty() {
            return Err(Failure::new("every face is off, so there is nothing to serve"));
        }
        Ok(Self(sockets))
    }

    /// The faces and where they listen.
    pub(crate) fn addresses(&self) -> Vec<(Face, SocketAddr)> {
        self.0.iter().map(|socket| (socket.face, socket.address)).collect()
    }

    /// Serves every face, each in its own way.
    pub(crate) fn serve(
        self,
        services: &Services,
        options: impl Fn(Face) -> HttpOptions,
    ) -> Result<Faces, Failure> {
        let mut faces = Faces::default();
        for Socket { face, listener, .. } in self.0 {
            let server = taskgate_api::serve(face, listener, services.clone(), &options(face))
                .map_err(|error| {
                    Failure::caused(&format!("cannot serve the {} face", face.as_str()), &error)
                })?;
            faces.handles.push(server.handle());
            faces.servers.spawn(server);
        }
        Ok(faces)
    }
}

/// Listens on the first of these addresses that is free.
fn listen(addresses: &[SocketAddr]) -> io::Result<(TcpListener, SocketAddr)> {
    let mut last = None;
    for address in addresses {
        match listen_on(*address) {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that is started again finds connections of its predecessor.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn refusal(face: Face, at: &str, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::PermissionDenied => "the system does not permit it".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(format!("cannot listen on {at} for the {} face: {why}", face.as_str()))
}

/// Faces that are served.
#[derive(Default)]
pub(crate) struct Faces {
    servers: JoinSet<io::Result<()>>,
    handles: Vec<ServerHandle>,
}

impl Faces {
    /// Waits for a server to end, which none does unless it fails, and tells
    /// why. Without any it waits for ever.
    pub(crate) async fn failed(&mut self) -> String {
        if self.servers.is_empty() {
            std::future::pending::<()>().await;
        }
        match self.servers.join_next().await {
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(error)) => error.to_string(),
            Some(Ok(Ok(()))) | None => "it was stopped".to_owned(),
        }
    }

    /// Stops accepting, and waits for the requests that run.
    pub(crate) async fn finish(&mut self) {
        join_all(self.handles.iter().map(|handle| handle.stop(true))).await;
        while self.servers.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests;
