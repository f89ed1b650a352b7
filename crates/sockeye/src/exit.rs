//! How a command ends: an exit code that scripts can rely on, and one line that helps.

use std::io::Write as _;
use std::process::ExitCode;

use thiserror::Error;

/// Why a command did not do what it was asked. The variants are the exit codes of the contract.
#[derive(Debug, Error)]
pub enum Failure {
    /// 1: the other side said no: not found, refused, busy.
    #[error("{0}")]
    SaidNo(String),
    /// 2: wrong usage: an argument, a setting, a file that cannot be written where it should be.
    #[error("{0}")]
    Usage(String),
    /// 2, where clap has worded it.
    #[error("{0}")]
    Clap(Box<clap::Error>),
    /// 3: the network failed: no route, refused, timed out, a port that is taken.
    #[error("{0}")]
    Network(String),
    /// 4: what arrived is not what was sent.
    #[error("{0}")]
    Corrupt(String),
    /// 3: this machine failed.
    #[error("{0}")]
    Ours(String),
    /// 130: Ctrl-C, as shells count it.
    #[error("{0}")]
    Interrupted(String),
    /// 0, without a word: who read our output has enough.
    #[error("nobody reads on")]
    PipeClosed,
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::SaidNo(_) => 1,
            Self::Usage(_) | Self::Clap(_) => 2,
            Self::Network(_) | Self::Ours(_) => 3,
            Self::Corrupt(_) => 4,
            Self::Interrupted(_) => 130,
            Self::PipeClosed => 0,
        }
    }

    /// Says it on stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if let Self::Clap(error) = self {
            // Also --help and --version, which end well.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
        if matches!(self, Self::PipeClosed) {
            return ExitCode::SUCCESS;
        }
        // If stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "sockeye: {self}");
        ExitCode::from(self.code())
    }
}
