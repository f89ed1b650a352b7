//! Bound sockets on the driver that was chosen: the one place that knows all three.

use std::sync::Arc;

use sockeye_engine::datagram::serve::{
    DatagramPort, DatagramService, serve_as_task, serve_on_thread,
};
use sockeye_engine::datagram::socket::{Datagram, Outbox};
use sockeye_engine::drive::{Bounds, Driver, StreamService, single, tasks, threads};
use sockeye_engine::listen::Bound;

use sockeye_proto::machine::Tick;

use crate::exit::Failure;

/// Begins to serve a service's streams, and its datagrams beside them.
pub fn serve<S: StreamService, D: DatagramService>(
    driver: Driver,
    service: S,
    bounds: Bounds,
    streams: Vec<Bound>,
    ports: Vec<DatagramPort<D>>,
) -> Result<(), Failure> {
    let service = Arc::new(service);
    match driver {
        Driver::Tasks => {
            for bound in streams {
                tokio::spawn(tasks::serve(bound, Arc::clone(&service), bounds.clone()));
            }
            for port in ports {
                tokio::spawn(serve_as_task(port, bounds.door.stop.clone()));
            }
        }
        Driver::Threads => {
            for bound in streams {
                let (service, bounds) = (Arc::clone(&service), bounds.clone());
                spawn("listener", move || threads::serve(bound, &service, &bounds))?;
            }
            for port in ports {
                let stop = bounds.door.stop.clone();
                spawn("datagrams", move || serve_on_thread(port, &stop))?;
            }
        }
        Driver::Single => {
            let ports = ports.into_iter().map(|port| Box::new(port) as _).collect();
            spawn("event loop", move || single::serve(streams, ports, service, bounds))?;
        }
    }
    Ok(())
}

/// What a service without a wire over UDP does there; there is none of it.
#[derive(Debug)]
pub enum NoDatagrams {}

impl DatagramService for NoDatagrams {
    fn answer(&mut self, _: Tick, _: &Datagram<'_>, _: &mut Outbox) {
        match *self {}
    }

    fn answered_back(&mut self) {
        match *self {}
    }

    fn dropped(&mut self, _: u64) {
        match *self {}
    }
}

fn spawn(
    name: &str,
    work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(work).map(drop).map_err(|e| Failure::Ours(format!("cannot start a thread: {e}")))
}
