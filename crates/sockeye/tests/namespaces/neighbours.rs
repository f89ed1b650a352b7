//! Hubs on machines of one network find each other, and are missed when they go: by a goodbye at
//! once, without one within a minute.
//!
//! The machines are namespaces on a bridge, without a default route and without anything else that
//! speaks multicast DNS.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sockeye_engine::discovery::{Announcement, Reach, Watched, start};
use sockeye_engine::request_log::{LogFormat, RequestLog};
use sockeye_engine::stop::Stop;
use sockeye_proto::discovery::record::Record;
use sockeye_proto::discovery::table::{Event, Wanted};
use sockeye_proto::limits::DISCOVERY_SILENCE;
use sockeye_proto::siblings::group::{GroupKey, GroupName};

use crate::lab::{enter, inside, ip};
use crate::support::{self, Fixture, HANG, Server};

/// Machines on one bridge: 10.78.0.1/24 and so on.
struct Network {
    /// The bridge's namespace, then the machines'.
    names: Vec<String>,
}

impl Network {
    fn new(machines: usize) -> Self {
        static NETWORKS: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "root is missing: network namespaces are made by root alone"
        );
        let (process, number) = (std::process::id(), NETWORKS.fetch_add(1, Ordering::Relaxed));
        let names = (0..=machines).map(|n| format!("sockeye-{process}-n{number}-{n}")).collect();
        let network = Self { names };
        for name in &network.names {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        let bridge = &network.names[0];
        // Multicast goes to all, as on a network without a router that asks who wants it.
        ip(&["-n", bridge, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0"]);
        ip(&["-n", bridge, "link", "set", "bridge", "up"]);
        for machine in 0..machines {
            network.plug(machine);
        }
        network
    }

    fn plug(&self, machine: usize) {
        let (bridge, name) = (&self.names[0], self.machine(machine));
        let port = format!("port{machine}");
        let cable = ["type", "veth", "peer", "name", "cable", "netns", name];
        ip(&[&["-n", bridge, "link", "add", &port][..], &cable].concat());
        ip(&["-n", bridge, "link", "set", &port, "master", "bridge", "up"]);
    }

    /// A machine's cable has an address and is up.
    fn connect(&self, machine: usize) {
        let (name, address) = (self.machine(machine), format!("{}/24", Self::address(machine)));
        ip(&["-n", name, "address", "add", &address, "dev", "cable"]);
        ip(&["-n", name, "link", "set", "cable", "up"]);
    }

    fn address(machine: usize) -> IpAddr {
        Ipv4Addr::new(10, 78, 0, machine as u8 + 1).into()
    }

    fn connected(machines: usize) -> Self {
        let network = Self::new(machines);
        (0..machines).for_each(|machine| network.connect(machine));
        network
    }

    fn machine(&self, machine: usize) -> &str {
        &self.names[machine + 1]
    }

    /// Our program on a machine; it announces what it is asked to.
    fn sockeye(&self, machine: usize, arguments: &[&str]) -> Command {
        let mut program = support::sockeye();
        program.env_remove("SOCKEYE_NO_ANNOUNCE");
        let mut command = inside(self.machine(machine), &program);
        command.args(arguments);
        command
    }

    /// A hub, which has said where it listens.
    fn up(&self, machine: usize, fixture: &Fixture, flags: &[&str]) -> Server {
        let mut command = self.sockeye(machine, &["up", "--quiet", "--ephemeral"]);
        Server::start(command.arg(fixture.share()).args(flags), 1)
    }

    fn find(&self, machine: usize, flags: &[&str]) -> Output {
        support::run(&mut self.sockeye(machine, &[&["find"], flags].concat()))
    }

    /// The pages that are found from a machine, in order.
    fn pages(&self, machine: usize) -> Vec<String> {
        let found = self.find(machine, &["--json"]);
        let text = String::from_utf8(found.stdout).unwrap();
        let page = |line: &str| {
            let hub: serde_json::Value = serde_json::from_str(line).unwrap();
            hub["page"].as_str().unwrap().to_owned()
        };
        let mut pages: Vec<String> = text.lines().map(page).collect();
        pages.sort();
        pages
    }

    /// Looks until that is what is found.
    #[track_caller]
    fn see(&self, machine: usize, expected: &[&str]) {
        let began = Instant::now();
        loop {
            let pages = self.pages(machine);
            if pages == expected {
                return;
            }
            assert!(began.elapsed() < HANG, "{pages:?} and not {expected:?}");
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// What a hub on a machine is told of the others.
struct Watcher {
    events: Receiver<Event>,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watcher {
    fn new(network: &Network, machine: usize) -> Self {
        let (sender, events) = channel();
        let told = Box::new(move |event| drop(sender.send(event)));
        let watched = Watched { wanted: Wanted::default(), told };
        Self::start(network, machine, None, Some(watched), events)
    }

    /// Somebody who announces this, whatever is there.
    fn announce(network: &Network, machine: usize, announcement: Announcement) -> Self {
        Self::start(network, machine, Some(announcement), None, channel().1)
    }

    fn start(
        network: &Network,
        machine: usize,
        announcement: Option<Announcement>,
        watched: Option<Watched>,
        events: Receiver<Event>,
    ) -> Self {
        let namespace = network.machine(machine).to_owned();
        let stop = Stop::new().unwrap();
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            enter(&namespace);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let log = RequestLog::start(LogFormat::Off).unwrap();
                start(Reach::everywhere(), announcement, watched, &asked, log).unwrap();
                asked.asked().await;
                asked.drained(HANG).await;
            });
        });
        Self { events, stop, thread: Some(thread) }
    }

    /// The id of the hub at a machine, as soon as that is found.
    fn found(&self, machine: usize) -> String {
        loop {
            let event = self.events.recv_timeout(HANG);
            let event = event.unwrap_or_else(|e| panic!("machine {machine} is not found: {e}"));
            if let Event::Found(hub) = event
                && hub.addresses.iter().any(|at| at.ip() == Network::address(machine))
            {
                return hub.id().to_owned();
            }
        }
    }

    /// Who leaves next, within that time.
    fn left(&self, within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Left(id)) => return id,
                Ok(Event::Found(_)) => {}
                Err(error) => panic!("nobody left within {within:?}: {error}"),
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const PAGES: [&str; 3] =
    ["http://10.78.0.1:8080/", "http://10.78.0.2:8080/", "http://10.78.0.3:8080/"];

#[test]
fn three_hubs_see_each_other_and_who_ends_is_gone_at_once() {
    let network = Network::connected(3);
    let fixture = Fixture::new();
    let mut hubs: Vec<Server> =
        (0..3).map(|machine| network.up(machine, &fixture, &["--lan"])).collect();
    for machine in 0..3 {
        network.see(machine, &PAGES);
    }
    let found = network.find(0, &[]);
    let table = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.status.code(), Some(0));
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    for part in ["share", PAGES[0], "with the key", "files (http 8080, tcp 7008)"] {
        assert!(rows[1].contains(part), "{part} in {table}");
    }
    let watcher = Watcher::new(&network, 0);
    let id = watcher.found(2);
    let mut last = hubs.pop().unwrap();
    last.process.signal(Signal::INT);
    // Far less than the silence that would be needed without a goodbye.
    assert_eq!(watcher.left(DISCOVERY_SILENCE / 4), id);
    assert_eq!(last.process.wait().code(), Some(0));
    assert_eq!(network.pages(0), PAGES[..2]);
    // It takes no goodbye for one who asks only now.
    drop(hubs.pop());
    assert_eq!(network.pages(0), PAGES[..1]);
    drop(hubs.pop());
    let nobody = network.find(1, &["--wait", "500ms"]);
    let hint = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!((nobody.status.code(), nobody.stdout.len()), (Some(1), 0));
    assert!(hint.contains("--lan") && hint.contains("UDP port 5353"), "{hint}");
}

#[test]
#[ignore = "takes more than a minute; the table's own tests have it on virtual time"]
fn who_is_killed_is_missed_within_a_minute_and_who_lives_is_not() {
    let network = Network::connected(3);
    let fixture = Fixture::new();
    let _stays = network.up(1, &fixture, &["--lan"]);
    let mut killed = network.up(2, &fixture, &["--lan"]);
    let watcher = Watcher::new(&network, 0);
    let id = watcher.found(2);
    killed.process.child.kill().unwrap();
    let began = Instant::now();
    assert_eq!(watcher.left(DISCOVERY_SILENCE + Duration::from_secs(10)), id);
    println!("missed after {:?}", began.elapsed());
    assert_eq!(network.pages(0), PAGES[1..2]);
    // The other one is heard of still.
    watcher.found(1);
}

#[test]
fn a_hub_is_found_on_a_network_that_comes_up_after_it() {
    let network = Network::new(2);
    network.connect(0);
    let fixture = Fixture::new();
    let _hub = network.up(1, &fixture, &["--lan"]);
    assert_eq!(network.find(0, &["--wait", "1s"]).status.code(), Some(1));
    network.connect(1);
    network.see(0, &PAGES[1..2]);
}

#[test]
fn who_listens_on_one_machine_alone_or_wants_no_announcement_is_not_heard_of_elsewhere() {
    let network = Network::connected(2);
    let fixture = Fixture::new();
    let _local = network.up(0, &fixture, &[]);
    let key = fixture.beside("group.key");
    std::fs::write(&key, "a key of sixteen bytes and more").unwrap();
    let group = ["--find-peers", "--group", "lab", "--group-key-file", key.to_str().unwrap()];
    let on_loopback = network.up(0, &fixture, &[&group[..], &["--port", "8083"]].concat());
    let _silent = network.up(0, &fixture, &["--lan", "--no-announce", "--port", "8081"]);
    let one = network.up(0, &fixture, &["--lan", "--port", "8082"]);
    network.see(1, &["http://10.78.0.1:8082/"]);
    network.see(0, &["http://10.78.0.1:8082/", "http://127.0.0.1:8083/"]);
    drop(on_loopback);
    drop(one);
    for machine in 0..2 {
        assert_eq!(network.find(machine, &["--wait", "1s"]).status.code(), Some(1));
    }
}

#[test]
fn two_machines_and_folders_of_one_name_are_two_hubs() {
    let network = Network::connected(2);
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let _one = network.up(0, &fixture, &["--lan"]);
    network.see(1, &PAGES[..1]);
    let _two = network.up(1, &other, &["--lan"]);
    network.see(0, &PAGES[..2]);
    let found = String::from_utf8(network.find(0, &["--json"]).stdout).unwrap();
    assert_eq!(found.matches("\"machine\":").count(), 2, "{found}");
}

#[test]
fn members_of_a_group_find_each_other_and_pass_on_what_one_of_them_has() {
    let network = Network::connected(3);
    let fixtures = [Fixture::new(), Fixture::new(), Fixture::new()];
    fixtures[1].file("members.txt", "for members");
    fixtures[2].file("strangers.txt", "of a stranger");
    // The third has the group's name, and another key.
    let keys = ["the key of the group", "the key of the group", "the key of another"];
    let mut hubs: Vec<Server> = (0..3)
        .map(|machine| {
            let file = fixtures[machine].beside("group.key");
            std::fs::write(&file, keys[machine]).unwrap();
            let group =
                ["--find-peers", "--group", "lab", "--group-key-file", file.to_str().unwrap()];
            network.up(
                machine,
                &fixtures[machine],
                &[&group[..], &["--lan", "--open=read"]].concat(),
            )
        })
        .collect();
    network.see(0, &PAGES);
    let get = |name: &str| {
        let mut curl = inside(network.machine(0), &support::curl());
        curl.args(["-q", "-s", "-w", "%{http_code}", &format!("{}{name}", PAGES[0])]);
        String::from_utf8(support::run(&mut curl).stdout).unwrap()
    };
    let began = Instant::now();
    while get("members.txt") != "for members200" {
        assert!(began.elapsed() < HANG, "{}", get("members.txt"));
    }
    assert!(get("strangers.txt").ends_with("404"), "a stranger is not asked");
    let member = &mut hubs[1];
    member.process.signal(Signal::INT);
    assert_eq!(member.process.wait().code(), Some(0));
    let began = Instant::now();
    // Nobody is left who could not be asked.
    while !get("another.txt").ends_with("404") {
        assert!(began.elapsed() < HANG, "{}", get("another.txt"));
    }
}

#[test]
fn who_announces_a_group_s_fingerprint_without_its_key_is_asked_for_no_file() {
    let network = Network::connected(2);
    let fixture = Fixture::new();
    let file = fixture.beside("group.key");
    std::fs::write(&file, "the key of the group").unwrap();
    let group = ["--find-peers", "--group", "lab", "--group-key-file", file.to_str().unwrap()];
    let _hub = network.up(0, &fixture, &[&group[..], &["--lan", "--open=read"]].concat());
    // Anybody can hear the fingerprint, and say it.
    let key = GroupKey::from_bytes(b"the key of the group").unwrap();
    let fingerprint = key.fingerprint(&GroupName::parse("lab").unwrap()).to_string();
    let said = [("id", "mallory"), ("files", "http:8080"), ("group", &fingerprint)];
    let record = Record::parse(said.map(|(key, value)| (key, value.as_bytes())));
    let (sender, asked) = channel();
    let namespace = network.machine(1).to_owned();
    std::thread::spawn(move || {
        enter(&namespace);
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).unwrap();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..n]).into_owned();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine";
            let _ = stream.write_all(answer.as_bytes());
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    let announcement =
        Announcement { instance: "mallory".into(), host: "mallory".into(), port: 8080, record };
    let _mallory = Watcher::announce(&network, 1, announcement);
    let hello = asked.recv_timeout(HANG).unwrap();
    assert!(hello.starts_with("GET /-/api/sibling?challenge="), "{hello}");
    let mut curl = inside(network.machine(0), &support::curl());
    curl.args(["-q", "-s", "-w", "%{http_code}", &format!("{}secret.txt", PAGES[0])]);
    let told = String::from_utf8(support::run(&mut curl).stdout).unwrap();
    assert!(!told.contains("mine") && !told.ends_with("200"), "{told}");
    while let Ok(head) = asked.try_recv() {
        assert!(!head.contains("secret"), "{head}");
    }
}

#[test]
fn without_a_network_find_says_what_is_missing() {
    let network = Network::new(1);
    ip(&["-n", network.machine(0), "link", "set", "lo", "down"]);
    let found = network.find(0, &[]);
    let stderr = String::from_utf8(found.stderr).unwrap();
    assert_eq!(found.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("no network interface is up"), "{stderr}");
}
