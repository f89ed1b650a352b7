//! The hub's text services, beside the page and through it: where they listen, what the page's
//! tools ask for, and what the metrics tell.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::process::Command;

mod support;

use support::{Fixture, Http, Server, run, sockeye};

/// A hub with all its services on free ports.
fn hub(fixture: &Fixture, flags: &[&str], lines: usize) -> Server {
    let mut command = sockeye();
    command.arg("up").arg(fixture.share()).arg("--quiet");
    for on in ["files=http", "files=tcp", "echo=tcp", "echo=udp", "clock=tcp", "clock=udp"] {
        let left_out = flags.iter().any(|flag| *flag == on.split('=').next().unwrap());
        if !left_out {
            command.args(["--on", &format!("{on}://127.0.0.1:0")]);
        }
    }
    command.args(flags);
    Server::start(&mut command, lines)
}

fn shell(line: &str) -> String {
    let output = run(Command::new("sh").args(["-c", line]));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_exchange_tells_what_passed_and_how_to_do_it_by_hand() {
    let fixture = Fixture::new();
    let hub = hub(&fixture, &[], 6);
    for wire in ["tcp", "udp"] {
        for (service, message, is_right) in [
            ("echo", "it's 100% \\n", (|text| text == "it's 100% \\n") as fn(&str) -> bool),
            ("clock", "SEND_DATE", |text| text.len() == 10),
        ] {
            let escaped = message.replace('%', "%25").replace('\\', "%5C").replace(' ', "+");
            let query = format!("service={service}&wire={wire}&message={escaped}");
            let told = hub.get(&format!("/-/api/exchange?{query}")).json();
            assert!(is_right(told["answer"]["text"].as_str().unwrap()), "{told}");
            assert!(told["answer"]["round_trip_ms"].as_f64().unwrap() > 0.0, "{told}");
            let messages = told["messages"].as_array().unwrap();
            let directions: Vec<&str> =
                messages.iter().map(|one| one["direction"].as_str().unwrap()).collect();
            assert_eq!(directions, ["out", "in"], "{told}");
            assert_eq!(messages[0]["bytes"], message.len(), "{told}");
            assert_ne!(messages[1]["meaning"], "", "{told}");
            let by_hand = |tool: &str| told["by_hand"][tool].as_str().unwrap().to_owned();
            assert!(is_right(&shell(&by_hand("netcat"))), "{told}");
            assert!(shell(&by_hand("curl")).contains("\"messages\""), "{told}");
            let output = run(Command::new("python3").args(["-c", &by_hand("python")]));
            let printed = String::from_utf8(output.stdout).unwrap();
            assert!(is_right(printed.strip_suffix('\n').unwrap()), "{told}");
        }
    }
    let line = hub.get("/-/api/exchange?service=clock&wire=tcp&message=SEND_DATE&line=yes").json();
    assert_eq!(line["messages"][0]["lines"][0], "\"SEND_DATE\\n\"");
}

#[test]
fn the_hub_calls_its_own_services_and_nobody_else() {
    let fixture = Fixture::new();
    let hub = hub(&fixture, &["--without", "echo"], 4);
    for (query, part) in [
        ("", "no text service"),
        ("service=files&wire=tcp&message=x", "no text service `files`"),
        ("service=echo&wire=tcp&message=x", "no text service `echo`"),
        ("service=clock&wire=http&message=x", "on the wire `http`"),
        ("service=clock&wire=udp", "message="),
        ("service=clock&wire=tcp&message=", "empty message"),
        (&format!("service=clock&wire=udp&message={}", "x".repeat(4_097)), "4096 bytes"),
    ] {
        let answer = hub.get(&format!("/-/api/exchange?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
    let empty = hub.get("/-/api/exchange?service=clock&wire=udp&message=").json();
    assert_eq!(empty["answer"]["refused"], true, "an empty datagram is a message: {empty}");
}

#[test]
fn who_does_not_reach_a_service_is_refused_an_exchange_and_told_what_lets_in() {
    let fixture = Fixture::new();
    let hub = hub(&fixture, &["--without", "clock.udp"], 5);
    let port = |name: &str| {
        let line = hub.lines.iter().filter(|line| line.contains(name)).nth(1).unwrap();
        line.rsplit(':').next().unwrap().to_owned()
    };
    let echo_tcp = port("tcp://");
    let from_afar = |path: &str| {
        let mut http = Http::connect(hub.http());
        http.send(format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n\r\n"));
        http.answer()
    };
    let refused = from_afar("/-/api/exchange?service=echo&wire=tcp&message=hello&line=yes");
    assert_eq!(refused.status, 403);
    let why = format!(
        "echo over TCP is only on the hub's own machine; it lets others in when started with \
         --on echo=tcp://0.0.0.0:{echo_tcp}"
    );
    assert!(refused.text().contains(&why), "{}", refused.text());
    assert_eq!(from_afar("/-/api/exchange?service=clock&wire=udp&message=x").status, 400);
    assert_eq!(from_afar("/-/api/echo?text=hello").text(), "hello");
    assert_eq!(from_afar("/-/api/clock").status, 200);

    let told = from_afar("/-/api/hub").json();
    assert_eq!(told["running"], serde_json::json!(["files", "echo", "clock"]));
    assert_eq!(told["services"], serde_json::json!([]), "none listens at 192.0.2.1");
    let elsewhere = told["elsewhere"].as_array().unwrap();
    let wires: Vec<String> = elsewhere
        .iter()
        .map(|one| format!("{}.{}", one["name"].as_str().unwrap(), one["wire"].as_str().unwrap()))
        .collect();
    assert_eq!(wires, ["files.http", "files.tcp", "echo.tcp", "echo.udp", "clock.tcp"]);
    assert_eq!(elsewhere[2]["let_in"], format!("--on echo=tcp://0.0.0.0:{echo_tcp}"));
    let near = hub.get("/-/api/hub").json();
    assert_eq!(near["elsewhere"], serde_json::json!([]));
}

#[test]
fn echo_and_clock_are_answered_over_http_too() {
    let fixture = Fixture::new();
    let hub = hub(&fixture, &[], 6);
    assert_eq!(hub.get("/-/api/echo?text=a+b%26c%E2%82%AC").text(), "a b&c\u{20ac}");
    assert_eq!(hub.get("/-/api/echo").status, 400);
    let clock = hub.get("/-/api/clock").json();
    assert_eq!(clock["date"].as_str().unwrap().len(), "2026-11-20".len(), "{clock}");
    assert_eq!(clock["time"].as_str().unwrap().len(), "14:03:09".len(), "{clock}");
    let (date, time, offset) = (&clock["date"], &clock["time"], &clock["offset"]);
    let written =
        [date, time, offset].map(|part| part.as_str().unwrap()).join(" ").replacen(' ', "T", 1);
    let written: jiff::Timestamp = written.replace(' ', "").parse().unwrap();
    let told_s = clock["unix_ms"].as_f64().unwrap() / 1e3;
    assert_eq!(written.as_second(), told_s.floor() as i64, "{clock}");
}

#[test]
fn the_metrics_tell_the_services_apart() {
    let fixture = Fixture::new();
    let hub = hub(&fixture, &[], 6);
    assert_eq!(hub.get("/-/api/exchange?service=clock&wire=tcp&message=SEND_TIME").status, 200);
    assert_eq!(hub.get("/-/api/exchange?service=clock&wire=udp&message=error+x").status, 200);
    let metrics = hub.get("/-/metrics").text();
    for line in [
        "sockeye_connections_total{service=\"clock\"} 1",
        "sockeye_connections_total{service=\"echo\"} 0",
        "sockeye_answers_total{service=\"clock\",status=\"2xx\"} 1",
        "sockeye_dropped_datagrams_total{service=\"echo\"} 0",
        "sockeye_kernel_dropped_datagrams_total{service=\"clock\"} 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} in\n{metrics}");
    }
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("sockeye_dropped_datagrams_total{service=\"clock\"} "));
    assert_ne!(dropped, Some("0"), "what begins like an answer is dropped");
}
