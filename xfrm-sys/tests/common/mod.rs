//! Network namespaces for tests against the running kernel.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use xfrm_sys::{Event, Events};

/// Runs a test in a thread of its own with a network namespace of its own, or says why not.
pub(crate) fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        let run = || {
            if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
                return skip(&format!("no network namespace of its own: {errno}"));
            }
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(test());
        };
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn_scoped(scope, run);
        let thread = thread.expect("a thread");
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Says aloud, past the harness that keeps the output of tests which pass, that this test has not been run.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "skipped: {test}: {why}").expect("stderr");
}

/// Two network namespaces, joined by a wire.
pub(crate) struct Wire {
    near: File,
    far: File,
}

pub(crate) const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const NEAR_INNER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub(crate) const FAR_INNER: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
pub(crate) const FAR_INNER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1);
pub(crate) const NEAR_INNER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1);

impl Wire {
    /// Leaves the thread in the near namespace, which is the one it is in. Each end has its outer address, an inner one of
    /// either family, and routes to the other's inner ones.
    pub(crate) async fn new() -> Self {
        let near = this_namespace();
        unshare(CloneFlags::CLONE_NEWNET).expect("a second namespace");
        let far = this_namespace();
        let wire = Self { near, far };
        wire.enter_near();
        let handle = connect();
        let pair = LinkVeth::new("near", "far").build();
        handle
            .link()
            .add(pair)
            .execute()
            .await
            .expect("a pair of links");
        let far = index(&handle, "far").await;
        let message = LinkUnspec::new_with_index(far)
            .setns_by_fd(std::os::fd::AsRawFd::as_raw_fd(&wire.far))
            .build();
        handle
            .link()
            .set(message)
            .execute()
            .await
            .expect("the far end moves");
        set_up(
            &handle,
            "near",
            NEAR,
            NEAR_INNER,
            NEAR_INNER6,
            FAR_INNER,
            FAR_INNER6,
        )
        .await;
        wire.enter_far();
        set_up(
            &connect(),
            "far",
            FAR,
            FAR_INNER,
            FAR_INNER6,
            NEAR_INNER,
            NEAR_INNER6,
        )
        .await;
        wire.enter_near();
        wire.carries((NEAR_INNER.into(), FAR_INNER.into()));
        wire.carries((NEAR_INNER6.into(), FAR_INNER6.into()));
        wire
    }

    /// Waits until the carrier is up and the neighbours know each other.
    fn carries(&self, (near, far): (IpAddr, IpAddr)) {
        self.enter_far();
        let receiver = udp(far);
        self.enter_near();
        let sender = udp(near);
        let carried = (0..200).any(|_| {
            let _ = sender.send_to(b"?", receiver.local_addr().expect("bound"));
            receiver.recv(&mut [0; 8]).is_ok()
        });
        assert!(carried, "{near} -> {far}");
    }

    pub(crate) fn enter_near(&self) {
        setns(&self.near, CloneFlags::CLONE_NEWNET).expect("the near namespace");
    }

    pub(crate) fn enter_far(&self) {
        setns(&self.far, CloneFlags::CLONE_NEWNET).expect("the far namespace");
    }
}

fn this_namespace() -> File {
    File::open("/proc/thread-self/ns/net").expect("proc is mounted")
}

fn connect() -> Handle {
    let (connection, handle, _) = new_connection().expect("a route socket");
    tokio::spawn(connection);
    handle
}

async fn index(handle: &Handle, name: &str) -> u32 {
    use futures_util::TryStreamExt;
    let mut links = handle.link().get().match_name(name).execute();
    links
        .try_next()
        .await
        .expect("links")
        .expect("the link")
        .header
        .index
}

async fn set_up(
    handle: &Handle,
    link: &str,
    outer: Ipv4Addr,
    inner: Ipv4Addr,
    inner6: Ipv6Addr,
    peer: Ipv4Addr,
    peer6: Ipv6Addr,
) {
    let link = index(handle, link).await;
    let loopback = index(handle, "lo").await;
    for index in [link, loopback] {
        let up = LinkUnspec::new_with_index(index).up().build();
        handle.link().set(up).execute().await.expect("up");
    }
    let add = |address: IpAddr, prefix| handle.address().add(link, address, prefix).execute();
    add(outer.into(), 24).await.expect("outer address");
    add(inner.into(), 32).await.expect("inner address");
    // Without waiting for duplicates to show up.
    let mut add6 = handle.address().add(link, inner6.into(), 128);
    add6.message_mut().header.flags |= rtnetlink::packet_route::address::AddressHeaderFlags::Nodad;
    add6.execute().await.expect("inner IPv6 address");
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(peer, 32)
        .output_interface(link)
        .pref_source(inner)
        .build();
    handle.route().add(route).execute().await.expect("route");
    let route = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(peer6, 128)
        .output_interface(link)
        .pref_source(inner6)
        .build();
    handle
        .route()
        .add(route)
        .execute()
        .await
        .expect("IPv6 route");
}

/// The next event that `wanted` picks, within twenty seconds.
pub(crate) async fn event<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(events.next().await.expect("events")) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search)
        .await
        .expect("the event comes")
}

/// A UDP socket of this namespace.
pub(crate) fn udp(address: impl Into<IpAddr>) -> UdpSocket {
    let socket = UdpSocket::bind((address.into(), 0)).expect("the address is ours");
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a time limit");
    socket
}
