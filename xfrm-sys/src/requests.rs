//! Requests to the kernel: SAs, SPIs, policies, counts.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::message::{Message, ParseError};
use crate::pipeline::{self, Answer, IN_FLIGHT, Item, Job};
use crate::socket::XfrmSocket;
use crate::{
    Capabilities, Direction, Mark, Mode, PolicyIndex, PolicySpec, PolicyState, Protocol, SaId,
    SaSpec, SaState, SadInfo, Selector, SpdInfo, XfrmError,
};

/// Time that a request may take, unless [`Xfrm::open_with`] says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Room for the answers in bytes: 32 requests in flight, and a few pieces of a dump.
const RECEIVE_BUFFER: usize = 1024 * 1024;
/// How often a dump is begun before it is given up.
const DUMP_ATTEMPTS: u32 = 10;
/// Pause before a dump is begun again.
const DUMP_PAUSE: Duration = Duration::from_millis(20);

/// A handle for requests. Clones share one socket; requests of several tasks are under way together, up to 32. A request
/// whose future is dropped may still reach the kernel.
#[derive(Clone)]
pub struct Xfrm {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: mpsc::Sender<Job>,
    time_limit: Duration,
    /// Whether the kernel knows the SA's direction, as [`Xfrm::probe`] has found.
    sa_direction: AtomicBool,
    /// The kernel serves one dump per socket at a time.
    dumping: Mutex<()>,
}

/// A range of SPIs to reserve one from, for an inbound SA that is still being negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiRequest {
    /// Outer source: the peer.
    pub source: IpAddr,
    /// Outer destination: us.
    pub destination: IpAddr,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The SA's reqid.
    pub reqid: u32,
    /// The SPIs to choose from, in host order, from 256.
    pub spis: RangeInclusive<u32>,
    /// The xfrm interface that the SA will belong to.
    pub if_id: Option<NonZeroU32>,
    /// The mark that its packets will have.
    pub mark: Option<Mark>,
}

impl Xfrm {
    /// Opens a socket in the calling thread's network namespace, with 10 s for each request. Must be called within a tokio
    /// runtime with I/O and time enabled. Succeeds without privileges: the requests will tell.
    ///
    /// # Errors
    /// [`XfrmError::Io`]: the kernel has no XFRM, or no file descriptor was left.
    pub fn open() -> Result<Self, XfrmError> {
        Self::open_with(TIME_LIMIT)
    }

    /// Like [`open`](Self::open) with another time limit for each request.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(time_limit: Duration) -> Result<Self, XfrmError> {
        let socket = XfrmSocket::open(RECEIVE_BUFFER, &[])?;
        let (jobs, queue) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(pipeline::run(socket, queue));
        let inner = Inner {
            jobs,
            time_limit,
            sa_direction: AtomicBool::new(false),
            dumping: Mutex::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Asks the kernel what it can, by SAs that are deleted at once. From then on SAs tell their direction, if the kernel
    /// knows directions.
    ///
    /// # Errors
    /// Anything but a refusal: those are the answers.
    pub async fn probe(&self) -> Result<Capabilities, XfrmError> {
        let capabilities = crate::probe::probe(self).await?;
        self.tell_direction(capabilities.sa_direction.is_yes());
        Ok(capabilities)
    }

    /// Whether SAs tell their direction from now on.
    pub(crate) fn tell_direction(&self, tell: bool) {
        self.inner.sa_direction.store(tell, Ordering::Relaxed);
    }

    /// NEWSA: adds an SA.
    ///
    /// # Errors
    /// `EEXIST` if SPI, destination and protocol are taken; `ENOSYS` or `EPROTONOSUPPORT` if the kernel lacks an algorithm
    /// or ESP.
    pub async fn add_sa(&self, spec: &SaSpec) -> Result<(), XfrmError> {
        self.request(Message::new_sa(spec, self.tells_direction())?)
            .await
            .map(drop)
    }

    /// UPDSA: makes a reserved SPI an SA, or changes one that is there.
    ///
    /// # Errors
    /// `ESRCH` if there is none, as when its reservation has expired.
    pub async fn update_sa(&self, spec: &SaSpec) -> Result<(), XfrmError> {
        self.request(Message::update_sa(spec, self.tells_direction())?)
            .await
            .map(drop)
    }

    /// DELSA: deletes an SA.
    ///
    /// # Errors
    /// `ESRCH` if it is gone.
    pub async fn delete_sa(&self, id: &SaId) -> Result<(), XfrmError> {
        self.request(Message::delete_sa(id)).await.map(drop)
    }

    /// GETSA: one SA.
    ///
    /// # Errors
    /// `ESRCH` if there is none.
    pub async fn get_sa(&self, id: &SaId) -> Result<SaState, XfrmError> {
        self.one(Message::get_sa(id), sa).await
    }

    /// GETSA: all SAs, larval ones included, of anyone.
    ///
    /// # Errors
    /// [`XfrmError::Interrupted`] if SAs come and go faster than they can be listed.
    pub async fn list_sas(&self) -> Result<Vec<SaState>, XfrmError> {
        self.list(Message::list_sas, sa).await
    }

    /// ALLOCSPI: reserves an SPI, as a larval SA that lasts `net.core.xfrm_acq_expires` seconds.
    ///
    /// # Errors
    /// `ENOENT` if no SPI of the range is free.
    pub async fn allocate_spi(&self, request: &SpiRequest) -> Result<SaState, XfrmError> {
        self.one(Message::allocate_spi(request, self.tells_direction())?, sa)
            .await
    }

    /// NEWPOLICY: adds a policy.
    ///
    /// # Errors
    /// `EEXIST` if there is one with this selector, direction, mark and xfrm interface.
    pub async fn add_policy(&self, spec: &PolicySpec) -> Result<(), XfrmError> {
        self.request(Message::new_policy(spec)?).await.map(drop)
    }

    /// UPDPOLICY: puts the policy in place of the one with its selector, direction, mark and xfrm interface, without a
    /// moment between them; adds it if there is none. The index of the old one stays.
    ///
    /// # Errors
    /// `EINVAL` for a template that fits no selector, and the like.
    pub async fn update_policy(&self, spec: &PolicySpec) -> Result<(), XfrmError> {
        self.request(Message::update_policy(spec)?).await.map(drop)
    }

    /// DELPOLICY by index, in constant time. `if_id` and `mark` are the policy's: the kernel looks among those alone.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub async fn delete_policy_by_index(
        &self,
        index: PolicyIndex,
        if_id: Option<NonZeroU32>,
        mark: Option<Mark>,
    ) -> Result<(), XfrmError> {
        self.request(Message::policy_by_index(true, index, if_id, mark))
            .await
            .map(drop)
    }

    /// DELPOLICY by selector, in time that grows with the number of policies.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub async fn delete_policy(
        &self,
        selector: &Selector,
        direction: Direction,
        if_id: Option<NonZeroU32>,
        mark: Option<Mark>,
    ) -> Result<(), XfrmError> {
        self.request(Message::policy_by_selector(
            true, selector, direction, if_id, mark,
        )?)
        .await
        .map(drop)
    }

    /// GETPOLICY by index.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub async fn get_policy_by_index(
        &self,
        index: PolicyIndex,
        if_id: Option<NonZeroU32>,
        mark: Option<Mark>,
    ) -> Result<PolicyState, XfrmError> {
        self.one(Message::policy_by_index(false, index, if_id, mark), policy)
            .await
    }

    /// GETPOLICY by selector.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub async fn get_policy(
        &self,
        selector: &Selector,
        direction: Direction,
        if_id: Option<NonZeroU32>,
        mark: Option<Mark>,
    ) -> Result<PolicyState, XfrmError> {
        let message = Message::policy_by_selector(false, selector, direction, if_id, mark)?;
        self.one(message, policy).await
    }

    /// GETPOLICY: all policies of anyone, those of sockets too (without direction).
    ///
    /// # Errors
    /// [`XfrmError::Interrupted`] if policies come and go faster than they can be listed.
    pub async fn list_policies(&self) -> Result<Vec<PolicyState>, XfrmError> {
        self.list(Message::list_policies, policy).await
    }

    /// GETSADINFO: how many SAs there are.
    ///
    /// # Errors
    /// None of its own.
    pub async fn sad_info(&self) -> Result<SadInfo, XfrmError> {
        let only = |item| {
            if let Item::SadInfo(info) = item {
                Some(info)
            } else {
                None
            }
        };
        self.one(Message::sad_info(), only).await
    }

    /// GETSPDINFO: how many policies there are.
    ///
    /// # Errors
    /// None of its own.
    pub async fn spd_info(&self) -> Result<SpdInfo, XfrmError> {
        let only = |item| {
            if let Item::SpdInfo(info) = item {
                Some(info)
            } else {
                None
            }
        };
        self.one(Message::spd_info(), only).await
    }

    fn tells_direction(&self) -> bool {
        self.inner.sa_direction.load(Ordering::Relaxed)
    }

    /// An answer of exactly one item.
    async fn one<T>(
        &self,
        message: Message,
        only: impl Fn(Item) -> Option<T>,
    ) -> Result<T, XfrmError> {
        let operation = message.operation();
        let answer = self.request(message).await?;
        let missing = ParseError::Short {
            what: "answer",
            needed: 1,
            got: 0,
        };
        let problem = XfrmError::Malformed {
            operation,
            problem: missing,
        };
        answer.items.into_iter().find_map(only).ok_or(problem)
    }

    /// A dump, begun again when it was interrupted, its pieces were lost, or an abandoned one is still under way.
    async fn list<T>(
        &self,
        message: impl Fn() -> Message,
        only: impl Fn(Item) -> Option<T>,
    ) -> Result<Vec<T>, XfrmError> {
        let _one_at_a_time = self.inner.dumping.lock().await;
        let mut outcome = Err(XfrmError::Interrupted {
            operation: message().operation(),
            attempts: DUMP_ATTEMPTS,
        });
        for _ in 0..DUMP_ATTEMPTS {
            match self.request(message()).await {
                Ok(answer) if !answer.interrupted => {
                    return Ok(answer.items.into_iter().filter_map(only).collect());
                }
                Ok(_) => {}
                Err(error @ XfrmError::AnswerLost { .. }) => outcome = Err(error),
                Err(XfrmError::Kernel(refusal)) if refusal.errno == libc::EBUSY => {
                    outcome = Err(refusal.into());
                }
                Err(error) => return Err(error),
            }
            sleep(DUMP_PAUSE).await;
        }
        outcome
    }

    pub(crate) async fn request(&self, message: Message) -> Result<Answer, XfrmError> {
        let operation = message.operation();
        let closed = || XfrmError::Closed { operation };
        let deadline = Instant::now() + self.inner.time_limit;
        let (reply, answer) = oneshot::channel();
        self.inner
            .jobs
            .send(Job {
                message,
                deadline,
                reply,
            })
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn sa(item: Item) -> Option<SaState> {
    if let Item::Sa(sa) = item {
        Some(*sa)
    } else {
        None
    }
}

fn policy(item: Item) -> Option<PolicyState> {
    if let Item::Policy(policy) = item {
        Some(*policy)
    } else {
        None
    }
}
