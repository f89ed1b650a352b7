//! Where a fetched file is to go, decided before anything is fetched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::cli;
use crate::exit::Failure;

/// Where the bytes are to go.
#[derive(Debug)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// This file.
    File(PathBuf),
    /// This device, pipe or socket, which is written to as it is.
    Device(PathBuf),
}

impl Target {
    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }
}

/// Decides where the bytes go, and refuses before anything is fetched what would be refused after.
pub fn target(arguments: &cli::Get) -> Result<Target, Failure> {
    let from_url = || {
        arguments
            .url
            .address
            .file_name()
            .map(OsString::from_vec)
            .filter(|n| is_plain_name(n))
            .ok_or_else(|| {
                let hint = if !arguments.url.address.scheme.is_http() {
                    "names no file, and this wire has nothing else; folders come by http://"
                } else if arguments.url.address.path.is_empty() {
                    "names a host and no file; write http://HOST:PORT/FILE"
                } else {
                    "ends in no file name; give one with -o"
                };
                Failure::Usage(format!("{} {hint}", arguments.url.address))
            })
    };
    let path = match &arguments.output {
        Some(output) if output == "-" => return Ok(Target::Stdout),
        Some(output) if output.is_empty() => {
            return Err(Failure::Usage("-o wants a file's name, or - for standard output".into()));
        }
        Some(output) if Path::new(output).is_dir() => Path::new(output).join(from_url()?),
        Some(output) => PathBuf::from(output),
        None => PathBuf::from(from_url()?),
    };
    match path.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => return Ok(Target::Device(path)),
        _ if arguments.overwrite => {}
        Ok(_) => return Err(exists(&path)),
        // A link that leads nowhere is a name that is taken all the same.
        Err(_) if path.symlink_metadata().is_ok() => return Err(exists(&path)),
        Err(_) => {}
    }
    Ok(Target::File(path))
}

/// The failure where a name is taken.
pub fn exists(path: &Path) -> Failure {
    let path = path.display();
    Failure::Usage(format!("{path} exists; --overwrite replaces it, -o FILE names another"))
}

/// Whether it is one name, and leads nowhere.
pub fn is_plain_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes != b"."
        && bytes != b".."
        && !bytes.iter().any(|b| b"/\0".contains(b))
}
