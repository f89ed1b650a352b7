//! A server that speaks https, with a share and a data folder of its own; certificates of any kind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::support::{Fixture, Server, curl, other_program, run, sockeye};

/// What `a.txt` in the share holds.
pub(crate) const TEXT: &str = "hello over TLS";

/// A share and a data folder.
pub(crate) struct House {
    pub(crate) fixture: Fixture,
    data: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let house = Self { fixture: Fixture::new(), data: tempfile::tempdir().unwrap() };
        house.fixture.file("a.txt", TEXT);
        house
    }

    /// Where the data folder is, once there is one.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.data().join("tls-cert.pem")
    }

    /// `sockeye serve files`, not yet started.
    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        let mut command = sockeye();
        command.args(["serve", "files"]).arg(self.fixture.share());
        command.args(["--data".as_ref(), self.data().as_os_str()]).args(flags);
        command
    }

    /// The same on a free port, by https alone.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let mut command = self.command(&["--on", "https://127.0.0.1:0"]);
        Server::start(command.args(flags), 1)
    }

    /// The same, and what it says when it does not start.
    pub(crate) fn refused(&self, flags: &[&str]) -> String {
        let output = run(&mut self.command(flags));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Writes a file beside the share, with these rights.
    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.fixture.beside(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// curl that trusts nobody but this certificate.
pub(crate) fn curl_trusting(certificate: &Path, flags: &[&str], url: &str) -> Output {
    run(curl().arg("--cacert").arg(certificate).args(flags).arg(url))
}

/// The SHA-256 of a certificate, as openssl writes it: somebody else's reckoning.
pub(crate) fn fingerprint(certificate: &Path) -> String {
    let mut openssl = other_program("openssl", "openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(certificate);
    let output = run(&mut openssl);
    let line = String::from_utf8(output.stdout).unwrap();
    line.trim().split_once('=').unwrap_or_else(|| panic!("{line}")).1.to_owned()
}

/// A certificate for these names that is valid in these years, and its key, in PEM.
pub(crate) fn made(names: &[&str], years: (i32, i32)) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Runs a client in Python against a server, with what `beginning` defines, and gives what it
/// prints. There `talk()` is a connection on which the handshake is done.
pub(crate) fn python(server: SocketAddr, program: &str) -> String {
    let beginning = "
import socket, ssl, sys, time
address = (sys.argv[1], int(sys.argv[2]))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
def plain():
    return socket.create_connection(address, timeout=30)
def talk():
    return context.wrap_socket(plain(), suppress_ragged_eofs=False)
def rest(stream):
    got = b''
    try:
        while piece := stream.recv(65536):
            got += piece
    except ssl.SSLEOFError:
        got += b' and then it was cut'
    return got
GET = b'GET /a.txt HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'
";
    let mut command = other_program("python3", "python3");
    command.args(["-c", &format!("{beginning}{program}")]);
    command.args([server.ip().to_string(), server.port().to_string()]);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Somebody else's server, in Python, which answers each request with these bytes and then ends the
/// connection, without saying so within TLS.
pub(crate) fn foreign_server(certificate: &str, key: &str, answer: &str) -> Server {
    let program = "
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(('127.0.0.1', 0))
print('listening on https://127.0.0.1:%d' % listener.getsockname()[1], flush=True)
while True:
    try:
        stream = context.wrap_socket(listener.accept()[0], server_side=True)
        stream.recv(65536)
        stream.sendall(sys.argv[3].encode())
        stream.close()
    except OSError:
        pass
";
    let mut command = other_program("python3", "python3");
    command.args(["-c", program, certificate, key, answer]);
    Server::start(&mut command, 1)
}
