//! What waits anywhere is bounded, and what is beyond waits at the peers.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use sockeye_engine::drive::HallLimits;

use super::house::{HANG, House, on_each_driver};
use super::room::Note;

/// What one read of a peer takes at most, and what sockets hold on loopback, generously.
const READ_BYTES: usize = 16 * 1024;
const SOCKETS_BYTES: usize = 24 * 1024 * 1024;

/// Says lines until the socket takes no more. Returns how many went out whole, and what is left of
/// the last.
fn say_all_that_goes_out(mut stream: &std::net::TcpStream, line: &[u8]) -> (usize, Vec<u8>) {
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    socket2::SockRef::from(stream).set_send_buffer_size(64 * 1024).unwrap();
    let mut lines = 0;
    loop {
        let mut rest = line;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    stream.set_write_timeout(Some(HANG)).unwrap();
                    return (lines, rest.to_vec());
                }
                Err(error) => panic!("{error}"),
            }
        }
        lines += 1;
        assert!(lines * line.len() < 2 * SOCKETS_BYTES, "the server reads what it has no room for");
    }
}

#[test]
fn while_the_owner_is_busy_a_flood_waits_at_the_peer_and_nothing_is_lost() {
    on_each_driver(|driver| {
        let limits = HallLimits {
            queue_max_messages: 50,
            queue_max_bytes: 32 * 1024,
            ..HallLimits::default()
        };
        let house = House::start(driver, 1, limits);
        let (mut ana, _) = house.join();
        let (ben, _) = house.join();
        ana.say("hold\n");
        assert_eq!(house.note(), Note::Held, "{driver:?}");
        let line = format!("{}\n", "y".repeat(3_999));
        let (lines, rest) = say_all_that_goes_out(&ben.stream, line.as_bytes());
        // In the owner's hands, in the queue, and what the one read made that found no room.
        let bound = 2 * limits.queue_max_bytes + READ_BYTES + line.len();
        let peak = house.alive.peak_bytes();
        assert!(peak <= bound, "{driver:?}: {peak} of {bound} bytes");
        let mut mouth = ben.stream.try_clone().unwrap();
        let goes_on = std::thread::spawn(move || mouth.write_all(&rest).unwrap());
        let mut ben = ben;
        let hears = std::thread::spawn(move || {
            let heard = ben.hear_lines(lines + 2);
            (ben, heard)
        });
        house.release();
        assert_eq!(ana.hear(), "hold\n", "{driver:?}");
        for heard in ana.hear_lines(lines + 1) {
            assert!(heard == line, "{driver:?}");
        }
        goes_on.join().unwrap();
        let (ben, heard) = hears.join().unwrap();
        assert_eq!(heard.len(), lines + 2, "{driver:?}");
        drop((ana, ben));
        house.end();
    });
}

/// The owner is quicker than any conversation can write. A flood to many who all read overflows
/// nobody, though their mailboxes hold hardly anything of it: the owner waits for their turn.
#[test]
fn who_reads_is_not_cut_because_the_server_is_slow() {
    on_each_driver(|driver| {
        let limits = HallLimits { mailbox_max_bytes: 16 * 1024, ..HallLimits::default() };
        let house = House::start(driver, 1, limits);
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let (mut caller, _) = house.join();
                std::thread::spawn(move || {
                    (0..5_000).all(|_| caller.hear().len() == 100).then_some(caller)
                })
            })
            .collect();
        let (talker, _) = house.join();
        let line = format!("{}\n", "z".repeat(99));
        let mut mouth = talker.stream.try_clone().unwrap();
        let said = line.repeat(5_000);
        let says = std::thread::spawn(move || mouth.write_all(said.as_bytes()).unwrap());
        let mut talker = talker;
        for _ in 0..5_000 {
            assert_eq!(talker.hear().len(), line.len(), "{driver:?}");
        }
        says.join().unwrap();
        let stayed: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert!(stayed.iter().all(Option::is_some), "{driver:?}: somebody was cut");
        assert_eq!(house.poll_note(), None, "{driver:?}");
        drop((talker, stayed));
        house.end();
    });
}
