//! What every server command does around its listeners: start the runtime and the log, announce
//! the addresses, wait for a reason to end, drain.

use std::future::Future;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sockeye_engine::activity::Activity;
use sockeye_engine::drive::Driver;
use sockeye_engine::gate::{ClientLimits, Gate};
use sockeye_engine::http::exchange::Books;
use sockeye_engine::interfaces;
use sockeye_engine::listen::Door;
use sockeye_engine::metrics::ServiceCounters;
use sockeye_engine::request_log::RequestLog;
use sockeye_engine::stop::{Signals, Stop};
use sockeye_engine::trace::Trace;
use sockeye_proto::address::Scheme;
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::DRAIN_DEADLINE;

use crate::cli;
use crate::exit::Failure;

/// A server process: what its services share.
#[derive(Debug)]
pub struct Server {
    /// Ends everything.
    pub stop: Stop,
    /// Where lines go.
    pub log: RequestLog,
    /// Whether anybody has asked for anything.
    pub activity: Arc<Activity>,
    /// Who watches the wires, if anybody does.
    pub trace: Option<Trace>,
    /// The flags.
    pub flags: cli::Server,
}

impl Server {
    /// A server with these flags, not yet listening.
    pub fn new(flags: cli::Server) -> Result<Self, Failure> {
        sockeye_engine::privileges::raise_descriptor_limit();
        let log = RequestLog::start(flags.log_format())
            .map_err(|e| Failure::Ours(format!("cannot start the log's thread: {e}")))?;
        let stop = Stop::new()
            .map_err(|e| Failure::Ours(format!("cannot make the stop's eventfd: {e}")))?;
        let trace = flags.wire.then(|| {
            let log = log.clone();
            let mask = log.mask().clone();
            Trace::new(move |passed| log.show(passed.to_string())).masked_by(mask)
        });
        Ok(Self { stop, log, activity: Arc::new(Activity::new()), trace, flags })
    }

    /// How many clients a service may have.
    pub fn client_limits(&self) -> ClientLimits {
        ClientLimits {
            max_clients: self.flags.max_clients.0,
            max_per_address: self.flags.max_per_address.0,
        }
    }

    /// The door of one service: its own count of connections, on all its listeners.
    pub fn door(&self) -> Door {
        Door {
            gate: Gate::new(self.client_limits()),
            stop: self.stop.clone(),
            counters: Arc::new(ServiceCounters::default()),
        }
    }

    /// The books of one wire behind a door.
    pub fn books(&self, door: &Door, wire: &'static str) -> Arc<Books> {
        Arc::new(Books {
            counters: Arc::clone(&door.counters),
            log: self.log.clone(),
            activity: Arc::clone(&self.activity),
            wire,
            trace: self.trace.clone(),
        })
    }

    /// When an idle client is closed.
    pub fn idle(&self) -> IdleTimeout {
        self.flags.idle_timeout
    }

    /// Waits for a reason to end, and drains. Returns the exit's outcome.
    async fn until_the_end(&self) -> Result<(), Failure> {
        match self.flags.exit_after_idle {
            Some(span) => tokio::select! {
                () = self.stop.asked() => {}
                () = self.activity.idle_for(span) => {
                    self.log.say(format!("nobody asked for anything for {span:?}: ending"));
                    self.stop.ask();
                }
            },
            None => self.stop.asked().await,
        }
        let open = self.activity.open();
        if open > 0 {
            let of = if open == 1 { "transfer has" } else { "transfers have" };
            let seconds = DRAIN_DEADLINE.as_secs();
            self.log.say(format!("{open} {of} {seconds} s to finish; Ctrl-C again ends at once"));
        }
        let left = self.stop.drained(DRAIN_DEADLINE).await;
        if left > 0 {
            self.log.say(format!("{left} connections were cut"));
        }
        self.log.flush();
        Ok(())
    }
}

/// Runs a server: `start` spawns its listeners and announces them. Where another driver serves, the
/// runtime has only the signals and timers to mind, on this one thread.
pub fn run<F, Fut>(server: &Server, driver: Driver, start: F) -> Result<(), Failure>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<(), Failure>>,
{
    let mut builder = match driver {
        Driver::Tasks => tokio::runtime::Builder::new_multi_thread(),
        Driver::Threads | Driver::Single => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder
        .enable_all()
        .thread_name("sockeye")
        .build()
        .map_err(|e| Failure::Ours(format!("cannot start the runtime: {e}")))?;
    let outcome = runtime.block_on(async {
        let signals =
            Signals::catch().map_err(|e| Failure::Ours(format!("cannot catch Ctrl-C: {e}")))?;
        tokio::spawn(signals.throw(server.stop.clone()));
        start().await?;
        server.until_the_end().await
    });
    // What still hangs in a disk read does not keep the process.
    runtime.shutdown_background();
    outcome
}

/// A URL of a bound address.
pub fn url(scheme: Scheme, address: SocketAddr) -> String {
    format!("{}://{address}", scheme.as_str())
}

/// The address by which others reach a listener: for one on all addresses, the likeliest of this
/// machine's.
pub fn reachable(ip: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    let likeliest = interfaces::addresses().into_iter().map(|one| one.ip);
    let mut of_its_kind = likeliest.filter(|own| ip.is_ipv6() || own.is_ipv4());
    of_its_kind.next().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Prints on stdout, where only data and addresses go.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// The same for what need not be text.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| match e.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::Ours(format!("cannot write to standard output: {e}")),
    })
}

/// The line that tells scripts where a listener is.
pub fn announce(scheme: Scheme, address: SocketAddr) -> Result<(), Failure> {
    print(&format!("listening on {}\n", url(scheme, address)))
}
