use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use bytes::Buf as _;

use super::*;

fn wanted(form: Form) -> Wanted {
    let path = SharePath::root();
    Wanted { path, top: b"top".to_vec(), form, names: None, hidden: false }
}

fn reader(dir: &Path, wanted: Wanted) -> ArchiveReader {
    ArchiveReader::new(Arc::new(Folder::open(dir).unwrap()), wanted).unwrap()
}

/// The whole archive, or how far it came and why it broke.
async fn read(reader: &mut ArchiveReader) -> Result<Vec<u8>, (Vec<u8>, String)> {
    let mut all = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|cx| reader.poll_chunk(cx)).await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(chunk.chunk()),
            Err(error) => return Err((all, error.to_string())),
        }
    }
    assert!(reader.has_ended());
    Ok(all)
}

/// The names in a tar without extended headers.
fn tar_names(tar: &[u8]) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), tar);
    while rest[0] != 0 {
        let field = |from: usize, to: usize| {
            let text = rest[from..to].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8(text.to_vec()).unwrap()
        };
        let length = usize::from_str_radix(&field(124, 136), 8).unwrap();
        if rest[156] != b'x' {
            names.push(field(0, 100));
        }
        rest = &rest[512 + length.div_ceil(512) * 512..];
    }
    assert_eq!(rest, [0; 1024], "it ends as a tar does");
    names
}

#[tokio::test]
async fn a_folder_comes_in_order_with_what_a_listing_shows() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["sub/deep", "empty", ".git"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    for file in ["b", "a", "sub/deep/c", ".hidden", "sub/.hidden"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    symlink("../..", dir.path().join("sub/deep/loop")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    symlink("../a", dir.path().join("sub/in")).unwrap();
    symlink("/etc/passwd", dir.path().join("out")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    let mut reader = reader(dir.path(), wanted(Form::Tar));
    let names = tar_names(&read(&mut reader).await.unwrap());
    let expected = [
        "top/",
        "top/a",
        "top/b",
        "top/empty/",
        "top/sub/",
        "top/sub/deep/",
        "top/sub/deep/c",
        "top/sub/in",
    ];
    assert_eq!(names, expected);
    assert_eq!(reader.take_remark(), None, "none of these is a file that could not be read");
}

#[tokio::test]
async fn only_what_was_chosen_comes_and_each_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("f")).unwrap();
    for file in ["a", "b", "f/x"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    let names = Some([b"f".to_vec(), b"b".to_vec(), b"gone".to_vec()].into());
    let mut reader = reader(dir.path(), Wanted { names, ..wanted(Form::Tar) });
    let names = tar_names(&read(&mut reader).await.unwrap());
    assert_eq!(names, ["top/", "top/b", "top/f/", "top/f/x"]);
}

#[tokio::test]
async fn links_in_a_circle_end_though_two_ways_lead_in() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["a", "b"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    symlink("../b", dir.path().join("a/b")).unwrap();
    symlink("../a", dir.path().join("b/a")).unwrap();
    let names = tar_names(&read(&mut reader(dir.path(), wanted(Form::Tar))).await.unwrap());
    assert_eq!(names, ["top/", "top/a/", "top/a/b/", "top/b/", "top/b/a/"]);
}

#[tokio::test]
async fn a_file_that_grows_is_cut_where_it_ended_and_one_that_shrinks_breaks_it() {
    for form in [Form::Zip, Form::Tar] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        fs::write(&path, vec![0xee; 1_000_000]).unwrap();
        let mut grown = reader(dir.path(), wanted(form));
        let first = std::future::poll_fn(|cx| grown.poll_chunk(cx)).await.unwrap().unwrap();
        fs::write(&path, vec![0xee; 1_000_500]).unwrap();
        let rest = read(&mut grown).await.unwrap();
        let all = [first.chunk(), &rest].concat();
        let contents = all.split(|byte| *byte != 0xee).map(<[u8]>::len).max();
        assert_eq!(contents, Some(1_000_000), "{form:?}");

        let mut shrunk = reader(dir.path(), wanted(form));
        let _head = std::future::poll_fn(|cx| shrunk.poll_chunk(cx)).await.unwrap().unwrap();
        fs::write(&path, vec![0xee; 500_000]).unwrap();
        let (_, why) = read(&mut shrunk).await.unwrap_err();
        assert!(why.contains("shorter") || why.contains("rewritten"), "{why}");
        assert!(shrunk.has_ended());
    }
}

#[tokio::test]
async fn two_names_that_are_no_utf8_stay_two() {
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"\xff"[..], b"%FF", b"\xfe"] {
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let zip = read(&mut reader(dir.path(), wanted(Form::Zip))).await.unwrap();
    for name in ["top/%FF", "top/%FF%", "top/%FE"] {
        let records = zip.windows(name.len() + 2).filter(|at| {
            // A name is followed by its extra field's mark.
            at.starts_with(name.as_bytes()) && at.ends_with(b"UT")
        });
        assert_eq!(records.count(), 2, "{name} in its head and in the directory");
    }
}

#[tokio::test]
async fn nothing_is_read_ahead_of_who_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..2_000 {
        fs::write(dir.path().join(format!("{number:04}")), [b'x'; 1_000]).unwrap();
    }
    let mut reader = reader(dir.path(), wanted(Form::Tar));
    let first = std::future::poll_fn(|cx| reader.poll_chunk(cx)).await.unwrap().unwrap();
    assert!(first.chunk().len() < 256 * 1024, "{}", first.chunk().len());
    // What was not yet come to is seen as it is then.
    fs::write(dir.path().join("1999"), "new").unwrap();
    let rest = read(&mut reader).await.unwrap();
    assert!(rest.windows(3).any(|at| at == b"new"));
}
