//! How often a broken connection is tried again, and after which pauses.

use std::time::Duration;

use super::line::Trouble;
use crate::services::files::call::meter::Meter;

/// The pause before each try after the first. A server that was restarted is back by then.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];

/// The tries of one file.
#[derive(Debug, Default)]
pub struct Retries(usize);

impl Retries {
    /// How long to wait before the next try; `None` when there is to be none.
    pub fn pause(&mut self) -> Option<Duration> {
        let pause = PAUSES.get(self.0).copied();
        self.0 += 1;
        pause
    }

    /// Something went forward: all tries are to be had again.
    pub fn begin_anew(&mut self) {
        self.0 = 0;
    }

    /// Waits before the next try, if this is worth one; else gives the trouble back.
    pub async fn wait(&mut self, trouble: Trouble, meter: &Meter) -> Result<(), Trouble> {
        if !matches!(trouble, Trouble::Broken { .. }) {
            return Err(trouble);
        }
        let Some(pause) = self.pause() else { return Err(trouble) };
        meter.say("the connection broke, trying again");
        tokio::time::sleep(pause).await;
        meter.say("");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_three_more_tries_and_each_waits_longer() {
        let mut retries = Retries::default();
        let pauses: Vec<Duration> = std::iter::from_fn(|| retries.pause()).collect();
        assert_eq!(pauses.len(), 3);
        assert!(pauses.is_sorted() && pauses[0] < pauses[2], "{pauses:?}");
        retries.begin_anew();
        assert_eq!(retries.pause(), Some(PAUSES[0]));
    }
}
