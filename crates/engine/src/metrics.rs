//! Counters, in the text form that Prometheus reads.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one service counts.
#[derive(Debug, Default)]
pub struct ServiceCounters {
    /// Connections accepted and let in.
    pub connections: Counter,
    /// Connections and datagrams refused because it was full.
    pub refused: Counter,
    /// Times that accepting failed for want of descriptors or memory.
    pub accept_failures: Counter,
    /// Connections closed because the peer was overdue: idle, slow with a head or a
    /// handshake, not reading.
    pub overdue: Counter,
    /// TLS handshakes that failed: whoever came did not trust our certificate, or spoke no TLS.
    pub handshake_failures: Counter,
    /// Datagrams dropped by the rules: loops, budgets.
    pub dropped: Counter,
    /// Datagrams that the kernel had to drop for want of buffer.
    pub kernel_dropped: Counter,
    /// Bytes of bodies received.
    pub received_bytes: Counter,
    /// Bytes of bodies and files handed to the network.
    pub sent_bytes: Counter,
    /// Answers by the first digit of their status: 1 to 5 (raw wire: 2 sent, 4 not found, 5 broken).
    pub answers: [Counter; 6],
}

impl ServiceCounters {
    /// Counts an answer and its bytes.
    pub fn answered(&self, status: u16, bytes: u64) {
        self.answers[usize::from(status / 100).min(5)].add(1);
        self.sent_bytes.add(bytes);
    }
}

/// Writes metrics in the Prometheus text exposition format, version 0.0.4.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// One metric: its help and type, then a line for each set of labels.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str, samples: &[(String, u64)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_written_as_prometheus_reads_it() {
        let mut out = Exposition::default();
        out.metric(
            "a_total",
            "counter",
            "What a is.",
            &[("{x=\"1\"}".into(), 2), (String::new(), 3)],
        );
        assert_eq!(
            out.into_text(),
            "# HELP a_total What a is.\n# TYPE a_total counter\na_total{x=\"1\"} 2\na_total 3\n"
        );
    }

    #[test]
    fn answers_are_counted_by_class() {
        let counters = ServiceCounters::default();
        counters.answered(206, 10);
        counters.answered(404, 0);
        let by_class: Vec<u64> = counters.answers.iter().map(Counter::get).collect();
        assert_eq!((by_class, counters.sent_bytes.get()), (vec![0, 0, 1, 0, 1, 0], 10));
    }
}
