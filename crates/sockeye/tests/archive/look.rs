//! What somebody else's reader finds in an archive.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Running, other_program};

/// Prints a line for each entry: its name in hexadecimal, `d` or `f`, the mode in octal, the time in
/// nanoseconds, and the contents in hexadecimal. Two entries of one name are a failure.
const LOOK: &str = r#"
import io, os, struct, sys, tarfile, zipfile
form, bytes = sys.argv[1], io.BytesIO(sys.stdin.buffer.read())
def say(name, folder, mode, ns, contents):
    print(name.hex(), "d" if folder else "f", f"{mode & 0o7777:o}", ns, contents.hex() or "-")
if form == "zip":
    archive = zipfile.ZipFile(bytes)
    assert archive.testzip() is None
    names = archive.namelist()
    for entry in archive.infolist():
        extra, seconds = entry.extra, None
        while extra:
            kind, length = struct.unpack("<HH", extra[:4])
            if kind == 0x5455:
                seconds = struct.unpack("<i", extra[5:9])[0]
            extra = extra[4 + length:]
        mode = entry.external_attr >> 16
        assert entry.is_dir() == (mode >> 12 == 4), entry
        say(entry.filename.encode(), entry.is_dir(), mode, seconds * 10**9, archive.read(entry))
else:
    archive = tarfile.open(fileobj=bytes, mode="r:", errors="surrogateescape", encoding="utf-8")
    names = archive.getnames()
    for entry in archive:
        contents = b"" if entry.isdir() else archive.extractfile(entry).read()
        ns = entry.pax_headers.get("mtime", str(int(entry.mtime)))
        whole, _, part = ns.partition(".")
        ns = int(whole + part.ljust(9, "0"))
        name = entry.name + ("/" if entry.isdir() else "")
        say(os.fsencode(name), entry.isdir(), entry.mode, ns, contents)
assert len(names) == len(set(names)), "a name stands twice"
"#;

/// Prints the names alone.
const NAMES: &str = r#"
import io, sys, tarfile, zipfile
form, bytes = sys.argv[1], io.BytesIO(sys.stdin.buffer.read())
if form == "zip":
    archive = zipfile.ZipFile(bytes)
    assert archive.testzip() is None
    names = archive.namelist()
else:
    entries = tarfile.open(fileobj=bytes, mode="r:").getmembers()
    names = [entry.name + "/" * entry.isdir() for entry in entries]
assert len(names) == len(set(names)), "a name stands twice"
sys.stdout.buffer.write("\n".join(names).encode())
"#;

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) is_folder: bool,
    pub(crate) mode: u32,
    pub(crate) modified_ns: i128,
    pub(crate) contents: Vec<u8>,
}

/// What Python's zipfile or tarfile reads.
#[track_caller]
pub(crate) fn look(form: &str, archive: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
    let said = python(LOOK, form, archive);
    said.lines().map(entry).collect()
}

/// The names alone, in order; the contents are tested and not shown.
#[track_caller]
pub(crate) fn names(form: &str, archive: &[u8]) -> Vec<String> {
    let said = python(NAMES, form, archive);
    let mut names: Vec<String> = said.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[track_caller]
fn python(program: &str, form: &str, archive: &[u8]) -> String {
    let mut command = other_program("python3", "python3");
    let mut running = Running::spawn(command.args(["-c", program, form]).stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().unwrap();
    let fed = stdin.write_all(archive);
    drop(stdin);
    let status = running.wait();
    assert!(status.success() && fed.is_ok(), "python3 on a {form}: {}", running.stderr());
    String::from_utf8(running.stdout()).unwrap()
}

fn entry(line: &str) -> (Vec<u8>, Entry) {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap();
    let name = bytes(word());
    let is_folder = word() == "d";
    let mode = u32::from_str_radix(word(), 8).unwrap();
    let modified_ns = word().parse().unwrap();
    let contents = bytes(word());
    (name, Entry { is_folder, mode, modified_ns, contents })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}
