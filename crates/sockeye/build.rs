//! Lists the page's files, so that each is embedded in the binary without being named twice.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is");
    let web = Path::new(&root).join("../../web");
    println!("cargo::rerun-if-changed={}", web.display());
    let mut names = Vec::new();
    list(&web, "", &mut names);
    names.sort();
    let mut table = String::from("&[\n");
    for name in names {
        let path = web.join(&name).canonicalize().expect("a file that was just listed");
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .expect("writing to a String cannot fail");
    }
    table.push_str("]\n");
    let out = env::var("OUT_DIR").expect("cargo says where to build");
    fs::write(Path::new(&out).join("web_files.rs"), table).expect("OUT_DIR can be written to");
}

/// Adds the names of a folder's files, each with its path from web/.
fn list(folder: &Path, before: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the page's files are in web/") {
        let entry = entry.expect("web/ can be read");
        let name = entry.file_name().into_string().expect("the page's files have plain names");
        let path = entry.path();
        if path.is_dir() {
            list(&path, &format!("{before}{name}/"), names);
        } else if !name.starts_with('.') {
            names.push(format!("{before}{name}"));
        }
    }
}
