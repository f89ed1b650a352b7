//! Folders on the server: a hub makes those that are missing by itself; others are told to, by
//! MKCOL (RFC 4918, section 9.3).

use std::collections::HashMap;

use ::http::Method;
use sockeye_proto::address::Address;
use tokio::sync::Mutex;

use super::line::{Answer, Asked, Line, Trouble};
use crate::services::files::call::meter::Meter;

/// The folders that are known to be there, and whether they were made here.
#[derive(Debug, Default)]
pub struct Folders(Mutex<HashMap<String, bool>>);

impl Folders {
    /// Something is in this path's folder, so that it is there.
    pub async fn has(&self, path: &str) {
        if let Some(folder) = ancestors(path).last() {
            let mut known = self.0.lock().await;
            if !known.contains_key(folder) {
                known.insert(folder.to_owned(), false);
            }
        }
    }

    /// Whether this path's folder is known to be there.
    pub async fn knows(&self, path: &str) -> bool {
        match ancestors(path).last() {
            Some(folder) => self.0.lock().await.contains_key(folder),
            None => true,
        }
    }

    /// Makes the folders that a path is in, and says whether one of them was missing at first.
    pub async fn make_for(&self, url: &Address, line: &mut Line) -> Result<bool, Trouble> {
        // Held all the while: who asks for the same folder waits, and is told the same.
        let mut known = self.0.lock().await;
        let mut was_missing = false;
        for folder in ancestors(&url.path) {
            if let Some(is_made) = known.get(folder) {
                was_missing |= is_made;
                continue;
            }
            let answer = make(&Address { path: folder.to_owned(), ..url.clone() }, line).await?;
            let is_made = match answer.status.as_u16() {
                201 => true,
                // It is there already, or the server makes none.
                405 => false,
                _ => return Ok(was_missing),
            };
            was_missing |= is_made;
            known.insert(folder.to_owned(), is_made);
        }
        Ok(was_missing)
    }
}

/// Asks for one folder.
pub async fn make(url: &Address, line: &mut Line) -> Result<Answer, Trouble> {
    let method = Method::from_bytes(b"MKCOL").unwrap_or_default();
    let asked = Asked { method, url, fields: Vec::new(), body: None, meter: &Meter::hidden() };
    line.ask(&asked).await
}

/// The folders that a path is in, from the outermost but the root on, each with its slash.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let path = path.split('?').next().unwrap_or_default();
    let within = path.trim_end_matches('/');
    within.match_indices('/').map(|(at, _)| &path[..=at]).filter(|folder| *folder != "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_a_path_come_from_the_outermost_on() {
        for (path, folders) in [
            ("/a/b/c.txt", &["/a/", "/a/b/"][..]),
            ("/a/b/", &["/a/"]),
            ("/a.txt?x=/y/z", &[]),
            ("/", &[]),
            ("", &[]),
        ] {
            assert_eq!(ancestors(path).collect::<Vec<_>>(), folders, "{path}");
        }
    }
}
