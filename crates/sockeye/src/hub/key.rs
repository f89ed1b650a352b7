//! The key of this machine's hubs, which the data folder keeps, and `sockeye key`.

use sockeye_proto::access::Key;

use super::access::{KEY_NAME, random_key};
use crate::cli;
use crate::data::DataFolder;
use crate::exit::Failure;
use crate::serving::print;

/// `sockeye key`.
pub fn show(arguments: cli::KeyVerb) -> Result<(), Failure> {
    let data = DataFolder::find(arguments.data.data.as_deref(), arguments.data.ephemeral)?;
    let key = kept(&data, arguments.new_key)?;
    print(&format!("{}\n", key.as_str()))
}

/// The key that is kept. It is made when it is first needed, or when a new one is wanted.
pub fn kept(data: &DataFolder, is_new: bool) -> Result<Key, Failure> {
    // Two hubs that start at once on one data folder make one key.
    let _lock = data.lock()?;
    if let Some(bytes) = data.read(KEY_NAME)?.filter(|_| !is_new) {
        let text = String::from_utf8_lossy(&bytes);
        return Key::parse(text.trim()).map_err(|error| {
            let place = data.place(KEY_NAME).unwrap_or_default();
            let place = place.display();
            Failure::Usage(format!("{place} holds no key: {error}; `sockeye key --new-key` does"))
        });
    }
    let key = random_key().map_err(|error| Failure::Ours(format!("cannot make a key: {error}")))?;
    data.write_secret(KEY_NAME, format!("{}\n", key.as_str()).as_bytes())?;
    Ok(key)
}
