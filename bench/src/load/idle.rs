//! Many keep-alive connections over HTTP that have asked once and say nothing more, and how long a
//! newcomer waits beside them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};

use super::answer::Answer;
use super::lines::{call, raise_descriptor_limit};
use super::thread_cpu_s;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 16 * 1024;

/// Connections that are open.
#[derive(Debug)]
pub struct Idle {
    clients: Vec<TcpStream>,
    /// CPU seconds that it took to open them and to ask once on each.
    pub cpu_s: f64,
}

impl Idle {
    /// Opens them one after the other, and fetches the file once on each: after that the server has
    /// let in and served them all.
    pub fn connect(to: SocketAddr, clients: usize, file: &str) -> anyhow::Result<Self> {
        raise_descriptor_limit();
        let before_s = thread_cpu_s();
        let mut idle = Self { clients: Vec::with_capacity(clients), cpu_s: 0.0 };
        for i in 0..clients {
            let mut stream =
                call(to, i).with_context(|| format!("client {} of {clients}", i + 1))?;
            ask(&mut stream, to, file)?;
            idle.clients.push(stream);
        }
        idle.cpu_s = thread_cpu_s() - before_s;
        Ok(idle)
    }

    /// Fails if the server has closed any of them or said anything.
    pub fn check(&self) -> anyhow::Result<()> {
        let is_open = |stream: &&TcpStream| {
            rustix::net::recv(stream, &mut [0; 1][..], RecvFlags::DONTWAIT) == Err(Errno::AGAIN)
        };
        let open = self.clients.iter().filter(is_open).count();
        let all = self.clients.len();
        ensure!(open == all, "of {all} idle connections only {open} are still open");
        Ok(())
    }
}

impl Drop for Idle {
    /// Closes by a reset: ten thousand connections in TIME_WAIT would be in the way of the next
    /// ones.
    fn drop(&mut self) {
        for client in &self.clients {
            let _ = sockopt::set_socket_linger(client, Some(Duration::ZERO));
        }
    }
}

/// From a new connection's first packet to its whole answer.
pub fn newcomer(to: SocketAddr, file: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut stream = call(to, 0)?;
    ask(&mut stream, to, file)?;
    Ok(begun.elapsed())
}

fn ask(stream: &mut TcpStream, host: SocketAddr, file: &str) -> anyhow::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /{file} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let (mut answer, mut buffer) = (Answer::default(), [0; READ_BYTES]);
    loop {
        let n = stream.read(&mut buffer).context("no answer")?;
        ensure!(n > 0, "the server has closed a connection");
        if answer.take(&buffer[..n])? {
            let status = answer.parts().map(|(head, _)| head.status);
            ensure!(status == Some(200), "the answer has status {status:?}");
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_connection_that_was_closed_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            let serve = |_| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").unwrap();
                stream
            };
            (0..3).map(serve).collect::<Vec<_>>()
        });
        let idle = Idle::connect(to, 3, "x").unwrap();
        let served = served.join().unwrap();
        idle.check().unwrap();
        served[1].shutdown(std::net::Shutdown::Both).unwrap();
        // What is read to its end is closed.
        assert_eq!(idle.clients[1].peek(&mut [0; 1]).unwrap(), 0);
        assert!(idle.check().unwrap_err().to_string().contains("only 2"));
    }
}
