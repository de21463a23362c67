//! The guest's side: the first process, and what demo and tests are made of.
//!
//! | module | what it is |
//! |---|---|
//! | [`init`] | the guest's first process: file systems, kernel modules, the job |
//! | [`netns`] | a network namespace: run code, start daemons, read counters inside it |
//! | [`topology`] | two gateways, the hosts behind them, the internet between, a stranger |
//! | [`sniffer`] | every frame on the wire between the gateways, classified and counted |
//! | [`packets`] | IPv4 packets made by hand, for an attacker |
//! | [`traffic`] | ping, TCP and UDP between hosts |
//! | [`steady`] | steady traffic both ways, every datagram of it accounted for |
//! | [`sa_events`] | what a gateway's kernel says about its SAs coming and going |
//! | [`certificates`] | authorities that sign whatever a test needs |
//! | [`web`] | a web server for CRLs and OCSP replies |
//! | [`peers`] | the daemons: ikd, strongSwan and libreswan |
//! | [`world`] | all of these together, and a daemon at each gateway |
//! | [`attacks`] | what an attacker sends, and what the kernel makes of it |
//! | [`demo`] | the story in three acts |
//! | [`tests`] | the end-to-end tests |
//! | [`package`] | the package's life on a plain Debian with systemd |
//! | [`pair`] | one of two such machines with a tunnel between them |
//! | [`sites`], [`shell`], [`count`] | what these two are made of: addresses and policies, commands, a count of tests |

pub mod attacks;
pub mod certificates;
pub mod count;
pub mod demo;
pub mod init;
pub mod netns;
pub mod package;
pub mod packets;
pub mod pair;
pub mod peers;
pub mod sa_events;
pub mod shell;
pub mod sites;
pub mod sniffer;
pub mod steady;
pub mod tests;
pub mod topology;
pub mod traffic;
pub mod web;
pub mod world;
