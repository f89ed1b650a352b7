//! The certificate that https is served under: one of the user's, or one that is made once and kept.
//!
//! People compare its fingerprint once and then rely on it, so that it stays the same as long as it
//! can: over restarts, other addresses and other `--host` names. A new one is made only when the old
//! one has expired or cannot be read, or when somebody has removed it; its key is kept even then.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::Timestamp;
use sockeye_engine::interfaces;
use sockeye_engine::request_log::RequestLog;
use sockeye_engine::tls::certificate::{About, CertificateError, Identity, Names, make};
use sockeye_engine::tls::server::ServerTls;

use crate::cli;
use crate::data::DataFolder;
use crate::exit::Failure;

/// What they are called in the data folder.
const CERTIFICATE: &str = "tls-cert.pem";
const KEY: &str = "tls-key.pem";
/// A longer file holds no certificate.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// That everybody may read.
const OTHERS_READ: u32 = 0o004;

/// What https is served under, and what whoever runs the server should know of it.
#[derive(Debug)]
pub struct Certificate {
    tls: ServerTls,
    notes: Vec<String>,
}

impl Certificate {
    /// The one that the flags name, else the one that is kept, made if there is none.
    pub fn get(flags: &cli::Tls, server: &cli::Server) -> Result<Self, Failure> {
        let mut notes = Vec::new();
        let identity = match (&flags.tls_cert, &flags.tls_key) {
            (Some(certificate), Some(key)) => given(certificate, key, &mut notes)?,
            (None, None) => {
                let data = DataFolder::find(server.data.data.as_deref(), server.data.ephemeral)?;
                kept(&data, &names(&server.host), &mut notes)?
            }
            _ => {
                let why = "--tls-cert and --tls-key go together: give both files, which may be one";
                return Err(Failure::Usage(why.into()));
            }
        };
        let tls = ServerTls::new(identity).map_err(|error| Failure::Ours(error.to_string()))?;
        Ok(Self { tls, notes })
    }

    /// What people compare with what their browser or client shows.
    pub fn fingerprint(&self) -> String {
        self.tls.fingerprint().to_string()
    }

    /// Says what there is to say of it, and gives what a listener needs.
    pub fn put_to_use(self, log: &RequestLog) -> ServerTls {
        for note in self.notes {
            log.say(note);
        }
        self.tls
    }
}

/// The user's own.
fn given(certificate: &Path, key: &Path, notes: &mut Vec<String>) -> Result<Identity, Failure> {
    let read = |path: &Path, what: &str| -> Result<(Vec<u8>, u32), Failure> {
        let read = || {
            let file = File::open(path)?;
            let mode = file.metadata()?.mode();
            let mut bytes = Vec::new();
            file.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
            Ok((bytes, mode))
        };
        read().map_err(|error: std::io::Error| {
            Failure::Usage(format!("cannot read the {what} in {}: {error}", path.display()))
        })
    };
    let (certificate_pem, _) = read(certificate, "certificate")?;
    let (key_pem, key_mode) = read(key, "key")?;
    let now = Timestamp::now();
    let identity = Identity::read(&certificate_pem, &key_pem)
        .and_then(|identity| identity.still_valid(now))
        .map_err(|error| {
            let path = match error.about() {
                About::Certificate => certificate,
                About::Key => key,
            };
            Failure::Usage(format!("{}: {error}", path.display()))
        })?;
    if key_mode & OTHERS_READ != 0 {
        let key = key.display();
        notes.push(format!(
            "everybody on this machine may read the key in {key}, and could pass for it: \
             `chmod 600 {key}`"
        ));
    }
    if now < identity.valid_from() {
        let from = identity.valid_from();
        notes.push(format!(
            "the certificate is valid from {from} only; is this machine's clock right?"
        ));
    }
    Ok(identity)
}

/// The one in the data folder.
fn kept(data: &DataFolder, names: &Names, notes: &mut Vec<String>) -> Result<Identity, Failure> {
    let now = Timestamp::now();
    // Two servers that start at once would otherwise each make one.
    let _lock = data.lock()?;
    let (certificate, key) = (data.read(CERTIFICATE)?, data.read(KEY)?);
    if let (Some(certificate), Some(key)) = (&certificate, &key) {
        let identity = Identity::read(certificate, key).and_then(|kept| kept.still_valid(now));
        match identity {
            // A clock that is slow for once makes nobody pin another certificate.
            Ok(identity) => return Ok(identity),
            Err(error) => notes.push(format!(
                "the kept certificate cannot be used any more ({error}); a new one was made, and \
                 its fingerprint is another: whoever relies on the old one needs the new one"
            )),
        }
    }
    let ours = |error: CertificateError| Failure::Ours(error.to_string());
    let made = make(names, key.as_deref(), now).map_err(ours)?;
    // The key first: without it the certificate would be of no use.
    data.write_secret(KEY, made.key.as_bytes())?;
    data.write_secret(CERTIFICATE, made.certificate.as_bytes())?;
    Identity::read(made.certificate.as_bytes(), made.key.as_bytes()).map_err(ours)
}

/// All by which this machine may be called.
fn names(hosts: &[String]) -> Names {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec![machine.clone(), format!("{machine}.local"), "localhost".to_owned()];
    let mut addresses: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for host in hosts {
        match host.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => names.push(host.clone()),
        }
    }
    addresses.extend(interfaces::addresses().into_iter().map(|one| one.ip));
    Names { machine, hosts: names, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept_in(data: &DataFolder) -> (Identity, Vec<String>) {
        let mut notes = Vec::new();
        let identity = kept(data, &names(&["hub.example".to_owned()]), &mut notes).unwrap();
        (identity, notes)
    }

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::find(Some(&dir.path().join("data")), false).unwrap();
        let (first, notes) = kept_in(&data);
        let (second, _) = kept_in(&data);
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn one_that_cannot_be_used_makes_way_for_another_with_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::find(Some(&dir.path().join("data")), false).unwrap();
        let long_ago = "2001-01-01T00:00:00Z".parse().unwrap();
        let old = make(&names(&[]), None, long_ago).unwrap();
        data.write_secret(KEY, old.key.as_bytes()).unwrap();
        data.write_secret(CERTIFICATE, old.certificate.as_bytes()).unwrap();
        let (_, notes) = kept_in(&data);
        assert!(notes[0].contains("valid until 2003") && notes[0].contains("another"), "{notes:?}");
        assert_eq!(data.read(KEY).unwrap().unwrap(), old.key.as_bytes());
        let (_, notes) = kept_in(&data);
        assert!(notes.is_empty(), "the new one is kept: {notes:?}");
    }

    #[test]
    fn without_a_data_folder_each_start_has_its_own() {
        let data = DataFolder::find(None, true).unwrap();
        let (first, second) = (kept_in(&data).0, kept_in(&data).0);
        assert_ne!(first.fingerprint(), second.fingerprint());
    }
}
