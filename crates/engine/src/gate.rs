//! Who is let in when it is full: a count of the connected clients, in all and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use sockeye_proto::clients::{ClientLimits, Full};

/// Counts the clients of one service, on all its listeners.
#[derive(Debug)]
pub struct Gate {
    limits: ClientLimits,
    clients: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A client's place; leaving gives it back.
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Gate {
    /// An empty house.
    pub fn new(limits: ClientLimits) -> Arc<Self> {
        Arc::new(Self { limits, clients: AtomicUsize::new(0), by_address: Mutex::default() })
    }

    /// How many clients are connected now.
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Takes a place for a client, or says why there is none.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let limit = self.limits.max_clients.unwrap_or(usize::MAX);
        self.clients
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1))
            .map_err(|here| Full::Clients { here, limit })?;
        // From here on the place gives itself back when it is dropped, also on the refusal below.
        let mut place = Place { gate: Arc::clone(self), address: None };
        if let Some(limit) = self.limits.max_per_address {
            let address = address.to_canonical();
            let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let here = by_address.entry(address).or_default();
            if *here >= limit {
                let here = *here;
                drop(by_address);
                return Err(Full::Address { here, limit });
            }
            *here += 1;
            place.address = Some(address);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.clients.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut by_address = self.gate.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn gate(max_clients: usize, max_per_address: usize) -> Arc<Gate> {
        Gate::new(ClientLimits {
            max_clients: Some(max_clients),
            max_per_address: Some(max_per_address),
        })
    }

    #[test]
    fn the_eleventh_of_ten_is_told_so_and_a_leaver_makes_room() {
        let gate = gate(10, 10);
        let mut places: Vec<Place> = (0..10).map(|_| gate.enter(A).unwrap()).collect();
        let full = gate.enter(B).unwrap_err();
        assert_eq!(full.to_string(), "busy: 10 of 10 clients are here, try again later");
        places.pop();
        assert!(gate.enter(B).is_ok());
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let gate = gate(10, 2);
        let places = [gate.enter(A).unwrap(), gate.enter(A).unwrap()];
        assert_eq!(gate.enter(A).unwrap_err(), Full::Address { here: 2, limit: 2 });
        assert_eq!(gate.clients(), 2, "the refused one holds no place");
        assert!(gate.enter(B).is_ok());
        drop(places);
        assert!(gate.by_address.lock().unwrap().is_empty());
    }

    #[test]
    fn an_ipv4_client_on_a_dual_stack_listener_is_the_same_address() {
        let gate = gate(10, 1);
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        let _place = gate.enter(A).unwrap();
        assert!(gate.enter(mapped).is_err());
    }
}
