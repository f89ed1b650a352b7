//! What is sent, and under which URL: decided before anything is sent.
//!
//! What cannot be sent at all is found here: a name that does not exist is wrong usage, and what is
//! neither a file nor a folder stays behind and is said.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use sockeye_proto::address::Address;
use sockeye_proto::http::target::encode_segment;
use sockeye_proto::printable::Printable;

use super::walk::{self, Found};
use crate::exit::Failure;

/// All that is to be done.
#[derive(Debug)]
pub struct Plan {
    /// What is sent, in order.
    pub items: Vec<Item>,
    /// What stays behind.
    pub left_out: Vec<LeftOut>,
    /// Bytes of all files together, as far as they are known.
    pub bytes: u64,
}

/// One thing to send.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Where it is here.
    pub local: PathBuf,
    /// Its path in the URL, encoded, with the query of the URL that was given.
    pub remote: String,
    /// How long it was when it was found.
    pub length: u64,
}

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A regular file whose URL was given whole: a folder may have that name there.
    NamedFile,
    /// Standard input.
    Stdin,
    /// A folder with nothing in it.
    EmptyFolder,
}

/// Something that is not sent.
#[derive(Debug)]
pub struct LeftOut {
    /// Where it is here.
    pub local: PathBuf,
    /// Why it stays.
    pub why: String,
    /// Whether it should have been sent.
    pub is_failure: bool,
}

/// Looks at everything that was named, and into every folder.
pub fn plan(things: &[PathBuf], url: &Address) -> Result<Plan, Failure> {
    let mut plan = Plan { items: Vec::new(), left_out: Vec::new(), bytes: 0 };
    let is_alone = things.len() == 1;
    let mut names: HashMap<Vec<u8>, &Path> = HashMap::new();
    for thing in things {
        let found = look_at(thing)?;
        let name = name_of(thing);
        if let Some(other) = names.get(&name).filter(|_| !name.is_empty()) {
            return Err(Failure::Usage(format!(
                "{} and {} have one name; put them one after the other, into folders of their own",
                shown(other),
                shown(thing)
            )));
        }
        match found {
            Thing::Stdin => {
                let kind = Kind::Stdin;
                let remote = named(url).filter(|_| is_alone).ok_or_else(no_name_for_stdin)?;
                plan.items.push(Item { kind, local: thing.clone(), remote, length: 0 });
            }
            Thing::File(length) => {
                let (kind, remote) = match named(url).filter(|_| is_alone) {
                    Some(remote) => (Kind::NamedFile, remote),
                    None => (Kind::File, beneath(&url.path, &[&name])),
                };
                plan.bytes += length;
                plan.items.push(Item { kind, local: thing.clone(), remote, length });
            }
            Thing::Folder => plan.add_folder(thing, &name, url),
        }
        names.insert(name, thing);
    }
    Ok(plan)
}

impl Plan {
    fn add_folder(&mut self, folder: &Path, name: &[u8], url: &Address) {
        for (local, found) in walk::walk(folder) {
            let inside = local.strip_prefix(folder).unwrap_or(&local);
            let mut names = vec![name];
            names.extend(inside.components().map(|part| part.as_os_str().as_bytes()));
            names.retain(|name| !name.is_empty());
            let (kind, length) = match found {
                Found::File(length) => (Kind::File, length),
                // The folder itself may have no name: then it is that of the URL.
                Found::EmptyFolder => (Kind::EmptyFolder, 0),
                Found::Left { why, is_failure } => {
                    self.left_out.push(LeftOut { local, why, is_failure });
                    continue;
                }
            };
            let remote = match kind {
                Kind::EmptyFolder => beneath(&url.path, &[&names[..], &[b""]].concat()),
                _ => beneath(&url.path, &names),
            };
            self.bytes += length;
            self.items.push(Item { kind, local, remote, length });
        }
    }
}

enum Thing {
    Stdin,
    File(u64),
    Folder,
}

fn look_at(thing: &Path) -> Result<Thing, Failure> {
    if thing == Path::new("-") {
        return Ok(Thing::Stdin);
    }
    let facts = thing
        .metadata()
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", shown(thing))))?;
    if facts.is_dir() {
        Ok(Thing::Folder)
    } else if facts.is_file() {
        Ok(Thing::File(facts.len()))
    } else {
        Err(Failure::Usage(format!(
            "{} is neither a file nor a folder; what comes out of it can be put with `-`",
            shown(thing)
        )))
    }
}

fn no_name_for_stdin() -> Failure {
    Failure::Usage(
        "standard input has no name: give one in the URL, like http://HOST:PORT/NAME, and put it \
         alone"
            .into(),
    )
}

/// A path as it is shown.
pub fn shown(path: &Path) -> String {
    Printable(path.as_os_str().as_bytes()).to_string()
}

/// The name under which a thing goes into a folder: its own, or none where it is given as `.`,
/// `..` or `/`: then what is in it goes in.
fn name_of(thing: &Path) -> Vec<u8> {
    let is_by_place = thing.as_os_str().as_bytes().ends_with(b"/.");
    match thing.components().next_back() {
        Some(Component::Normal(name)) if !is_by_place => name.as_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// The URL's path with its query, if it names something; not if it ends in `/`.
fn named(url: &Address) -> Option<String> {
    url.file_name().map(|_| url.path.clone())
}

/// The path of something beneath a URL's path, whose query stays. An empty last name makes it end
/// in `/`.
pub fn beneath(path: &str, names: &[&[u8]]) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (path, String::new()),
    };
    let mut whole = path.trim_end_matches('/').to_owned();
    for name in names {
        whole.push('/');
        whole.push_str(&encode_segment(name));
    }
    if whole.is_empty() {
        whole.push('/');
    }
    whole + &query
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::address::Scheme;
    use std::os::unix::fs::symlink;

    fn url(text: &str) -> Address {
        Address::parse(text, &[Scheme::Http], Scheme::Http).unwrap()
    }

    fn remotes(things: &[PathBuf], to: &str) -> Vec<String> {
        let plan = plan(things, &url(to)).unwrap();
        plan.items.into_iter().map(|item| item.remote).collect()
    }

    #[test]
    fn one_file_goes_to_the_name_or_into_the_folder_that_the_url_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a b.txt");
        std::fs::write(&file, "x").unwrap();
        let one = [file];
        for (to, remote) in [
            ("http://h", "/a%20b.txt"),
            ("http://h/", "/a%20b.txt"),
            ("http://h/sub/", "/sub/a%20b.txt"),
            ("http://h/sub//", "/sub/a%20b.txt"),
            ("http://h/sub", "/sub"),
            ("http://h/sub?x=1", "/sub?x=1"),
            ("http://h/sub/?x=1", "/sub/a%20b.txt?x=1"),
        ] {
            assert_eq!(remotes(&one, to), [remote], "{to}");
        }
    }

    #[test]
    fn several_things_and_folders_go_into_the_folder_that_the_url_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("f/sub/empty")).unwrap();
        std::fs::write(at("f/.hidden"), "x").unwrap();
        std::fs::write(at("f/sub/日本.txt"), "x").unwrap();
        std::fs::write(at("a.txt"), "x").unwrap();
        let inside = [
            "/x/f/.hidden".to_owned(),
            "/x/f/sub/empty/".to_owned(),
            "/x/f/sub/%E6%97%A5%E6%9C%AC.txt".to_owned(),
        ];
        assert_eq!(remotes(&[at("f")], "http://h/x"), inside);
        assert_eq!(remotes(&[at("f/")], "http://h/x/"), inside);
        let both = [&inside[..], &["/x/a.txt".to_owned()]].concat();
        assert_eq!(remotes(&[at("f"), at("a.txt")], "http://h/x"), both);
        let contents: Vec<String> = inside.iter().map(|path| path.replace("/f/", "/")).collect();
        assert_eq!(remotes(&[at("f/.")], "http://h/x"), contents);
    }

    #[test]
    fn an_empty_folder_is_one_too() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("e");
        std::fs::create_dir(&empty).unwrap();
        assert_eq!(remotes(std::slice::from_ref(&empty), "http://h/x"), ["/x/e/"]);
        assert_eq!(remotes(&[empty.join(".")], "http://h/x"), ["/x/"]);
        assert_eq!(remotes(&[empty.join(".")], "http://h"), ["/"]);
    }

    #[test]
    fn standard_input_wants_a_name_and_to_be_alone() {
        let stdin = || PathBuf::from("-");
        assert_eq!(remotes(&[stdin()], "http://h/x.tar"), ["/x.tar"]);
        for (things, to) in [
            (vec![stdin()], "http://h/"),
            (vec![stdin()], "http://h"),
            (vec![stdin(), stdin()], "http://h/x"),
        ] {
            assert!(plan(&things, &url(to)).is_err(), "{to}");
        }
    }

    #[test]
    fn what_is_not_there_or_has_one_name_is_wrong_usage() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a", "b"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
            std::fs::write(dir.path().join(folder).join("x"), "x").unwrap();
        }
        let things = [dir.path().join("a/x"), dir.path().join("b/x")];
        assert!(plan(&things, &url("http://h/")).unwrap_err().to_string().contains("one name"));
        let missing = [dir.path().join("none")];
        assert!(plan(&missing, &url("http://h/")).unwrap_err().to_string().contains("none"));
        let device = [PathBuf::from("/dev/null")];
        assert!(plan(&device, &url("http://h/")).unwrap_err().to_string().contains("neither"));
    }

    #[test]
    fn links_are_sent_as_what_they_lead_to_unless_they_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("f");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.join("sub/a"), "abc").unwrap();
        symlink("sub/a", folder.join("in")).unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink("sub", folder.join("folder")).unwrap();
        symlink("nowhere", folder.join("nowhere")).unwrap();
        let plan = plan(&[folder], &url("http://h/")).unwrap();
        let sent: Vec<&str> = plan.items.iter().map(|item| item.remote.as_str()).collect();
        assert_eq!(sent, ["/f/in", "/f/sub/a"]);
        assert_eq!((plan.items[0].length, plan.bytes), (3, 6));
        let left: Vec<String> = plan
            .left_out
            .iter()
            .map(|left| left.local.file_name().unwrap().to_string_lossy().into())
            .collect();
        assert_eq!(left, ["folder", "nowhere", "out"]);
        assert!(plan.left_out.iter().all(|left| !left.is_failure));
    }
}
