//! Who holds a TCP port that we wanted: for an error text that helps.

use std::path::Path;

/// The name and id of the process that listens on a TCP port, as far as this user may see it.
///
/// Linux only: `/proc/net/tcp` names the socket's inode, and `/proc/PID/fd` who holds it.
pub fn owner_of_tcp_port(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else {
            continue;
        };
        if holds_one_of(&process.path(), &inodes) {
            let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let command = sockeye_proto::printable::Printable(command.trim().as_bytes());
            return Some(format!("{command} (process {pid})"));
        }
    }
    None
}

/// Whether all who listen on a TCP port are processes of this process's user; not if nobody does,
/// or if that cannot be seen.
pub fn is_of_this_user(port: u16) -> bool {
    let own = rustix::process::geteuid().as_raw().to_string();
    let users: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port, 7))
        .collect();
    !users.is_empty() && users.iter().all(|user| *user == own)
}

/// The inodes of listening sockets on a port, from a table of `/proc/net`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let inodes = listening(table, port, 9);
    inodes.into_iter().map(|inode| format!("socket:[{inode}]")).collect()
}

/// A column of the rows of listening sockets (state 0A) on a port.
fn listening(table: &str, port: u16, column: usize) -> Vec<String> {
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == "0A";
            listens.then(|| fields.get(column).copied().unwrap_or_default().to_owned())
        })
        .collect()
}

fn holds_one_of(process: &Path, inodes: &[String]) -> bool {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|descriptor| {
        std::fs::read_link(descriptor.path())
            .ok()
            .and_then(|target| target.to_str().map(|t| inodes.iter().any(|i| i == t)))
            .unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_held_by_this_process_names_this_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = owner_of_tcp_port(listener.local_addr().unwrap().port()).unwrap();
        assert!(owner.ends_with(&format!("(process {})", std::process::id())), "{owner}");
    }

    #[test]
    fn a_port_of_this_process_is_of_its_user_and_a_free_one_of_nobody() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_of_this_user(port));
        drop(listener);
        assert!(!is_of_this_user(port));
    }

    #[test]
    fn only_listening_sockets_on_that_very_port_count() {
        let table = "head\n\
             0: 0100007F:1F90 00000000:0000 0A 00:00 00:0 0 0 0 77 1\n\
             1: 0100007F:1F90 0100007F:9999 01 00:00 00:0 0 0 0 78 1\n\
             2: 0100007F:1F91 00000000:0000 0A 00:00 00:0 0 0 0 79 1\n";
        assert_eq!(listening_inodes(table, 8080), ["socket:[77]"]);
    }
}
