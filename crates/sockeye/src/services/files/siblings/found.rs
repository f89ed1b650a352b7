//! Siblings that were found on the network, for `--find-peers`.
//!
//! An announcement is only a hint, which anybody can give: a server that was found is asked for
//! nothing before it has proven that it has the group's key ([`Contact::must_prove`]).

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use sockeye_engine::clock;
use sockeye_engine::tls::client::Trust;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::discovery::group::Fingerprint;
use sockeye_proto::discovery::table::{Event, Hub};
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::roster::Origin;

use super::Siblings;
use super::contact::Contact;
use crate::discovery::announce::Told;

impl Siblings {
    /// What members of this hub's group know it by on the network.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let group = self.us.group.as_ref()?;
        Some(group.key.as_ref()?.fingerprint(&group.name))
    }

    /// Takes over who is found and who leaves.
    pub fn listener(self: Arc<Self>) -> Told {
        Box::new(move |event| match event {
            Event::Found(hub) => self.found(&hub),
            Event::Left(id) => self.left(&id),
        })
    }

    /// A hub of the group is here, as far as it says.
    fn found(&self, hub: &Hub) {
        let now = clock::now();
        let addresses = addresses(hub);
        if let Some(known) = self.found_as(hub.id()) {
            let contact = self.contact(known);
            if contact.is_some_and(|contact| addresses.iter().any(|at| contact.is_at(at))) {
                self.with_roster(|roster| roster.heard(known, now));
                return;
            }
            // It moved, or was silent for too long.
            self.remove(known);
        }
        let Some(address) = addresses.into_iter().next() else { return };
        let contact = Contact::new(address, Trust::System, self.version, self.trace.clone());
        let Ok(contact) = contact else { return };
        // Who was named stays who was named.
        if self.contacts().values().any(|known| known.name == contact.name) {
            return;
        }
        let name = contact.name.clone();
        let Some(sibling) = self.add(contact.must_prove(), Origin::Found) else { return };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those that were forgotten, nothing stays.
        found.retain(|_, sibling| self.contacts().contains_key(sibling));
        found.insert(hub.id().to_owned(), sibling);
        drop(found);
        self.say(format!("found {name}"));
    }

    /// It said goodbye, or was not heard for a minute.
    fn left(&self, id: &str) {
        let sibling = self.found.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(sibling) = sibling.filter(|sibling| self.contact(*sibling).is_some()) {
            self.say(format!("{} left", self.name_of(sibling)));
            self.remove(sibling);
        }
    }

    fn found_as(&self, id: &str) -> Option<Sibling> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }
}

/// Where its files are, in the clear: the certificate of one that encrypts is trusted by nobody here
/// unless `--peer` names it. No address that is only good with an interface beside it.
fn addresses(hub: &Hub) -> Vec<Address> {
    let Some(("http", addresses)) = hub.pages() else { return Vec::new() };
    let is_whole = |at: &&SocketAddr| !matches!(at, SocketAddr::V6(v6) if v6.scope_id() != 0);
    let address = |at: &SocketAddr| Address {
        scheme: Scheme::Http,
        host: at.ip().to_string(),
        port: Some(at.port()),
        path: String::new(),
    };
    addresses.iter().filter(is_whole).map(address).collect()
}
