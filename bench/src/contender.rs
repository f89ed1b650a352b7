//! Who races, and how each is started so that it does its best.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::load::exchange::Exchange;
use crate::server::{Entry, First};

/// What those who serve files share.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// For configurations and logs.
    pub temp: &'a Path,
    /// The folder that is served.
    pub share: &'a Path,
    /// A small file in it, and its contents: the first answer must hold them.
    pub probe: (&'a str, &'a [u8]),
}

/// A wire for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Lines over TCP.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Wire {
    fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Tcp => format!("tcp://{address}"),
            Self::Udp => format!("udp://{address}"),
        }
    }

    fn first(self, exchange: &Exchange) -> First {
        match self {
            Self::Tcp => First::Line(exchange.clone()),
            Self::Udp => First::Datagram(exchange.clone()),
        }
    }
}

/// Sockeye, serving files.
pub fn sockeye_files(program: &Path, ground: Ground<'_>, address: SocketAddr) -> Entry {
    let mut arguments = words("serve files");
    arguments.push(ground.share.into());
    arguments.extend(words(&format!("--on http://{address} --log off --max-per-address none")));
    Entry { name: "sockeye", program: program.into(), arguments, first: ground.first() }
}

/// Sockeye, serving messages: `service` is `echo`, `clock --utc`, with whatever flags.
pub fn sockeye_text(
    program: &Path,
    service: &str,
    wire: Wire,
    exchange: &Exchange,
    address: SocketAddr,
) -> Entry {
    let url = wire.url(address);
    let arguments = words(&format!(
        "serve {service} --on {url} --log off --max-clients none --max-per-address none \
         --idle-timeout none"
    ));
    Entry { name: "sockeye", program: program.into(), arguments, first: wire.first(exchange) }
}

/// Sockeye, serving files to many who stay without asking.
pub fn sockeye_files_idle(program: &Path, ground: Ground<'_>, address: SocketAddr) -> Entry {
    let mut entry = sockeye_files(program, ground, address);
    entry.arguments.extend(words("--max-clients none --idle-timeout 300s"));
    entry
}

/// nginx as it serves files best: a worker for each core with its own queue of connections, open
/// files kept, sendfile, no log.
pub fn nginx(
    program: &Path,
    ground: Ground<'_>,
    crowd: Crowd,
    address: SocketAddr,
) -> anyhow::Result<Entry> {
    let Ground { temp, share, .. } = ground;
    let file = temp.join("nginx.conf");
    fs::write(&file, nginx_configuration(temp, share, crowd, &address.to_string()))?;
    let log = temp.join("nginx.log");
    let arguments = ["-p".into(), temp.into(), "-c".into(), file.into(), "-e".into(), log.into()];
    Ok(Entry {
        name: "nginx",
        program: program.into(),
        arguments: arguments.into(),
        first: ground.first(),
    })
}

/// What redis is told: it keeps nothing on disk and has no second thread for sockets, which for
/// commands as small as PING only takes CPU from the first (redis.conf, `io-threads`).
pub const REDIS: &str = "--save '' --appendonly no --io-threads 1 --loglevel warning";

/// redis, answering `PING` by `+PONG`.
pub fn redis(program: &Path, temp: &Path, address: SocketAddr) -> Entry {
    let (host, port) = (address.ip(), address.port());
    let mut arguments = words(&format!("--bind {host} --port {port}"));
    arguments.extend(words(REDIS).into_iter().map(|w| if w == "''" { "".into() } else { w }));
    arguments.extend(["--dir".into(), temp.into()]);
    let first = First::Line(Exchange::fixed(b"PING\r\n", b"+PONG\r\n"));
    Entry { name: "redis", program: program.into(), arguments, first }
}

/// What memcached is told: one worker. With two, both wake for each datagram that comes to its one
/// UDP port, and take CPU from the load generator.
pub const MEMCACHED: &str = "-p 0 -t 1";

/// memcached over UDP, answering `exchange`.
pub fn memcached(program: &Path, exchange: &Exchange, address: SocketAddr) -> Entry {
    let (host, port) = (address.ip(), address.port());
    let mut arguments = words(&format!("{MEMCACHED} -l {host} -U {port}"));
    // It refuses to run as root unless it is told so.
    if rustix::process::geteuid().is_root() {
        arguments.extend(words("-u root"));
    }
    let first = First::Datagram(exchange.clone());
    Entry { name: "memcached", program: program.into(), arguments, first }
}

/// The null server, which is this program itself.
pub fn null(wire: Wire, exchange: &Exchange, address: SocketAddr) -> anyhow::Result<Entry> {
    Ok(Entry {
        name: "null server",
        program: std::env::current_exe()?,
        arguments: vec!["null".into(), wire.url(address).into()],
        first: wire.first(exchange),
    })
}

impl Ground<'_> {
    /// By what a server of these files is known to be ready.
    pub fn first(&self) -> First {
        let (name, contents) = self.probe;
        First::File(name.to_owned(), contents.to_vec())
    }
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

/// Whom nginx is to have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// A few who ask all the time.
    Busy,
    /// Ten thousand who stay for minutes without asking; any worker may get them all.
    Idle,
}

/// nginx's configuration, to listen at `listen`.
pub fn nginx_configuration(temp: &Path, share: &Path, crowd: Crowd, listen: &str) -> String {
    let (connections, stay) = match crowd {
        Crowd::Busy => (4096, ""),
        Crowd::Idle => (12_288, "  keepalive_timeout 300s;\n"),
    };
    let temp = temp.display();
    // Started by root it would give its workers to a user who may not look into our folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut text = format!(
        "daemon off;\n{user}worker_processes {workers};\npid {temp}/nginx.pid;\n\
         lock_file {temp}/nginx.lock;\nerror_log {temp}/nginx.log error;\n\
         events {{ worker_connections {connections}; }}\nhttp {{\n{stay}  access_log off;\n  sendfile on;\n  \
         open_file_cache max=1000;\n  keepalive_requests 1000000000;\n  \
         default_type application/octet-stream;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "  {kind}_temp_path {temp}/{kind};");
    }
    let share = share.display();
    let _ = writeln!(text, "  server {{ listen {listen} reuseport; root {share}; }}\n}}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_nginx_writes_is_in_the_temporary_folder() {
        let text =
            nginx_configuration(Path::new("/T"), Path::new("/T/share"), Crowd::Busy, "127.0.0.1:1");
        let paths = text.split([' ', ';']).filter(|word| word.starts_with('/'));
        let outside: Vec<&str> = paths.filter(|path| !path.starts_with("/T/")).collect();
        assert_eq!(outside, Vec::<&str>::new(), "in\n{text}");
        assert!(text.contains("listen 127.0.0.1:1 reuseport;"), "{text}");
    }

    #[test]
    fn sockeye_is_told_where_to_listen_and_to_write_no_log() {
        let (path, address) = (Path::new("/s"), "127.0.0.1:7".parse().unwrap());
        let echo = Exchange::echo(b"x\n");
        let entry = sockeye_text(path, "echo --driver single", Wire::Udp, &echo, address);
        let told: Vec<_> = entry.arguments.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(told[..4], ["serve", "echo", "--driver", "single"]);
        assert!(told.windows(2).any(|two| two == ["--on", "udp://127.0.0.1:7"]), "{told:?}");
        assert!(told.windows(2).any(|two| two == ["--log", "off"]), "{told:?}");
    }

    #[test]
    fn redis_is_told_to_save_nothing_by_an_empty_word() {
        let entry = redis(Path::new("/r"), Path::new("/T"), "127.0.0.1:7".parse().unwrap());
        assert!(entry.arguments.windows(2).any(|two| two[0] == "--save" && two[1].is_empty()));
    }
}
