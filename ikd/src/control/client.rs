//! One client: calls in, replies out, within bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ikapi::{CALL_LIMIT, Call, Error, Framer, Monitored, Refusal, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::places::Place;
use super::replies::Encoded;
use super::roles::{Caller, Role};
use super::service::{Answer, Service};
use crate::events::Watch;

/// How long a client may be silent between calls, or within one.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a monitor may take to read that the daemon ends.
const LAST_WORD: Duration = Duration::from_millis(200);
/// Events that a monitor gets in one go, and the pause after that: a flood is left out and counted, not worked off at the
/// cost of everything else.
const IN_ONE_GO: usize = 256;
const BREATH: Duration = Duration::from_millis(20);

/// One that is served.
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) service: Service,
    pub(super) caller: Caller,
    /// What it may do: more than nothing.
    pub(super) role: Role,
    pub(super) place: Place,
}

impl Client {
    /// Serves it until it leaves, breaks the protocol, is too slow, or the daemon ends.
    pub(super) async fn serve(mut self) {
        let mut framer = Framer::new(CALL_LIMIT);
        let mut buffer = vec![0; 4096];
        loop {
            let read = tokio::select! {
                read = timeout(SILENCE, self.stream.read(&mut buffer)) => read,
                () = self.service.ended() => return,
            };
            let Ok(Ok(length @ 1..)) = read else { return };
            let mut input = &buffer[..length];
            loop {
                match framer.next(&mut input) {
                    Ok(Some(message)) => {
                        if self.answer(&message).await.is_none() {
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
    async fn answer(&mut self, message: &[u8]) -> Option<()> {
        match Call::parse(message) {
            Ok(call) if !call.request.only_reads() && self.role < Role::Change => {
                let needs = self.service.needs(Role::Change);
                self.refuse(Error::PermissionDenied { needs }, call.oneway)
                    .await
            }
            Ok(call) => {
                let answer = self
                    .service
                    .answer(call.request, call.more, &self.caller, &self.place)
                    .await?;
                match answer {
                    _ if call.oneway => Some(()),
                    Answer::Reply(reply) => reply.send(&mut self.stream).await,
                    Answer::Watch(watch) => self.monitor(watch).await,
                }
            }
            Err(Refusal::Answer { error, oneway }) => self.refuse(error, oneway).await,
            Err(Refusal::Garbage(_)) => None,
        }
    }

    async fn refuse(&mut self, error: Error, oneway: bool) -> Option<()> {
        if oneway {
            return Some(());
        }
        Encoded::new(error.into()).send(&mut self.stream).await
    }

    /// Tells what happens until the client goes, or says anything, or the daemon ends. It may read as slowly as it likes.
    async fn monitor(&mut self, mut watch: Watch) -> Option<()> {
        let Self {
            stream, service, ..
        } = self;
        let (mut input, mut output) = stream.split();
        let mut said = [0];
        let half_written = AtomicBool::new(false);
        let mut tell = async |told: Monitored, last| {
            half_written.store(true, Ordering::Relaxed);
            output.write_all(&told.encode(last)).await.ok()?;
            half_written.store(false, Ordering::Relaxed);
            Some(())
        };
        let follow = async {
            tell(Monitored::default(), false).await?;
            loop {
                for _ in 0..IN_ONE_GO {
                    let Some((event, missed)) = watch.next().await else {
                        return Some(());
                    };
                    let event = event.map(Arc::unwrap_or_clone);
                    tell(Monitored { event, missed }, false).await?;
                }
                tokio::time::sleep(BREATH).await;
            }
        };
        let too_late = async {
            service.ended().await;
            // What was told up to the end goes out first, if it is read.
            tokio::time::sleep(LAST_WORD).await;
        };
        tokio::select! {
            // Nothing may come after a call for a stream but the end.
            _ = input.read(&mut said) => return None,
            followed = follow => followed?,
            () = too_late => {}
        }
        if !half_written.load(Ordering::Relaxed) {
            let _ = timeout(LAST_WORD, tell(Monitored::default(), true)).await;
        }
        None
    }
}

/// Tells a caller that it is not served, if it takes that at once.
pub(super) fn turn_away(stream: &UnixStream, error: Error) {
    for part in Reply::from(error).encode(false) {
        let _ = stream.try_write(&part);
    }
}
