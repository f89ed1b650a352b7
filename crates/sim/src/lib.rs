//! Development only: runs Sockeye's machines on a simulated network in virtual time, from a seed.
//!
//! Nothing here waits, and nothing differs between two runs of one seed. A [`seed::Seed`] decides
//! how bytes are cut, delayed, lost, doubled or damaged and how long a worker takes; an event queue
//! orders all of it in virtual time.
//!
//! - [`trial`] runs a property over many seeds and prints the failing one with its trace.
//! - [`stream`] has simulated TCP connections: machine to machine, machine to script, and many
//!   conversations that share one machine.
//! - [`datagrams`] has endpoints that exchange datagrams over faulty links.
//! - [`siblings`] has questions to siblings that lie, stall, die and come back.
//! - [`network`] is what both stand on: the event queue, links for datagrams, pipes for streams.
//! - [`reference`](mod@reference) has models, written from the wire's description alone, that look
//!   at a whole conversation afterwards and say what it had to be.
//!
//! `SOCKEYE_SEEDS=10000` sets how many seeds a trial runs, `SOCKEYE_SEED=17` runs that one alone
//! and prints its trace.
//!
//! ```
//! use sockeye_proto::echo::Echo;
//! use sockeye_proto::machine::Tick;
//! use sockeye_sim::stream::{Action, Driven, Rules, Script, Step, Streams};
//! use sockeye_sim::trial;
//!
//! trial::explore("bytes come back", |seed, trace| {
//!     let mut client = Script::new([Step::now(Action::Bytes(b"hello".to_vec())), Step::now(Action::End)]);
//!     let mut server = Driven::without_worker(Echo::default());
//!     let rules = Rules::drawn(seed);
//!     let mut streams = Streams::new(seed.fork());
//!     streams.connect(Tick::START, &rules, &mut client, &mut server);
//!     streams.run(trace);
//!     if client.heard() == b"hello" { Ok(()) } else { Err("other bytes came back".into()) }
//! });
//! ```
#![forbid(unsafe_code)]

pub mod datagrams;
pub mod network;
pub mod reference;
pub mod seed;
pub mod siblings;
pub mod stream;
pub mod trace;
pub mod trial;
