//! The command line as a contract: what scripts and people rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::process::Output;

use rustix::process::Signal;
use support::{Fixture, Http, Server, run, sockeye};

/// Runs it to its end, with these variables.
fn outcome(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        run(sockeye().args(arguments).envs(variables.iter().copied()));
    let stdout = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_reads_well(&stderr);
    (status.code(), stdout, stderr)
}

/// No panic, and no text that only its author can read.
#[track_caller]
fn assert_reads_well(stderr: &str) {
    for odd in ["panicked", "RUST_BACKTRACE", "Err(", "Some(", "None", "Os {", "Custom {", "kind:"]
    {
        assert!(!stderr.contains(odd), "{odd} in: {stderr}");
    }
}

#[track_caller]
fn assert_usage_error(arguments: &[&str], part: &str) {
    let (code, stdout, stderr) = outcome(arguments, &[]);
    assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
    assert_eq!(stdout, "", "{arguments:?}");
    assert!(stderr.contains(part), "{arguments:?}: {stderr}");
}

#[test]
fn help_of_every_verb_ends_well_and_shows_what_to_type() {
    for (arguments, parts) in [
        (&["--help"][..], &["sockeye up", "sockeye get", "Exit codes", "serve"][..]),
        (&["up", "--help"], &["sockeye up ~/Photos --port 9000", "--port", "--max-clients"]),
        (&["serve", "--help"], &["files"]),
        (&["serve", "files", "--help"], &["--on", "--idle-timeout", "Examples:", "dynamic"]),
        (
            &["get", "--help"],
            &["--output", "--overwrite", "--json", "Examples:", "standard output", "--key"],
        ),
        (&["find", "--help"], &["--wait", "--json", "Examples:", "UDP port 5353"]),
        (&["put", "--help"], &["FILE|FOLDER", "--json", "Examples:", "--key", "--ephemeral"]),
    ] {
        let (code, stdout, stderr) = outcome(arguments, &[]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        for part in parts {
            assert!(stdout.contains(part), "{part} in {arguments:?}:\n{stdout}");
        }
        assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
    }
    let (code, stdout, _) = outcome(&["--version"], &[]);
    assert_eq!((code, stdout), (Some(0), format!("sockeye {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_is_exit_2_and_names_what_is_wrong() {
    assert_usage_error(&[], "Usage");
    assert_usage_error(&["upp"], "upp");
    assert_usage_error(&["up", "--prot", "1"], "--port");
    assert_usage_error(&["up", "--port", "99999"], "99999");
    assert_usage_error(&["up", "--port", "x"], "x");
    assert_usage_error(&["up", "a", "b"], "b");
    assert_usage_error(&["up", "--base-port", "0"], "65522");
    assert_usage_error(&["up", "--max-clients", "0"], "number from 1 on");
    assert_usage_error(&["up", "--idle-timeout", "0s"], "close everybody");
    assert_usage_error(&["up", "--idle-timeout", "soon"], "30s, none, or dynamic");
    assert_usage_error(&["up", "--exit-after-idle=-1s"], "negative");
    assert_usage_error(&["up", "--without", "fils"], "files");
    let nothing: Vec<&str> =
        ["files", "echo", "clock"].iter().flat_map(|name| ["--without", name]).collect();
    assert_usage_error(&[&["up"][..], &nothing].concat(), "nothing to start");
    assert_usage_error(&["up", "--on", "files"], "NAME=URL");
    assert_usage_error(&["up", "--on", "chat=tcp://127.0.0.1:0"], "no service `chat`");
    assert_usage_error(&["up", "--on", "files=gopher://x"], "gopher");
    assert_usage_error(&["up", "--config", "/dev/zero"], "1 MiB at most");
    assert_usage_error(&["serve"], "files");
    assert_usage_error(&["serve", "fils"], "files");
    assert_usage_error(
        &["serve", "files", "--on", "ftp://127.0.0.1:0"],
        "http://, https://, tcp://",
    );
    assert_usage_error(&["serve", "files", "--on", "http://127.0.0.1:0/x"], "leave `/x` out");
    assert_usage_error(&["serve", "files", "--on", "http://me@127.0.0.1:0"], "user name");
    assert_usage_error(&["serve", "files", "--log", "xml"], "json");
    assert_usage_error(&["serve", "files", "--driver", "forks"], "single");
    assert_usage_error(
        &["serve", "files", "--driver", "single"],
        "http://127.0.0.1:8080 is served",
    );
    for pause in ["0s", "500us", "5s", "-1s", "soon"] {
        let pause = format!("--pause={pause}");
        assert_usage_error(&["serve", "clock", &pause], "from 1ms to 4s, like 200ms");
    }
    assert_usage_error(&["serve", "clock", "--framing", "lines"], "line, pause, auto");
    let both = ["serve", "files", "--on", "tcp://127.0.0.1:0", "--on", "http://[::1]:0"];
    assert_usage_error(&[&both[..], &["--driver", "threads"]].concat(), "leave --driver out");
    assert_usage_error(&["serve", "files", "--ipv4", "--ipv6"], "--ipv6");
    for wait in ["0s", "99ms", "1h", "-1s", "soon"] {
        assert_usage_error(&["find", &format!("--wait={wait}")], "from 100ms to 5m, like 2s");
    }
    assert_usage_error(&["get"], "URL");
    assert_usage_error(&["get", "http://h/x", "--overwrte"], "--overwrite");
}

#[test]
fn a_flag_that_would_do_nothing_is_refused_with_the_reason() {
    let free = |scheme| format!("{scheme}://127.0.0.1:0");
    let (http, tcp, udp) = (free("http"), free("tcp"), free("udp"));
    for flag in [["--framing", "line"], ["--framing", "auto"], ["--pause", "1s"]] {
        for (service, on, reason) in [
            (&["echo"][..], &tcp, "without --reply"),
            (&["echo", "--reply", "x"], &udp, "no tcp listener"),
            (&["clock"], &udp, "no tcp listener"),
            (&["files"], &http, "no tcp listener"),
        ] {
            let arguments = [&["serve"], service, &["--on", on], &flag].concat();
            assert_usage_error(&arguments, &format!("{} would do nothing", flag[0]));
            assert_usage_error(&arguments, reason);
        }
    }
    let line = ["serve", "clock", "--on", &tcp, "--framing", "line", "--pause", "1s"];
    assert_usage_error(&line, "--pause would do nothing");
}

#[test]
fn a_folder_that_is_missing_or_none_is_exit_2_with_a_way_out() {
    let fixture = Fixture::new();
    let file = fixture.file("a.txt", "x");
    let missing = fixture.path("none");
    for verb in [&["up"][..], &["serve", "files"]] {
        for (place, why) in [(&missing, "give a folder that exists"), (&file, "the folder")] {
            let place = place.to_str().unwrap();
            let arguments = [verb, &[place]].concat();
            let (code, stdout, stderr) = outcome(&arguments, &[]);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
            let start = format!("sockeye: cannot share {place}: ");
            assert!(stderr.starts_with(&start) && stderr.contains(why), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
    }
}

#[test]
fn an_address_that_cannot_be_had_is_exit_3() {
    let fixture = Fixture::new();
    let share = fixture.share();
    let share = share.to_str().unwrap();
    let at = |url: &str| outcome(&["serve", "files", share, "--on", url], &[]);
    let (code, _, stderr) = at("http://192.0.2.1:0");
    assert_eq!(code, Some(3));
    assert!(stderr.contains("no address of this machine"), "{stderr}");
    let (code, _, stderr) = at("http://no-such-host.invalid:0");
    assert_eq!(code, Some(3));
    assert!(stderr.contains("no-such-host.invalid"), "{stderr}");
}

#[test]
fn a_server_prints_a_line_a_listener_on_stdout_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    let mut command = sockeye();
    command.args(["serve", "files"]).arg(fixture.share());
    for url in ["http://127.0.0.1:0", "tcp://127.0.0.1:0", "http://127.0.0.2:0"] {
        command.args(["--on", url]);
    }
    let mut server = Server::start(&mut command, 3);
    let starts = ["http://127.0.0.1:", "tcp://127.0.0.1:", "http://127.0.0.2:"];
    for (line, start) in server.lines.iter().zip(starts) {
        let port = line.strip_prefix(&format!("listening on {start}")).unwrap();
        assert_ne!(port.parse::<u16>().unwrap(), 0);
    }
    for line in server.lines.iter().filter(|line| line.contains("http")) {
        let address = line.rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(Http::connect(address).get("/a.txt", &[]).text(), "hello");
    }
    server.process.signal(Signal::INT);
    assert_eq!(server.process.wait().code(), Some(0));
    assert_eq!(server.next_line(), None, "requests are told on stderr");
    let stderr = server.process.stderr();
    assert!(stderr.contains("GET /a.txt 200 5 B"), "{stderr}");
    assert_reads_well(&stderr);
}

#[test]
fn up_shows_a_table_and_with_quiet_the_lines() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    let up = |flags: &[&str]| {
        let mut command = sockeye();
        command.arg("up").arg(fixture.share());
        command.args(["--on", "files=http://127.0.0.1:0", "--on", "files=tcp://127.0.0.1:0"]);
        command.args(flags);
        command
    };
    let mut loud = Server::start(&mut up(&[]), 1);
    let table: Vec<String> = std::iter::from_fn(|| loud.next_line())
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    let table = table.join("\n");
    for part in [
        "what",
        "where",
        "who may",
        "http://127.0.0.1:",
        "tcp://127.0.0.1:",
        "this machine: read",
        "nc 127.0.0.1",
    ] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    assert!(table.contains(fixture.share().to_str().unwrap()), "{table}");
    assert!(!table.contains("listening on"), "{table}");
    let quiet = Server::start(&mut up(&["--quiet"]), 2);
    assert_eq!(quiet.get("/a.txt").text(), "hello");
    assert_eq!(quiet.raw(b"a.txt\n"), b"hello");
    assert_eq!(quiet.get("/-/health").text(), "ok\n");
    assert_eq!(quiet.process.stderr(), "");
}

#[test]
fn up_without_a_folder_shares_the_current_one_on_loopback_alone() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    let mut command = sockeye();
    command.args(["up", "--port", "0", "--without", "files.tcp", "--quiet", "--ipv4"]);
    command.current_dir(fixture.share());
    let server = Server::start(&mut command, 1);
    assert!(server.http().ip().is_loopback());
    assert_eq!(server.get("/a.txt").text(), "hello");
}

#[test]
fn what_the_hub_says_of_itself_is_served_below_its_own_path() {
    let fixture = Fixture::new();
    fixture.file("index.html", "mine");
    let server = Server::files(&fixture.share(), &[]);
    assert_eq!(server.get("/").text(), "mine");
    let page = Http::connect(server.http()).get("/-/", &[("Accept", "text/html")]);
    assert!(page.the("content-type").starts_with("text/html"));
    assert!(server.get("/-/").the("content-type").starts_with("text/plain"), "for curl");
    let hub = server.get("/-/api/hub").json();
    assert_eq!(hub["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(hub["folder"], "share");
    let metrics = server.get("/-/metrics");
    assert_eq!(metrics.the("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in metrics.text().lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<u64>().is_ok() && line.starts_with("sockeye_"), "{line}");
    }
    assert!(metrics.text().contains("sockeye_connections_total{service=\"files\"} 5"));
}

#[test]
fn settings_come_from_a_file_and_variables_and_the_command_line_wins() {
    let fixture = Fixture::new();
    fixture.file(".hidden", "shown");
    let config = fixture.beside("sockeye.toml");
    std::fs::write(
        &config,
        "[serve.files]\nhidden = true\nmax-clients = 1\non = 'http://127.0.0.1:0'\n",
    )
    .unwrap();
    let start = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = sockeye();
        command.args(["serve", "files"]).arg(fixture.share()).arg("--config").arg(&config);
        Server::start(command.args(flags).envs(variables.iter().copied()), 1)
    };
    let limit = |server: &Server| {
        let mut clients: Vec<Http> = Vec::new();
        loop {
            let mut client = Http::connect(server.http());
            // Who is refused is told so before it asks.
            client.send(client.request("GET", "/.hidden", &[]));
            let answer = client.answer();
            if answer.status == 503 {
                return clients.len();
            }
            assert_eq!(answer.text(), "shown");
            clients.push(client);
        }
    };
    assert_eq!(limit(&start(&[], &[])), 1);
    assert_eq!(limit(&start(&[("SOCKEYE_MAX_CLIENTS", "2")], &[])), 2);
    let line = ["--max-clients", "3"];
    assert_eq!(limit(&start(&[("SOCKEYE_MAX_CLIENTS", "2")], &line)), 3);
}

#[test]
fn an_unknown_setting_is_exit_2_and_names_the_near_one() {
    let fixture = Fixture::new();
    let config = fixture.beside("sockeye.toml");
    let place = config.to_str().unwrap();
    let with = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let (code, stdout, stderr) = outcome(&["up", "--config", place], &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(place) || text.contains("99999"), "{stderr}");
        stderr
    };
    assert!(with("[up]\nmax-client = 3\n").contains("did you mean `max-clients`?"));
    assert!(with("[upp]\nport = 3\n").contains("did you mean `up`?"));
    assert!(with("[serve.files]\nidle_timeout = '3s'\n").contains("did you mean `idle-timeout`?"));
    assert!(with("[up]\nport = 99999\n").contains("99999"));
    assert!(with("[up\n").contains("is not TOML"));
    let (code, _, stderr) = outcome(&["up", "--config", "/no/such/file"], &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/no/such/file"), "{stderr}");
    let (code, _, stderr) = outcome(&["up"], &[("SOCKEYE_PROT", "1")]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("did you mean `SOCKEYE_PORT`?"), "{stderr}");
}
