//! One client: calls in, replies out, within bounds.

use std::time::Duration;

use ikapi::{CALL_LIMIT, Call, Error, Framer, Refusal, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::listen::may_change;
use super::service::Service;

/// How long a client may be silent between calls, or within one.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a client may take to read a piece of a reply.
const SLOWNESS: Duration = Duration::from_secs(5);
/// A piece of a reply, in bytes.
const PIECE: usize = 64 * 1024;

/// Serves a client until it leaves, breaks the protocol, is too slow, or the daemon ends.
pub(super) async fn serve(mut stream: UnixStream, service: Service) {
    let may_change = may_change(&stream);
    let mut framer = Framer::new(CALL_LIMIT);
    let mut buffer = vec![0; 4096];
    loop {
        let read = tokio::select! {
            read = timeout(SILENCE, stream.read(&mut buffer)) => read,
            () = service.ended() => return,
        };
        let Ok(Ok(length @ 1..)) = read else { return };
        let mut input = &buffer[..length];
        loop {
            match framer.next(&mut input) {
                Ok(Some(message)) => {
                    if answer(&mut stream, &service, &message, may_change)
                        .await
                        .is_none()
                    {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Answers one call; `None`: the connection cannot go on.
async fn answer(
    stream: &mut UnixStream,
    service: &Service,
    message: &[u8],
    may_change: bool,
) -> Option<()> {
    let (reply, more) = match Call::parse(message) {
        Ok(call) => {
            let reply = if call.request.only_reads() || may_change {
                service.answer(call.request).await?
            } else {
                Error::PermissionDenied {
                    needs: "root".to_owned(),
                }
                .into()
            };
            (Some(reply).filter(|_| !call.oneway), call.more)
        }
        Err(Refusal::Answer { error, oneway }) => {
            (Some(Reply::from(error)).filter(|_| !oneway), false)
        }
        Err(Refusal::Garbage(_)) => return None,
    };
    if let Some(reply) = reply {
        send(stream, reply, more).await?;
    }
    Some(())
}

async fn send(stream: &mut UnixStream, reply: Reply, more: bool) -> Option<()> {
    let mut parts: Box<dyn Iterator<Item = Vec<u8>> + Send> = Box::new(reply.encode(more));
    // A long list takes its time to write down: not on the thread that the engine runs on.
    while let (Some(part), rest) = tokio::task::spawn_blocking(move || (parts.next(), parts))
        .await
        .ok()?
    {
        for piece in part.chunks(PIECE) {
            timeout(SLOWNESS, stream.write_all(piece))
                .await
                .ok()?
                .ok()?;
        }
        parts = rest;
    }
    Some(())
}

/// Tells a client that there are too many, if it takes that at once.
pub(super) fn turn_away(stream: UnixStream, clients: usize) {
    let reason = format!("{clients} clients are being served");
    for part in Reply::from(Error::Busy { reason }).encode(false) {
        let _ = stream.try_write(&part);
    }
}
