//! Load over HTTP, by others' generators: wrk for many small requests, curl for one large file.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::process::{Guarded, bound_to_this};

/// Connections that wrk keeps busy.
pub const CONNECTIONS: u32 = 64;
/// How much longer than asked a load may take before it counts as hung.
const GRACE: Duration = Duration::from_secs(15);

/// What a load did, seen from the outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// Requests answered.
    pub requests: u64,
    /// Bytes of bodies received; wrk counts heads too.
    pub bytes: u64,
    /// How long it took by the generator's own clock, in seconds.
    pub took_s: f64,
    /// CPU seconds that the generator took.
    pub cpu_s: f64,
    /// How long the generator ran, in seconds: what its CPU seconds are a share of.
    pub ran_s: f64,
}

/// Keeps [`CONNECTIONS`] keep-alive connections busy from one thread.
pub fn wrk(program: &Path, url: &str, span: Duration) -> anyhow::Result<Done> {
    let mut command = bound_to_this(program);
    command.arg("-t1").arg(format!("-c{CONNECTIONS}")).arg(format!("-d{}s", span.as_secs()));
    let ran = run(command.arg(url), program, span + GRACE)?;
    let (requests, bytes, took_s) =
        parse_wrk(&ran.said).with_context(|| format!("wrk says:\n{}", ran.said))?;
    Ok(Done { requests, bytes, took_s, cpu_s: ran.cpu_s, ran_s: ran.took_s })
}

/// Fetches a file again and again, one connection at a time, until `span` is over.
pub fn curl(program: &Path, url: &str, length: u64, span: Duration) -> anyhow::Result<Done> {
    let until = Instant::now() + span;
    let mut done = Done { requests: 0, bytes: 0, took_s: 0.0, cpu_s: 0.0, ran_s: 0.0 };
    while done.requests == 0 || Instant::now() < until {
        let mut command = bound_to_this(program);
        // -q first: no settings of this user.
        command.args(["-q", "-sS", "--noproxy", "*", "-o", "/dev/null"]);
        command.args(["-w", "%{http_code} %{size_download} %{time_total}"]);
        let ran = run(command.arg(url), program, GRACE)?;
        let (status, bytes, took_s) =
            parse_curl(&ran.said).with_context(|| format!("curl says: {}", ran.said))?;
        ensure!(status == 200 && bytes == length, "curl got {bytes} bytes, status {status}");
        done.requests += 1;
        done.bytes += bytes;
        done.took_s += took_s;
        done.cpu_s += ran.cpu_s;
        done.ran_s += ran.took_s;
    }
    Ok(done)
}

struct Ran {
    said: String,
    cpu_s: f64,
    took_s: f64,
}

fn run(command: &mut Command, program: &Path, timeout: Duration) -> anyhow::Result<Ran> {
    let name = program.display();
    // Both write far less than a pipe holds, so that it can be read when they have ended.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    let process = Guarded::spawn(command)?;
    if !process.ends_within(timeout)? {
        bail!("{name} has not ended after {timeout:?}");
    }
    let took_s = begun.elapsed().as_secs_f64();
    let cpu_s = process.cpu_s()?;
    let (success, said, complaint) = process.reap()?;
    ensure!(success, "{name} failed: {}", complaint.trim());
    Ok(Ran { said, cpu_s, took_s })
}

/// Requests, bytes and seconds of wrk's report. Answers other than 2xx and 3xx, and errors of
/// sockets, spoil a sample: they are refused.
fn parse_wrk(text: &str) -> anyhow::Result<(u64, u64, f64)> {
    for trouble in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        if let Some(line) = text.lines().find(|line| line.trim().starts_with(trouble)) {
            bail!("not all went well: {}", line.trim());
        }
    }
    let line = text.lines().find(|line| line.contains(" requests in ")).context("no sum")?;
    // `  587263 requests in 5.10s, 735.00MB read`
    let words: Vec<&str> = line.split_whitespace().collect();
    let [requests, "requests", "in", took, bytes, "read"] = words[..] else {
        bail!("the sum reads {line}")
    };
    let bytes = scaled(
        bytes,
        &[("KB", 1024.0), ("MB", MIB), ("GB", GIB), ("TB", 1024.0 * GIB), ("B", 1.0)],
    );
    let took = scaled(
        took.trim_end_matches(','),
        &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)],
    );
    Ok((requests.parse()?, bytes.context("bytes")? as u64, took.context("time")?))
}

const MIB: f64 = 1024.0 * 1024.0;
/// 2^30 bytes.
pub const GIB: f64 = 1024.0 * MIB;

/// `735.00MB` with the first unit that it ends with.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units
        .iter()
        .find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// Status, bytes and seconds.
fn parse_curl(text: &str) -> anyhow::Result<(u16, u64, f64)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [status, bytes, took] = words[..] else { bail!("three numbers were expected") };
    Ok((status.parse()?, bytes.parse()?, took.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Running 5s test @ http://127.0.0.1:36701/1k.bin
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   534.28us  193.55us   8.92ms   91.76%
    Req/Sec   119.16k     4.25k  125.02k    78.43%
  604421 requests in 5.10s, 735.50MB read
Requests/sec: 118514.81
Transfer/sec:    144.21MB
";

    #[test]
    fn a_report_of_wrk_gives_requests_bytes_and_seconds() {
        assert_eq!(parse_wrk(REPORT).unwrap(), (604_421, 771_227_648, 5.10));
        let minutes = REPORT.replace("5.10s", "1.50m").replace("735.50MB", "2.00GB");
        assert_eq!(parse_wrk(&minutes).unwrap(), (604_421, 2 << 30, 90.0));
    }

    #[test]
    fn a_sample_with_errors_is_refused() {
        for trouble in [
            "  Non-2xx or 3xx responses: 3\n",
            "  Socket errors: connect 0, read 7, write 0, timeout 0\n",
        ] {
            let error = parse_wrk(&format!("{REPORT}{trouble}")).unwrap_err().to_string();
            assert!(error.contains(trouble.trim()), "{error}");
        }
        assert!(parse_wrk("unable to connect to 127.0.0.1:1 Connection refused\n").is_err());
    }

    #[test]
    fn three_numbers_of_curl_are_read() {
        assert_eq!(parse_curl("200 1073741824 0.412345").unwrap(), (200, 1 << 30, 0.412_345));
        assert!(parse_curl("200 12").is_err());
    }
}
