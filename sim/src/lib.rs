//! The simulator: engines on a virtual network, with a virtual clock and a kernel made of maps.
//!
//! ```text
//!   World
//!    |- clock            jumps to the next thing that is due; nothing sleeps
//!    |- Network          delays, drops, doubles and reorders datagrams, by a seed
//!    |- Traffic          packets through the tunnels, and what became of them
//!    '- Node*            an engine, its FakeKernel, the owner of its secrets, what it said
//!   ScriptedPeer        a peer that says anything, with the right keys
//!   life                whole lives, drawn from a seed, and what must hold in each
//!   kernel_list         what the fake kernel and the real one are both held against
//!   coverage            which message met which situation, and why the rest did not
//! ```
//!
//! One seed, one history: run again with the same seed, the world does the same. (As long as the key exchange is X25519,
//! whose keys come from the engine's own random source; ring's ECP keys do not.)
//!
//! The fake kernel refuses what a kernel refuses, and checks after every step what our orders promise: nothing that the
//! configuration protects could go in clear, and whatever goes out finds its SA.
#![forbid(unsafe_code)]

pub mod certificates;
pub mod coverage;
pub mod kernel;
pub mod kernel_list;
pub mod life;
pub mod network;
pub mod node;
pub mod ocsp;
pub mod peer;
pub mod provider;
pub mod random;
pub mod setup;
pub mod traffic;
pub mod world;

pub use kernel::FakeKernel;
pub use network::{Fate, Network};
pub use node::Node;
pub use peer::{ScriptedPeer, Session};
pub use random::SeededRandom;
pub use world::World;
