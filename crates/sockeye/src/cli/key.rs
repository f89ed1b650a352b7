//! Keys on the command line.

use std::convert::Infallible;
use std::str::FromStr;

use clap::Args;
use sockeye_engine::access::SharedDoorkeeper;
use sockeye_proto::access::{Key, KeyError};

use crate::exit::Failure;
use crate::serving::Server;

/// The key that a service of its own wants.
#[derive(Clone, Debug, Args)]
pub struct JoinKey {
    /// Lets in only who says this key: 8 to 64 letters, digits, `-` and `_`, of which capitals and
    /// small letters are the same. Better given as SOCKEYE_JOIN_KEY: others on this machine can
    /// read a command line.
    #[arg(long, value_name = "KEY")]
    pub join_key: Option<GivenKey>,
}

impl JoinKey {
    /// Whether everybody is let in.
    pub fn is_none(&self) -> bool {
        self.join_key.is_none()
    }

    /// Whether what was given is a key; to be known before anything else is done.
    pub fn check(&self) -> Result<(), Failure> {
        self.join_key.as_ref().map_or(Ok(()), |given| given.key("--join-key").map(drop))
    }

    /// Who looks at the key, if one is wanted; it is hidden from this server's log from now on.
    pub fn doorkeeper(&self, server: &Server) -> Result<Option<SharedDoorkeeper>, Failure> {
        let Some(given) = &self.join_key else { return Ok(None) };
        let doorkeeper = SharedDoorkeeper::new(given.key("--join-key")?);
        server.log.mask().hide_key_of(&doorkeeper);
        Ok(Some(doorkeeper))
    }
}

/// What was given as a key. Whether it is one is looked at later: the parser would repeat what it
/// refuses, and that may be a key with a slip in it.
#[derive(Clone, Debug)]
pub struct GivenKey(Result<Key, KeyError>);

impl GivenKey {
    /// The key, or why it is none.
    pub fn key(&self, flag: &str) -> Result<Key, Failure> {
        self.0.clone().map_err(|error| Failure::Usage(format!("{flag}: {error}")))
    }
}

impl FromStr for GivenKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Key::parse(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let Ok(given) = "sesame street".parse::<GivenKey>();
        let error = given.key("--join-key").unwrap_err().to_string();
        assert!(error.starts_with("--join-key: a key is made of"), "{error}");
        assert!(!format!("{error} {given:?}").contains("sesame"));
    }
}
