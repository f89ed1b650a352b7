//! Other people's servers: nginx with its dav module, and a few lines of Python.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Putter;
use crate::support::{HANG, assert_same_bytes, other_program, pattern};

/// A server in a folder of its own, gone at the end.
struct Other {
    process: Child,
    dir: tempfile::TempDir,
    address: SocketAddr,
}

impl Other {
    fn start(start: impl Fn(&std::path::Path, SocketAddr) -> Child) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        // Free a moment ago; if somebody else was faster, the server ends, and this says so.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut process = start(dir.path(), address);
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(process.try_wait().unwrap().is_none() && since.elapsed() < HANG, "it ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, dir, address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join("root").join(name)).unwrap()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn nginx(dir: &std::path::Path, address: SocketAddr) -> Child {
    let at = dir.display();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/errors;\n\
         events {{}}\n\
         http {{\n\
         access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/p;\n\
         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
         client_max_body_size 15m;\n\
         server {{ listen {address}; root {at}/root; dav_methods PUT MKCOL DELETE; }}\n\
         }}\n"
    );
    let place = dir.join("nginx.conf");
    std::fs::write(&place, config).unwrap();
    let mut command = other_program("nginx", "nginx-light");
    command.arg("-c").arg(place).args(["-e", "stderr"]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

const PYTHON: &str = r#"
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        path = "root" + self.path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Thanks")
    def log_message(self, *rest):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

fn python(dir: &std::path::Path, address: SocketAddr) -> Child {
    let mut command = other_program("python3", "python3");
    command.args(["-c", PYTHON, &address.port().to_string()]).current_dir(dir);
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn nginx_and_python_take_files_of_any_length_and_folders() {
    for (start, has_folders) in
        [(nginx as fn(&std::path::Path, SocketAddr) -> Child, true), (python, false)]
    {
        let other = Other::start(start);
        let putter = Putter::new();
        for i in 0..100 {
            putter.file(format!("f/sub/deep/{i}"), pattern(i));
        }
        putter.file("f/middle.bin", pattern(2_000_000));
        putter.file("f/large.bin", pattern(12_000_000));
        if has_folders {
            std::fs::create_dir(putter.path("f/empty")).unwrap();
        }
        putter.put(&["f", &other.url("/to/")]).assert_well();
        for i in 0..100 {
            assert_eq!(other.read(&format!("to/f/sub/deep/{i}")), pattern(i));
        }
        assert_same_bytes(&other.read("to/f/middle.bin"), &pattern(2_000_000), "middle.bin");
        assert_same_bytes(&other.read("to/f/large.bin"), &pattern(12_000_000), "large.bin");
        assert_eq!(other.dir.path().join("root/to/f/empty").is_dir(), has_folders);
    }
}

#[test]
fn nginx_replaces_refuses_and_has_folders_by_the_files_name() {
    let other = Other::start(nginx);
    let putter = Putter::new();
    putter.file("a.txt", "one");
    let first = putter.put(&["a.txt", &other.url("/x"), "--json"]);
    assert_eq!(first.json()[0]["outcome"], "saved");
    putter.file("a.txt", "two");
    let second = putter.put(&["a.txt", &other.url("/x"), "--json"]);
    assert_eq!(second.json()[0]["outcome"], "replaced");
    assert_eq!(other.read("x"), b"two");
    std::fs::create_dir(other.dir.path().join("root/folder")).unwrap();
    putter.put(&["a.txt", &other.url("/folder")]).assert_well();
    assert_eq!(other.read("folder/a.txt"), b"two");
    putter.file("large.bin", pattern(20_000_000));
    putter.put(&["large.bin", &other.url("/")]).assert_ended(1, "413");
    let stdin = putter.put_with_input(&["-", &other.url("/piped")], pattern(3_000_000));
    stdin.assert_well();
    assert_same_bytes(&other.read("piped"), &pattern(3_000_000), "piped");
}
