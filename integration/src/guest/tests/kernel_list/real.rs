//! Headquarters' kernel under the list.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ikd::kernel::{Handle, Report, Work};
use ike::engine::io::{
    KernelEvent, KernelFailure, KernelId, KernelRequest, QuestionId, SaInstall, SaReference, SaUse,
};
use nix::time::{ClockId, clock_gettime, clock_settime};
use sim::kernel_list::{DATA, Kernel, NEAR_2, NEIGHBOUR_SOLICITATION, Parcel, Received, Sent};
use sim::node::Jump;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use xfrm_sys::{Statistics, Xfrm};

use super::esp;
use crate::guest::packets::{self, Injector};
use crate::guest::sniffer::{Frame, Kind};
use crate::guest::topology::TO_HQ;
use crate::guest::world::World;

/// Timers of the kernel go by whole seconds.
const TIMERS: Duration = Duration::from_secs(2);
/// How long an answer, an event or a packet that is due is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after what was expected something else would be heard.
const QUIET: Duration = Duration::from_millis(50);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// What a packet has with its IP header.
const PACKET_BYTES: usize = 1000;
const UDP_BYTES: usize = 8;

/// The owner of the kernel, at work in this thread's network namespace; and the ears around it.
pub(super) struct Real<'world> {
    world: &'world World,
    runtime: Runtime,
    handle: Handle,
    reports: UnboundedReceiver<Report>,
    events: Vec<KernelEvent>,
    /// The number of the last request, and of the last packet.
    count: u64,
    injector: Injector,
    here: UdpSocket,
    behind: UdpSocket,
    larval_life: Duration,
    /// How far the clock was set: forward, back.
    set_by: (Duration, Duration),
}

impl<'world> Real<'world> {
    /// Begins with what is in the kernel now, where larval SAs live for so long.
    pub(super) fn start(world: &'world World, larval_life: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (told, reports) = mpsc::unbounded_channel();
        let handle = runtime.block_on(async { ikd::kernel::start(Xfrm::open()?, told).await })?;
        let any: SocketAddr = ([0; 4], DATA.2).into();
        let here = UdpSocket::bind(any).context("binding")?;
        let behind = world.net.alice.run(|| UdpSocket::bind(any));
        let behind = behind.context("binding at alice's")?;
        for socket in [&here, &behind] {
            socket.set_nonblocking(true)?;
        }
        Ok(Self {
            world,
            runtime,
            handle,
            reports,
            events: Vec::new(),
            count: 0,
            injector: Injector::new(&world.net.internet)?,
            here,
            behind,
            larval_life,
            set_by: Default::default(),
        })
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The next report that is no event.
    fn answer(&mut self) -> Result<Report> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.report(deadline)?.context("no answer")?;
            match report {
                Report::Event(event) => self.events.push(event),
                other => return Ok(other),
            }
        }
    }

    /// The next report, if there is one until then.
    fn report(&mut self, deadline: Instant) -> Result<Option<Report>> {
        let reports = &mut self.reports;
        let next = async { tokio::time::timeout_at(deadline.into(), reports.recv()).await };
        match self.runtime.block_on(next) {
            Err(_) => Ok(None),
            Ok(None) => bail!("the owner of the kernel has ended"),
            Ok(Some(Report::Trouble(words))) => bail!("trouble: {words}"),
            Ok(report) => Ok(report),
        }
    }

    /// Takes events until then, or so many.
    fn listen(&mut self, deadline: Instant, count: usize) -> Result<()> {
        while self.events.len() < count {
            match self.report(deadline)? {
                None => return Ok(()),
                Some(Report::Event(event)) => self.events.push(event),
                Some(other) => bail!("nobody asked: {other:?}"),
            }
        }
        Ok(())
    }

    /// Sends a packet from this namespace, or from that of the host behind it; an error of the kernel is none of ours, for it shows elsewhere.
    fn emit(&mut self, parcel: &Parcel) -> Result<()> {
        let from = |port| SocketAddr::new(parcel.source, port);
        if parcel.carries == NEIGHBOUR_SOLICITATION {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
            socket.bind(&SockAddr::from(from(0)))?;
            let IpAddr::V6(target) = parcel.destination else {
                bail!("neighbour discovery is IPv6's");
            };
            // The kernel fills in the checksum.
            let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
            message.extend(target.octets());
            let to = SockAddr::from(SocketAddr::new(parcel.destination, 0));
            let _ = socket.send_to(&message, &to);
            return Ok(());
        }
        let (_, source, destination) = parcel.carries;
        let bind = || UdpSocket::bind(from(source));
        let socket = if parcel.source == NEAR_2 {
            self.world.net.alice.run(bind)
        } else {
            bind()
        };
        let socket = socket.with_context(|| format!("binding {}", parcel.source))?;
        let data = self.data(parcel);
        let _ = socket.send_to(&data, SocketAddr::new(parcel.destination, destination));
        Ok(())
    }

    /// As much as makes a packet whole, with a number in front that no other packet has.
    fn data(&mut self, parcel: &Parcel) -> Vec<u8> {
        let header = if parcel.source.is_ipv4() { 20 } else { 40 };
        let mut data = self.next().to_be_bytes().to_vec();
        data.resize(PACKET_BYTES - header - UDP_BYTES, 0);
        data
    }

    fn sent(&mut self, parcel: &Parcel) -> Result<Sent> {
        let (before, mark) = (Statistics::read()?, self.world.wire.now());
        self.emit(parcel)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // In this order: what is counted is not on the wire.
            let counters = Statistics::read()?;
            let frames = self.world.wire.heard(mark);
            let mut theirs = frames.iter().filter_map(|frame| left(frame, parcel));
            if let Some(sent) = theirs.next() {
                return Ok(sent);
            }
            let grown = counters.since(&before);
            match grown.keys().find(|name| name.starts_with("XfrmOut")) {
                None => {}
                Some(&"XfrmOutPolBlock") => return Ok(Sent::Blocked),
                Some(&"XfrmOutNoStates") => return Ok(Sent::NoSa),
                Some(&"XfrmOutStateExpired") => return Ok(Sent::UsedUp),
                Some(other) => return Ok(Sent::Otherwise((*other).to_owned())),
            }
            if Instant::now() > deadline {
                return Ok(Sent::Otherwise(
                    "it was neither sent nor counted".to_owned(),
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn received(&mut self, parcel: &Parcel, by: Option<&SaInstall>) -> Result<Received> {
        ensure!(parcel.carries == DATA, "no such packets are made here");
        let data = self.data(parcel);
        let sequence = u32::try_from(self.count)?;
        let (source, destination) = (esp::ipv4(parcel.source)?, esp::ipv4(parcel.destination)?);
        let inner = packets::udp((source, DATA.1), (destination, DATA.2), &data);
        let packet = match by {
            Some(sa) => esp::seal(sa, sequence, &inner)?,
            None => inner,
        };
        let before = Statistics::read()?;
        self.injector.send(&packet)?;
        let ear = if parcel.destination == NEAR_2 {
            &self.behind
        } else {
            &self.here
        };
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 2 * PACKET_BYTES];
        loop {
            match ear.recv(&mut buffer) {
                Ok(length) if buffer.get(..length) == Some(&data[..]) => {
                    return Ok(Received::Accepted);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("receiving"),
            }
            let counters = Statistics::read()?;
            let grown = counters.since(&before);
            match grown.keys().find(|name| name.starts_with("XfrmIn")) {
                None => {}
                Some(&"XfrmInNoStates") => return Ok(Received::NoSa),
                Some(&"XfrmInStateExpired") => return Ok(Received::UsedUp),
                Some(&"XfrmInNoPols") => return Ok(Received::NoPolicy),
                Some(&"XfrmInTmplMismatch") => return Ok(Received::WrongSa),
                Some(&"XfrmInPolBlock") => return Ok(Received::Blocked),
                Some(other) => return Ok(Received::Otherwise((*other).to_owned())),
            }
            if Instant::now() > deadline {
                return Ok(Received::Otherwise(
                    "it neither arrived nor was it counted".to_owned(),
                ));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Time passes, in which the owner of the kernel does its work.
    fn sleep(&mut self, time: Duration) -> Result<()> {
        self.listen(Instant::now() + time, usize::MAX)
    }

    fn move_clock(jump: Jump) -> Result<()> {
        let now = Duration::from(clock_gettime(ClockId::CLOCK_REALTIME)?);
        let then = match jump {
            Jump::Forward(by) => now + by,
            Jump::Back(by) => now.saturating_sub(by),
        };
        clock_settime(ClockId::CLOCK_REALTIME, then.into()).context("setting the clock")
    }
}

impl Drop for Real<'_> {
    fn drop(&mut self) {
        let (forward, back) = self.set_by;
        for jump in [Jump::Back(forward), Jump::Forward(back)] {
            if !matches!(jump, Jump::Back(by) | Jump::Forward(by) if by.is_zero())
                && let Err(error) = Self::move_clock(jump)
            {
                println!("the clock stays wrong: {error:#}");
            }
        }
    }
}

/// What this frame shows of what became of a packet, if it is that.
fn left(frame: &Frame, parcel: &Parcel) -> Option<Sent> {
    if frame.outgoing || &*frame.interface != TO_HQ {
        return None;
    }
    let (source, destination, payload) = match (frame.ipv4(), frame.ipv6()) {
        (Some(packet), _) => (
            IpAddr::from(packets::source(packet)?),
            IpAddr::from(packets::destination(packet)?),
            packet.get(20..)?,
        ),
        (None, Some(packet)) => (
            IpAddr::from(*packet.get(8..)?.first_chunk::<16>()?),
            IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?),
            packet.get(40..)?,
        ),
        (None, None) => return None,
    };
    if frame.kind() == Kind::Esp {
        let spi = u32::from_be_bytes(*payload.first_chunk::<4>()?);
        return Some(Sent::By(SaReference { spi, destination }));
    }
    ((source, destination) == (parcel.source, parcel.destination)).then_some(Sent::Clear)
}

impl Kernel for Real<'_> {
    fn request(&mut self, request: KernelRequest) -> Result<Result<(), KernelFailure>, String> {
        let id = KernelId(self.next());
        self.handle.send(Work::Request(id, request));
        match told(self.answer())? {
            Report::Done(done, outcome) if done == id => Ok(outcome),
            other => Err(format!("another answer: {other:?}")),
        }
    }

    fn send(&mut self, parcel: &Parcel) -> Result<Sent, String> {
        told(self.sent(parcel))
    }

    fn receive(&mut self, parcel: &Parcel, by: Option<&SaInstall>) -> Result<Received, String> {
        told(self.received(parcel, by))
    }

    fn hear(&mut self, expected: usize) -> Result<Vec<KernelEvent>, String> {
        told(self.listen(Instant::now() + PATIENCE, expected))?;
        told(self.listen(Instant::now() + QUIET, usize::MAX))?;
        Ok(std::mem::take(&mut self.events))
    }

    fn pass(&mut self, time: Duration) -> Result<(), String> {
        told(self.sleep(time))
    }

    fn pass_a_larval_life(&mut self) -> Result<(), String> {
        told(self.sleep(self.larval_life + TIMERS))
    }

    fn begin_a_second(&mut self) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let passed = now.map_or(0, |now| now.subsec_nanos());
        told(self.sleep(Duration::from_secs(1) - Duration::from_nanos(passed.into())))
    }

    fn set_clock(&mut self, jump: Jump) -> Result<(), String> {
        told(Self::move_clock(jump))?;
        match jump {
            Jump::Forward(by) => self.set_by.0 += by,
            Jump::Back(by) => self.set_by.1 += by,
        }
        Ok(())
    }

    fn contents(&mut self) -> Result<(Vec<(SaReference, u64)>, Vec<u32>), String> {
        let listed = self.runtime.block_on(async {
            let xfrm = Xfrm::open()?;
            let (sas, policies) = (xfrm.list_sas().await?, xfrm.list_policies().await?);
            anyhow::Ok((sas, policies))
        });
        let (sas, policies) = told(listed)?;
        let sas = sas.iter().filter(|sa| !sa.is_acquire()).map(|sa| {
            let reference = SaReference {
                spi: sa.id.spi,
                destination: sa.id.destination,
            };
            (reference, sa.counters.packets)
        });
        // Those without a direction are sockets'.
        let policies = policies.iter().filter(|policy| policy.direction.is_some());
        let indexes = policies.map(|policy| policy.index.get());
        Ok((sas.collect(), indexes.collect()))
    }

    fn uses(&mut self, sas: &[SaReference]) -> Result<Vec<SaUse>, String> {
        let id = QuestionId(self.next());
        self.handle.send(Work::Look(id, sas.to_vec()));
        match told(self.answer())? {
            Report::Use(done, uses) if done == id => Ok(uses),
            other => Err(format!("another answer: {other:?}")),
        }
    }
}

/// An error in the words that the list passes on.
fn told<T>(result: Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{:#}", anyhow!(error)))
}
