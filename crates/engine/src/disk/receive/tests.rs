use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::*;

struct Fixture {
    _dir: tempfile::TempDir,
    root: PathBuf,
    folder: Folder,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("share");
    fs::create_dir(&root).unwrap();
    let folder = Folder::open(&root).unwrap();
    Fixture { _dir: dir, root, folder }
}

fn rules(existing: Existing) -> Arc<Rules> {
    Arc::new(Rules { existing, max_bytes: None, space: Space::default() })
}

impl Fixture {
    fn begin(
        &self,
        path: &str,
        length: Option<u64>,
        rule: Existing,
    ) -> Result<Arrival, ReceiveError> {
        Arrival::begin(&self.folder, &SharePath::parse(path).unwrap(), length, &rules(rule))
    }

    fn receive(&self, path: &str, bytes: &[u8], rule: Existing) -> Result<Outcome, ReceiveError> {
        let mut arrival = self.begin(path, None, rule)?;
        for piece in bytes.chunks(3) {
            arrival.write(piece)?;
        }
        arrival.finish()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }
}

#[test]
fn a_file_has_no_name_before_it_is_whole() {
    let fixture = fixture();
    let mut arrival = fixture.begin("/a.txt", Some(5), Existing::Refuse).unwrap();
    arrival.write(b"hel").unwrap();
    assert_eq!(fixture.names(), [""; 0]);
    arrival.write(b"lo").unwrap();
    assert_eq!(arrival.finish().unwrap(), Outcome::Saved);
    assert_eq!((fixture.names(), fixture.read("a.txt")), (vec!["a.txt".into()], "hello".into()));
}

#[test]
fn what_is_given_up_leaves_nothing() {
    let fixture = fixture();
    let mut arrival = fixture.begin("/a.txt", None, Existing::Refuse).unwrap();
    arrival.write(b"hel").unwrap();
    drop(arrival);
    assert_eq!(fixture.names(), [""; 0]);
}

#[test]
fn folders_on_the_way_are_made() {
    let fixture = fixture();
    fixture.receive("/a/b/c/d.txt", b"d", Existing::Refuse).unwrap();
    assert_eq!(fixture.read("a/b/c/d.txt"), "d");
    let (_, is_made) = make_folder(&fixture.folder, &SharePath::parse("/a/b/").unwrap()).unwrap();
    assert!(!is_made);
}

#[test]
fn the_same_bytes_again_are_fine_and_write_nothing() {
    let fixture = fixture();
    fixture.receive("/a.txt", b"hello", Existing::Refuse).unwrap();
    let before = fs::metadata(fixture.root.join("a.txt")).unwrap();
    for rule in [Existing::Refuse, Existing::Replace, Existing::Rename] {
        assert_eq!(fixture.receive("/a.txt", b"hello", rule).unwrap(), Outcome::Same);
    }
    let after = fs::metadata(fixture.root.join("a.txt")).unwrap();
    assert_eq!(
        (before.ino(), before.modified().unwrap()),
        (after.ino(), after.modified().unwrap())
    );
}

#[test]
fn other_contents_are_refused_wherever_they_differ() {
    let fixture = fixture();
    fixture.receive("/a.txt", b"hello", Existing::Refuse).unwrap();
    for other in ["hellO", "hell", "hello!", "", "jello"] {
        let refused = fixture.receive("/a.txt", other.as_bytes(), Existing::Refuse);
        assert!(matches!(refused, Err(ReceiveError::Taken)), "{other}: {refused:?}");
    }
    assert_eq!((fixture.names().len(), fixture.read("a.txt")), (1, "hello".into()));
}

#[test]
fn another_length_is_refused_before_the_first_byte() {
    let fixture = fixture();
    fixture.receive("/a.txt", b"hello", Existing::Refuse).unwrap();
    let refused = fixture.begin("/a.txt", Some(6), Existing::Refuse);
    assert!(matches!(refused, Err(ReceiveError::Taken)), "{refused:?}");
}

#[test]
fn what_differs_late_replaces_or_gets_another_name_with_all_its_bytes() {
    let fixture = fixture();
    fixture.receive("/a.txt", b"hello", Existing::Refuse).unwrap();
    let renamed = fixture.receive("/a.txt", b"hello world", Existing::Rename).unwrap();
    assert_eq!(renamed, Outcome::Renamed(b"a (2).txt".to_vec()));
    assert_eq!(fixture.read("a (2).txt"), "hello world");
    let replaced = fixture.receive("/a.txt", b"hell", Existing::Replace).unwrap();
    assert_eq!((replaced, fixture.read("a.txt")), (Outcome::Replaced, "hell".into()));
    assert_eq!(fixture.names().len(), 2);
}

#[test]
fn of_two_at_once_one_gets_the_name() {
    let fixture = fixture();
    let mut first = fixture.begin("/a.txt", None, Existing::Refuse).unwrap();
    let mut second = fixture.begin("/a.txt", None, Existing::Refuse).unwrap();
    let mut third = fixture.begin("/a.txt", None, Existing::Refuse).unwrap();
    let mut fourth = fixture.begin("/a.txt", None, Existing::Rename).unwrap();
    first.write(b"one").unwrap();
    second.write(b"two").unwrap();
    third.write(b"one").unwrap();
    fourth.write(b"four").unwrap();
    assert_eq!(first.finish().unwrap(), Outcome::Saved);
    assert!(matches!(second.finish(), Err(ReceiveError::Taken)));
    assert_eq!(third.finish().unwrap(), Outcome::Same);
    assert_eq!(fourth.finish().unwrap(), Outcome::Renamed(b"a (2).txt".to_vec()));
    assert_eq!(fixture.names(), ["a (2).txt", "a.txt"]);
}

#[test]
fn folders_and_files_keep_their_names_from_each_other() {
    let fixture = fixture();
    fs::create_dir(fixture.root.join("folder")).unwrap();
    for rule in [Existing::Refuse, Existing::Replace] {
        let refused = fixture.receive("/folder", b"x", rule);
        assert!(matches!(refused, Err(ReceiveError::TakenByFolder)), "{refused:?}");
    }
    fixture.receive("/file", b"x", Existing::Refuse).unwrap();
    let refused = fixture.receive("/file/below", b"x", Existing::Refuse);
    assert!(matches!(refused, Err(ReceiveError::FileOnTheWay)), "{refused:?}");
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let fixture = fixture();
    let outside = fixture.root.with_file_name("outside");
    fs::write(&outside, "outside").unwrap();
    std::os::unix::fs::symlink(&outside, fixture.root.join("link")).unwrap();
    std::os::unix::fs::symlink("..", fixture.root.join("up")).unwrap();
    let refused = fixture.receive("/link", b"x", Existing::Refuse);
    assert!(matches!(refused, Err(ReceiveError::Taken)), "{refused:?}");
    let refused = fixture.receive("/up/new", b"x", Existing::Refuse);
    assert!(matches!(refused, Err(ReceiveError::Outside)), "{refused:?}");
    assert_eq!(fixture.receive("/link", b"new", Existing::Replace).unwrap(), Outcome::Replaced);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "outside");
    assert_eq!(fixture.read("link"), "new");
}

#[test]
fn too_much_is_refused_before_and_on_the_way() {
    let fixture = fixture();
    let path = SharePath::parse("/a").unwrap();
    let small =
        Arc::new(Rules { existing: Existing::Refuse, max_bytes: Some(4), space: Space::default() });
    let refused = Arrival::begin(&fixture.folder, &path, Some(5), &small);
    assert!(matches!(refused, Err(ReceiveError::TooLarge)), "{refused:?}");
    let mut arrival = Arrival::begin(&fixture.folder, &path, None, &small).unwrap();
    arrival.write(b"abcd").unwrap();
    assert!(matches!(arrival.write(b"e"), Err(ReceiveError::TooLarge)));
    let space = Space { keep_free_bytes: Some(u64::MAX) };
    let full = Arc::new(Rules { existing: Existing::Refuse, max_bytes: None, space });
    let refused = Arrival::begin(&fixture.folder, &path, None, &full);
    assert!(matches!(refused, Err(ReceiveError::NoSpace)), "{refused:?}");
}

#[test]
fn names_of_255_bytes_fit_and_of_256_do_not() {
    let fixture = fixture();
    let long = format!("{}x", "ü".repeat(127));
    fixture.receive(&format!("/{long}"), b"x", Existing::Refuse).unwrap();
    assert_eq!(fixture.read(&long), "x");
    let renamed = fixture.receive(&format!("/{long}"), b"y", Existing::Rename).unwrap();
    let name = format!("{} (2)", "ü".repeat(125));
    assert_eq!(renamed, Outcome::Renamed(name.into_bytes()));
    let too_long = SharePath::parse(&format!("/{long}x"));
    assert!(too_long.is_err(), "{too_long:?}");
}
