//! The command line, each flag defined once: help, sockeye.toml and SOCKEYE_* come out of this.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use sockeye_engine::drive::Driver;
use sockeye_engine::listen::IpVersion;
use sockeye_engine::request_log::LogFormat;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::datagram::network::Network;
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::{CLIENTS_MAX, CLIENTS_PER_ADDRESS_MAX, PAUSE, PAUSE_MAX, PAUSE_MIN};
use sockeye_proto::text::framing::{self, Framer};

use crate::exit::Failure;

pub use self::find::Find;
pub use self::get::{Get, Pin};
pub use self::key::{GivenKey, JoinKey};
pub use self::link::{ClientKey, Link, Secret};
pub use self::put::Put;
pub use self::sharing::{Guests, Open, Share};
pub use self::siblings::Siblings;

mod find;
mod get;
mod key;
mod link;
mod put;
mod sharing;
mod siblings;

/// A LAN hub and a network bench in one binary.
///
/// Share a folder with every browser on the network, from one file that you can copy to any
/// machine. The other side needs only a browser, curl or netcat.
#[derive(Debug, Parser)]
#[command(
    name = "sockeye",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Begin with:\n  sockeye up .                          share this folder on this machine\n  \
                  sockeye get http://127.0.0.1:8080/FILE  fetch a file\n\n\
                  Exit codes: 0 done, 1 the other side said no, 2 wrong usage, 3 the network failed,\n\
                  4 what arrived is not what was sent."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start the hub: a folder and its services on one page.
    Up(Up),
    /// Start one service alone.
    Serve(Serve),
    /// Fetch a file, whichever wire the URL names, or a folder of a hub.
    Get(Get),
    /// Send files and folders to a hub that takes them, or to any server that takes PUT.
    Put(Put),
    /// Say something to an echo server, and see how long it takes.
    Echo(Echo),
    /// Ask a clock server for the date or the time.
    Clock(Clock),
    /// List the hubs on this network, their pages and services.
    Find(Find),
    /// Show this machine's key, which lets others in, or make a new one.
    Key(KeyVerb),
}

/// `sockeye key`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sockeye key              the key of this machine's hubs\n  \
                        sockeye key --new-key    another one; hubs that run keep theirs\n  \
                        curl -H \"Authorization: Bearer $(sockeye key)\" http://192.168.1.7:8080/")]
pub struct KeyVerb {
    /// Makes a new key first; the old one lets nobody in any more.
    #[arg(long)]
    pub new_key: bool,
    /// Of what is kept.
    #[command(flatten)]
    pub data: Data,
    /// Where settings come from.
    #[command(flatten)]
    pub config: Config,
}

/// `sockeye up`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sockeye up                     share the current folder at http://127.0.0.1:8080/\n  \
                        sockeye up . --lan             let those in who have the key: a link, a QR code\n  \
                        sockeye up . --lan --uploads   and let them send files\n  \
                        sockeye up . --lan --open=read let the whole network read it\n  \
                        sockeye up ~/Photos --port 9000\n  \
                        sockeye up . --tls                 encrypted, at https://127.0.0.1:8080/\n  \
                        sockeye up . --without files.tcp    only the page, no raw TCP wire"
)]
pub struct Up {
    /// The folder to share.
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// The page's port on the loopback addresses; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Moves the ports 7001 to 7013 of the other services: N+1 to N+13.
    #[arg(long, value_name = "N", default_value = "7000", value_parser = base_port)]
    pub base_port: NonZeroU16,
    /// Leaves a service out, or one wire of it (files.tcp); repeatable.
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub without: Vec<String>,
    /// Moves a service to another address, like files=tcp://127.0.0.1:9008; repeatable.
    #[arg(long, value_name = "NAME=URL", action = ArgAction::Append)]
    pub on: Vec<String>,
    /// Of https.
    #[command(flatten)]
    pub tls: Tls,
    /// Who else may.
    #[command(flatten)]
    pub network: Guests,
    /// Of the folder.
    #[command(flatten)]
    pub share: Share,
    /// Of siblings.
    #[command(flatten)]
    pub siblings: Siblings,
    /// Of any server.
    #[command(flatten)]
    pub server: Server,
}

/// `sockeye serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Which service.
    #[command(subcommand)]
    pub service: ServeVerb,
}

/// The services that can run alone.
#[derive(Debug, Subcommand)]
pub enum ServeVerb {
    /// One folder, over http in any browser, or over tcp: a name in, bytes out.
    Files(ServeFiles),
    /// The same bytes back, or a fixed reply.
    Echo(ServeEcho),
    /// The date or the time: SEND_DATE, SEND_TIME.
    Clock(ServeClock),
}

/// `sockeye serve echo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sockeye serve echo --on tcp://127.0.0.1:7001 --on udp://127.0.0.1:7001\n  \
                        sockeye serve echo --on udp://127.0.0.1:7001 --reply 'Hello UDP Client'"
)]
pub struct ServeEcho {
    /// Answers every message or datagram with this text instead. Without it, tcp has no messages:
    /// every byte comes back as it is.
    #[arg(long, value_name = "TEXT")]
    pub reply: Option<String>,
    /// Of any text service.
    #[command(flatten)]
    pub text: TextServer,
}

/// `sockeye serve clock`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sockeye serve clock --on tcp://127.0.0.1:7002 --on udp://127.0.0.1:7002\n  \
                        echo SEND_TIME | nc -N 127.0.0.1 7002"
)]
pub struct ServeClock {
    /// Tells the time in UTC instead of this machine's zone.
    #[arg(long)]
    pub utc: bool,
    /// Of any text service.
    #[command(flatten)]
    pub text: TextServer,
}

/// Flags of the text services.
#[derive(Debug, Args)]
pub struct TextServer {
    /// Where to listen: tcp:// or udp://, a host of this machine, a port; repeatable. Without it,
    /// both at the service's own port on 127.0.0.1.
    #[arg(long, value_name = "URL", action = ArgAction::Append, value_parser = text_address)]
    pub on: Vec<Address>,
    /// What runs the conversations: tokio tasks, a thread for each, or one thread for all.
    #[arg(long, value_enum, default_value_t = DriverName::Tasks)]
    pub driver: DriverName,
    /// Trusts datagrams from this network as they stand, like 192.168.1.0/24: no cookie is asked
    /// of them; repeatable.
    #[arg(long, value_name = "NET", action = ArgAction::Append)]
    pub plain: Vec<Network>,
    /// Who may.
    #[command(flatten)]
    pub join_key: JoinKey,
    /// Of the tcp wire.
    #[command(flatten)]
    pub framing: Framing,
    /// Of any server.
    #[command(flatten)]
    pub server: Server,
}

/// Where a message over tcp ends.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Messages over tcp")]
pub struct Framing {
    /// What ends a message; auto unless told otherwise.
    #[arg(long, value_enum, value_name = "HOW")]
    pub framing: Option<FramingName>,
    /// How long a pause is, from 1ms to 4s; 20ms unless told otherwise.
    #[arg(long, value_name = "TIME", value_parser = pause, allow_hyphen_values = true)]
    pub pause: Option<Duration>,
}

/// The framings by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FramingName {
    /// A line end alone.
    Line,
    /// A pause alone; a line end inside is part of the message.
    Pause,
    /// A pause until the client's first line end, from then on a line end.
    Auto,
}

impl Framing {
    /// What each conversation begins with. Over no tcp wire with messages neither flag does
    /// anything, nor does a pause between lines; what does nothing is refused, with the reason.
    pub fn framer(&self, unframed: Option<&str>) -> Result<Framer, Failure> {
        let framing = match self.framing {
            Some(FramingName::Line) => framing::Framing::Line,
            Some(FramingName::Pause) => framing::Framing::Pause,
            Some(FramingName::Auto) | None => framing::Framing::Auto,
        };
        let without_use = match (self.framing, self.pause, unframed) {
            (Some(_), _, Some(reason)) => Some(("--framing", reason)),
            (_, Some(_), Some(reason)) => Some(("--pause", reason)),
            (Some(FramingName::Line), Some(_), None) => {
                Some(("--pause", "--framing line waits for none"))
            }
            _ => None,
        };
        match without_use {
            Some((flag, reason)) => {
                Err(Failure::Usage(format!("{flag} would do nothing: {reason}; leave it out")))
            }
            None => Ok(Framer::new(framing, self.pause.unwrap_or(PAUSE))),
        }
    }
}

/// The drivers by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DriverName {
    /// tokio tasks.
    Tasks,
    /// One OS thread per connection.
    Threads,
    /// One thread with an event loop.
    Single,
}

impl From<DriverName> for Driver {
    fn from(name: DriverName) -> Self {
        match name {
            DriverName::Tasks => Self::Tasks,
            DriverName::Threads => Self::Threads,
            DriverName::Single => Self::Single,
        }
    }
}

/// `sockeye serve files`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sockeye serve files ~/Photos --on http://127.0.0.1:8080\n  \
                        sockeye serve files . --on http://0.0.0.0:8080 --on tcp://0.0.0.0:7008\n  \
                        sockeye serve files . --on https://0.0.0.0:8443\n  \
                        sockeye serve files . --on tcp://127.0.0.1:7008 --driver single\n\n\
                        An address other than loopback lets everybody in who can reach it.")]
pub struct ServeFiles {
    /// The folder to serve.
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Where to listen: http://, https:// or tcp://, a host of this machine, a port; repeatable.
    /// Without it, http://127.0.0.1:8080, or https:// there with --tls.
    #[arg(long, value_name = "URL", action = ArgAction::Append, value_parser = server_address)]
    pub on: Vec<Address>,
    /// What runs the conversations: tokio tasks, a thread for each, or one thread for all. http and
    /// https are served by tasks alone.
    #[arg(long, value_enum, default_value_t = DriverName::Tasks)]
    pub driver: DriverName,
    /// Who may.
    #[command(flatten)]
    pub join_key: JoinKey,
    /// Of the tcp wire.
    #[command(flatten)]
    pub framing: Framing,
    /// Lets everybody send who can reach it, if --uploads is given without a key.
    #[arg(long, conflicts_with = "join_key")]
    pub open: bool,
    /// Of https.
    #[command(flatten)]
    pub tls: Tls,
    /// Of the folder.
    #[command(flatten)]
    pub share: Share,
    /// Of siblings.
    #[command(flatten)]
    pub siblings: Siblings,
    /// Of any server.
    #[command(flatten)]
    pub server: Server,
}

/// Flags of https.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Encryption")]
#[expect(clippy::struct_field_names, reason = "they are the flags' names")]
pub struct Tls {
    /// Speaks https at the page's port, with a certificate that is made at the first time and kept;
    /// its fingerprint is shown. A plain http request there is sent on to https.
    #[arg(long)]
    pub tls: bool,
    /// Takes this certificate instead, in PEM, with those that vouch for it after it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// And its key, in PEM.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
}

impl Tls {
    /// Whether http is to be https where nothing else was said.
    pub fn is_wanted(&self) -> bool {
        self.tls || self.tls_cert.is_some() || self.tls_key.is_some()
    }
}

/// Flags of every server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The server")]
pub struct Server {
    /// Clients served at once; who is over is told so and closed. Over UDP, where nobody says that
    /// they leave: the addresses and ports heard in the last idle timeout, at each udp:// by itself.
    #[arg(long, value_name = "N|none", default_value_t = MaxClients(Some(CLIENTS_MAX)))]
    pub max_clients: MaxClients,
    /// Of these, from one address.
    #[arg(long, value_name = "N|none", default_value_t = MaxClients(Some(CLIENTS_PER_ADDRESS_MAX)))]
    pub max_per_address: MaxClients,
    /// When an idle client is closed: a time like 30s, none, or dynamic, which is
    /// max(5 s, 20 s - clients connected).
    #[arg(long, value_name = "TIME", default_value = "dynamic", value_parser = idle_timeout,
          allow_hyphen_values = true)]
    pub idle_timeout: IdleTimeout,
    /// Ends the server, with exit code 0, when nobody has asked for anything for that long.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub exit_after_idle: Option<Duration>,
    /// A name that this hub answers to besides IP addresses, localhost and this machine's own
    /// name; others get 421. Repeatable.
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub host: Vec<String>,
    /// How each request's line on stderr is written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Log::People)]
    pub log: Log,
    /// Writes no line per request, and only the addresses at start.
    #[arg(long, short)]
    pub quiet: bool,
    /// Says more of each request: which siblings were asked, and what they said.
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Shows each message that goes over the wire on stderr: when, which way, its bytes, and what
    /// it means.
    #[arg(long)]
    pub wire: bool,
    /// Of names, only the IP version.
    #[command(flatten)]
    pub ip: Ip,
    /// Of what is kept.
    #[command(flatten)]
    pub data: Data,
    /// Where settings come from.
    #[command(flatten)]
    pub config: Config,
}

/// Where things are kept from one run to the next.
#[derive(Clone, Debug, Default, Args)]
pub struct Data {
    /// Where the key and the like are kept. Without it, $XDG_DATA_HOME/sockeye, else
    /// ~/.local/share/sockeye.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Keeps nothing from one run to the next.
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
}

/// Which IP version a name may lead to.
#[derive(Clone, Debug, Default, Args)]
pub struct Ip {
    /// Of a name's addresses, only IPv4 ones.
    #[arg(long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Of a name's addresses, only IPv6 ones.
    #[arg(long)]
    pub ipv6: bool,
}

impl Ip {
    /// The choice as one value.
    pub fn version(&self) -> IpVersion {
        match (self.ipv4, self.ipv6) {
            (true, _) => IpVersion::V4,
            (_, true) => IpVersion::V6,
            _ => IpVersion::Any,
        }
    }
}

/// The settings file.
#[derive(Clone, Debug, Default, Args)]
pub struct Config {
    /// Reads settings from this file (sockeye.toml); the command line wins over SOCKEYE_*
    /// variables, and those over the file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// `sockeye echo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sockeye echo localhost hello           one message, its answer, the round trip\n  \
                  sockeye echo udp://localhost:7001 hello --wire\n  \
                  sockeye echo localhost                 a line typed is a message; Ctrl-D ends\n  \
                  seq 3 | sockeye echo localhost         and so is a line of a pipe"
)]
pub struct Echo {
    /// Whom: HOST, tcp://HOST:PORT or udp://HOST:PORT. Without a port, 7001.
    #[arg(value_name = "URL", value_parser = text_address)]
    pub url: Address,
    /// What to say. Without it, lines are read from the terminal or from a pipe.
    #[arg(allow_negative_numbers = true)]
    pub text: Option<String>,
    /// Of any text client.
    #[command(flatten)]
    pub client: TextClient,
}

/// `sockeye clock`.
#[derive(Debug, Args)]
#[command(
    override_usage = "sockeye clock [date|time|watch] <URL> [OPTIONS]",
    after_help = "Examples:\n  sockeye clock time localhost\n  \
                  sockeye clock date udp://[::1]:7002\n  \
                  sockeye clock watch localhost     asks every 1 to 2 s, until Ctrl-C\n  \
                  sockeye clock localhost           lines typed are sent as they are;\n  \
                                                    it knows SEND_DATE and SEND_TIME"
)]
pub struct Clock {
    /// date, time or watch; then whom: HOST, tcp://HOST:PORT or udp://HOST:PORT. Without a port,
    /// 7002.
    #[arg(value_name = "[date|time|watch] URL", num_args = 1..=2, required = true)]
    pub words: Vec<String>,
    /// Of any text client.
    #[command(flatten)]
    pub client: TextClient,
}

/// Flags of the clients of text services.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct TextClient {
    /// Sends lines from the start. Without it, a message has no end until the server has sent a
    /// line itself, as classic servers expect it; each then waits for the answer to the one before.
    #[arg(long)]
    pub lines: bool,
    /// The key, if the server wants one. Better given as SOCKEYE_KEY: others on this machine can
    /// read a command line.
    #[arg(long, value_name = "KEY")]
    pub key: Option<GivenKey>,
    /// Writes each answer as one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Shows what goes over the wire on stderr: when, which way, its bytes, what it means, and how
    /// to do the same by hand.
    #[arg(long)]
    pub wire: bool,
    /// Says nothing but the answers.
    #[arg(long, short)]
    pub quiet: bool,
    /// Of names, only the IP version.
    #[command(flatten)]
    pub ip: Ip,
    /// Where settings come from.
    #[command(flatten)]
    pub config: Config,
}

/// A number of clients, or no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxClients(pub Option<usize>);

impl std::fmt::Display for MaxClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(n) => write!(f, "{n}"),
            None => f.write_str("none"),
        }
    }
}

impl std::str::FromStr for MaxClients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("none", _) => Ok(Self(None)),
            (_, Ok(n)) if n > 0 => Ok(Self(Some(n))),
            _ => Err("write a number from 1 on, or none".into()),
        }
    }
}

/// How requests are logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Log {
    /// One line for people.
    People,
    /// The Common Log Format.
    Common,
    /// One JSON object a line.
    Json,
    /// Nothing.
    Off,
}

impl Server {
    /// The log's format, `--quiet` considered.
    pub fn log_format(&self) -> LogFormat {
        match (self.quiet, self.log) {
            (true, _) | (_, Log::Off) => LogFormat::Off,
            (_, Log::People) => LogFormat::People,
            (_, Log::Common) => LogFormat::Common,
            (_, Log::Json) => LogFormat::Json,
        }
    }
}

fn base_port(text: &str) -> Result<NonZeroU16, String> {
    // 13 above it is the highest port of a service.
    match text.parse::<NonZeroU16>() {
        Ok(port) if port.get() <= u16::MAX - 13 => Ok(port),
        _ => Err("write a port from 1 to 65522".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| "write a time like 30s, 2m or 500ms".to_owned())?;
    Duration::try_from(span).map_err(|_| "a time cannot be negative".into())
}

fn pause(text: &str) -> Result<Duration, String> {
    match duration(text) {
        Ok(pause) if (PAUSE_MIN..=PAUSE_MAX).contains(&pause) => Ok(pause),
        _ => Err("write a time from 1ms to 4s, like 200ms".into()),
    }
}

fn idle_timeout(text: &str) -> Result<IdleTimeout, String> {
    match text {
        "none" => Ok(IdleTimeout::None),
        "dynamic" => Ok(IdleTimeout::Dynamic),
        _ => match duration(text) {
            Ok(Duration::ZERO) => Err("a timeout of 0 would close everybody at once".into()),
            Ok(span) => Ok(IdleTimeout::Fixed(span)),
            Err(_) => Err("write a time like 30s, none, or dynamic".into()),
        },
    }
}

/// Where a files server listens.
pub fn server_address(text: &str) -> Result<Address, String> {
    let schemes = [Scheme::Http, Scheme::Https, Scheme::Tcp];
    without_path(Address::parse(text, &schemes, Scheme::Http).map_err(|e| e.to_string())?)
}

fn without_path(address: Address) -> Result<Address, String> {
    if address.path.trim_start_matches('/').is_empty() {
        Ok(address)
    } else {
        Err(format!("a server listens on a host and a port; leave `{}` out", address.path))
    }
}

/// Where a service of the hub listens.
pub fn hub_address(text: &str) -> Result<Address, String> {
    let schemes = [Scheme::Http, Scheme::Https, Scheme::Tcp, Scheme::Udp];
    let address = Address::parse(text, &schemes, Scheme::Http).map_err(|e| e.to_string())?;
    without_path(address)
}

/// The address of a text service.
pub fn text_address(text: &str) -> Result<Address, String> {
    Address::parse(text, &[Scheme::Tcp, Scheme::Udp], Scheme::Tcp).map_err(|e| e.to_string())
}
