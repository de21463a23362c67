//! `ikctl list`: a connection's state, its IKE SAs, its children with their Child SAs, and what went wrong.

use ikapi::{
    Child, ChildSa, Connection, End, IkeSa, IkeSaState, Keep, List, Mode, Proof, ProofMethod, Role,
    State,
};

use super::failure;
use crate::text::{Page, WIDTH, bytes, counted, duration, expires, paint};

/// All of it; `failed`: the daemon was asked for failures only.
pub(crate) fn list(list: &List, failed: bool, colour: bool) -> String {
    let mut page = Page::default();
    for each in &list.connections {
        page.blank();
        connection(&mut page, each, list.now, colour);
    }
    if !list.policies.is_empty() {
        page.blank();
        page.line(0, "traffic that is not protected");
        for policy in &list.policies {
            page.line(4, &format!("{}  {}", policy.name, policy.action));
            selectors(&mut page, 6, &policy.local, &policy.remote);
        }
    }
    if !list.unknown_peers.is_empty() {
        page.blank();
        page.line(0, "peers that fit no connection");
        for peer in &list.unknown_peers {
            page.line(4, &peer.address);
            failure::past(&mut page, 6, &peer.failure, list.now);
        }
    }
    let text = page.finish();
    if failed && !text.is_empty() {
        return text + "\nWhat a code in parentheses means: ikctl explain CODE\n";
    }
    match text {
        text if !text.is_empty() => text,
        _ if failed => "nothing has failed\n".to_owned(),
        _ => "there are no connections in ikd's configuration\n".to_owned(),
    }
}

fn connection(page: &mut Page, connection: &Connection, now: u64, colour: bool) {
    let (sign, sgr) = match connection.state {
        State::Up => ("+", "32"),
        State::Connecting => ("~", "33"),
        State::Waiting => ("!", "31"),
        State::Down => ("-", "2"),
        State::Passive => (".", "2"),
        State::OnDemand => ("o", "2"),
        State::Unknown => ("?", "33"),
    };
    let sign = paint(sign, sgr, colour);
    let state = paint(connection.state.as_str(), sgr, colour);
    let name = paint(&connection.name, "1", colour);
    let retry = connection
        .retry_in_seconds
        .map(|seconds| format!(", next attempt in {}", duration(seconds)));
    page.line(
        0,
        &format!("{sign} {name}  {state}{}", retry.unwrap_or_default()),
    );

    if connection.ike_sas.is_empty() {
        page.prose(4, 8, &format!("local   {}", end(&connection.local)));
        page.prose(4, 8, &format!("remote  {}", end(&connection.remote)));
        if let Some(certificate) = &connection.certificate {
            let proof = Proof {
                method: ProofMethod::Certificate,
                subject: Some(certificate.subject.clone()),
                issuer: Some(certificate.issuer.clone()),
                serial: Some(certificate.serial.clone()),
                not_after: Some(certificate.not_after),
                ..Proof::default()
            };
            page.prose(4, 8, &format!("we show {}", proven(&proof, now)));
        }
    }
    for sa in &connection.ike_sas {
        ike_sa(page, sa, now);
    }
    for each in &connection.children {
        child(page, each, connection, now, colour);
    }
    let configured = |name: &str| connection.children.iter().any(|child| child.name == name);
    for (_, sa) in child_sas(connection).filter(|(_, sa)| !configured(&sa.name)) {
        page.line(4, &format!("{}  no longer configured", sa.name));
        selectors(page, 6, &sa.local_ts, &sa.remote_ts);
        child_sa(page, sa, None);
    }
    if let Some(last) = &connection.last_failure {
        failure::past(page, 4, last, now);
    }
}

/// `192.0.2.1 (hq.example.com)`
fn end(end: &End) -> String {
    let address = end.address.as_deref().unwrap_or("any address");
    format!(
        "{address} ({})",
        end.id.as_deref().unwrap_or("any identity")
    )
}

fn ike_sa(page: &mut Page, sa: &IkeSa, now: u64) {
    let state = match sa.state {
        IkeSaState::Established => format!("established {} ago", duration(sa.age_seconds)),
        state => format!("{state}, {} old", duration(sa.age_seconds)),
    };
    let role = match sa.role {
        Role::Initiator => ", begun by us",
        Role::Responder => ", begun by the peer",
        Role::Unknown => "",
    };
    page.line(4, &format!("IKE SA (phase 1) #{}  {state}{role}", sa.id));
    let identity = |id: &Option<String>| {
        id.as_deref()
            .map(|id| format!(" ({id})"))
            .unwrap_or_default()
    };
    let sides = [
        ("local ", &sa.local, &sa.local_id, &sa.local_auth),
        ("remote", &sa.remote, &sa.remote_id, &sa.remote_auth),
    ];
    for (side, address, id, proof) in sides {
        page.prose(6, 8, &format!("{side}  {address}{}", identity(id)));
        if let Some(proof) = proof {
            page.prose(14, 2, &format!("proven by {}", proven(proof, now)));
        }
    }
    let heard = match sa.last_heard_seconds {
        Some(seconds) => format!("last heard {} ago", duration(seconds)),
        None => "never heard".to_owned(),
    };
    let suite = if sa.suite.is_empty() {
        "no algorithms agreed yet"
    } else {
        &sa.suite
    };
    page.prose(6, 8, &format!("{suite}, {heard}"));
    page.line(
        6,
        &format!(
            "SPIs    {} (initiator)  {} (responder)",
            sa.initiator_spi, sa.responder_spi
        ),
    );
}

/// `certificate CN=hq, issued by CN=the authority, serial 01, expires in 89d, ecdsa-sha256`
fn proven(proof: &Proof, now: u64) -> String {
    let mut words = vec![match proof.method {
        ProofMethod::Psk => "shared secret".to_owned(),
        ProofMethod::Certificate => {
            format!(
                "certificate {}",
                proof.subject.as_deref().unwrap_or("without a name")
            )
        }
        ProofMethod::RawKey => {
            // As much of the fingerprint as people compare; --json has it all.
            let start = proof.key.iter().flat_map(|key| key.chars().take(16));
            format!("public key {}...", start.collect::<String>())
        }
        ProofMethod::Unknown => "something that this ikctl does not know".to_owned(),
    }];
    words.extend(
        proof
            .issuer
            .iter()
            .map(|issuer| format!("issued by {issuer}")),
    );
    words.extend(proof.serial.iter().map(|serial| format!("serial {serial}")));
    words.extend(proof.not_after.map(|until| expires(until, now)));
    words.extend(proof.signature.clone());
    words.join(", ")
}

fn child(page: &mut Page, child: &Child, connection: &Connection, now: u64, colour: bool) {
    let keep = match child.keep {
        Keep::Up => "kept up",
        Keep::Passive => "the peer has to ask",
        Keep::OnDemand => "the next packet brings it up",
        Keep::Unknown => "",
    };
    // "passive, the peer has to ask" says it twice.
    let told = match (child.state, child.keep) {
        (State::Passive, Keep::Passive) => format!("passive: {keep}"),
        (State::OnDemand, Keep::OnDemand) => format!("on demand: {keep}"),
        (state, Keep::Unknown) => state.to_string(),
        (state, Keep::Passive) => format!("{state}, passive"),
        (state, Keep::OnDemand) => format!("{state}, on demand"),
        (state, Keep::Up) => format!("{state}, {keep}"),
    };
    let mode = match child.mode {
        Mode::Transport => ", transport mode",
        Mode::Tunnel | Mode::Unknown => "",
    };
    let name = paint(&child.name, "1", colour);
    page.line(4, &format!("{name}  {told}{mode}"));
    selectors(page, 6, &child.local, &child.remote);
    let many = connection.ike_sas.len() > 1;
    for (ike_sa, sa) in child_sas(connection).filter(|(_, sa)| sa.name == child.name) {
        if (&sa.local_ts, &sa.remote_ts) != (&child.local, &child.remote) {
            page.line(6, "agreed with the peer:");
            selectors(page, 8, &sa.local_ts, &sa.remote_ts);
        }
        child_sa(page, sa, many.then_some(ike_sa.id));
    }
    if child.last_failure.is_some() && child.last_failure != connection.last_failure {
        child
            .last_failure
            .iter()
            .for_each(|last| failure::past(page, 6, last, now));
    }
}

/// A Child SA, and the IKE SA it belongs to where that is not plain.
fn child_sa(page: &mut Page, sa: &ChildSa, ike_sa: Option<u64>) {
    let esn = if sa.esn { ", ESN" } else { "" };
    let of = ike_sa.map(|id| format!(" of #{id}")).unwrap_or_default();
    page.prose(
        6,
        4,
        &format!("Child SA (phase 2){of}  {}, {}{esn}", sa.mode, sa.suite),
    );
    let traffic = |count, packets| format!("{} in {}", bytes(count), counted(packets, "packet"));
    page.line(
        8,
        &format!(
            "in      {}  {}",
            sa.spi_in,
            traffic(sa.bytes_in, sa.packets_in)
        ),
    );
    page.line(
        8,
        &format!(
            "out     {}  {}",
            sa.spi_out,
            traffic(sa.bytes_out, sa.packets_out)
        ),
    );
    let left = match sa.hard_lifetime_seconds {
        0 => "no end".to_owned(),
        life => format!("ends in {}", duration(life.saturating_sub(sa.age_seconds))),
    };
    let window = match sa.replay_window {
        0 => "no replay protection".to_owned(),
        window => format!("replay window {window}"),
    };
    page.line(
        8,
        &format!(
            "age     {}, {left}; reqid {}, {window}",
            duration(sa.age_seconds),
            sa.reqid
        ),
    );
}

fn child_sas(connection: &Connection) -> impl Iterator<Item = (&IkeSa, &ChildSa)> {
    connection
        .ike_sas
        .iter()
        .flat_map(|ike_sa| ike_sa.child_sas.iter().map(move |sa| (ike_sa, sa)))
}

/// Both sides on one line, or, where that is too long, each on its own.
fn selectors(page: &mut Page, indent: usize, local: &[String], remote: &[String]) {
    let [local, remote] = [local, remote].map(|side| side.join(", "));
    let line = format!("{local} <-> {remote}");
    if indent + line.chars().count() <= WIDTH {
        page.line(indent, &line);
    } else {
        page.prose(indent, 8, &format!("local   {local}"));
        page.prose(indent, 8, &format!("remote  {remote}"));
    }
}
