//! What the page's port answers: the hub's own paths under `/-/`, and the shared folder for
//! everything else.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use sockeye_engine::disk::folder::Opened;
use sockeye_engine::http::body::Content;
use sockeye_engine::http::server::{Answer, Handler, HttpService};
use sockeye_engine::listen::Door;
use sockeye_proto::http::accept::{Wanted, negotiate};
use sockeye_proto::http::guard::{Asked, HostNames, admit, is_well_formed_host};
use sockeye_proto::http::target::SharePath;

use super::{Place, api, exchange, page};
use crate::services::files;
use crate::services::files::serve::folder::Form;
use crate::services::files::serve::refusal::Refusal;
use crate::services::files::serve::share::Share;
use crate::services::files::serve::{file, folder};
use crate::serving::Server;

/// The first name of the hub's own paths.
const OWN: &[u8] = b"-";
/// Where the page shows a folder whatever it holds.
const BROWSE: &str = "/-/browse";
const INDEX: &[u8] = b"index.html";

/// A shared folder with a hub around it.
#[derive(Debug)]
pub struct Site {
    share: Arc<Share>,
    names: HostNames,
    facts: api::Facts,
}

/// What the site is part of.
#[derive(Debug)]
pub struct Beside {
    /// Where everything listens, itself included.
    pub places: Vec<Place>,
    /// The doors of the other services.
    pub doors: Vec<(&'static str, Door)>,
}

/// A site as the engine serves it.
pub fn service(server: &Server, door: &Door, site: Site) -> Arc<HttpService<Site>> {
    Arc::new(HttpService {
        handler: site,
        books: server.books(door, "files http"),
        door: door.clone(),
        idle: server.idle(),
    })
}

impl Site {
    /// A site for a folder, which answers to this machine's name and those of `--host`.
    pub fn new(server: &Server, share: &Arc<Share>, door: &Door, beside: Beside) -> Self {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut names = vec![machine.clone(), format!("{machine}.local")];
        names.extend(server.flags.host.iter().cloned());
        let mut doors = vec![(files::SERVICE.name, door.clone())];
        doors.extend(beside.doors);
        Self {
            share: Arc::clone(share),
            names: HostNames::new(names),
            facts: api::Facts {
                machine,
                folder: share.name(),
                started: Timestamp::now(),
                places: beside.places,
                doors,
            },
        }
    }

    async fn answer(&self, request: &Parts) -> Result<Answer, Refusal> {
        let hosts = hosts(request);
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let origin = only(&request.headers, header::ORIGIN);
        let sec_fetch_site = only(&request.headers, HeaderName::from_static("sec-fetch-site"));
        let referer = only(&request.headers, header::REFERER);
        let asked = Asked {
            safe_method: matches!(request.method, Method::GET | Method::HEAD),
            web_socket: request.headers.contains_key(header::UPGRADE),
            http10: request.version == http::Version::HTTP_10,
            hosts: &hosts,
            origin: origin.as_deref(),
            sec_fetch_site: sec_fetch_site.as_deref(),
            referer: referer.as_deref(),
        };
        admit(&asked, &self.names).map_err(|refusal| {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
            Refusal::new(status, refusal.to_string())
        })?;
        if !asked.safe_method {
            return Err(Refusal::method());
        }
        let path = SharePath::parse(request.uri.path())
            .map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))?;
        if path.segments().next() == Some(OWN) {
            return self.own(request, &path, &hosts).await;
        }
        let opened = match self.open(&path).await {
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
                let emblem = is_favicon(&path).then(|| page::emblem(&request.headers)).flatten();
                return emblem.ok_or(refusal);
            }
            opened => opened?,
        };
        match opened {
            Opened::File(_) if path.wants_folder() => {
                let shown = path.display();
                Err(Refusal::new(StatusCode::NOT_FOUND, format!("{shown} is a file, not a folder")))
            }
            Opened::File(opened) => {
                let name = path.name().unwrap_or_default();
                file::answer(request, name, opened, &asked)
            }
            Opened::Folder(..) if !path.wants_folder() => Ok(to_folder(request, &path)),
            Opened::Folder(descriptor, _) => {
                if let Some(index) = self.index_of(&path).await {
                    return file::answer(request, INDEX, index, &asked);
                }
                let form = self.form(request, "", &hosts);
                self.listing(request, &path, descriptor, form).await
            }
        }
    }

    /// The hub's own paths. `path` has `-` as its first name.
    async fn own(
        &self,
        request: &Parts,
        path: &SharePath,
        hosts: &[&str],
    ) -> Result<Answer, Refusal> {
        let encoded = path.encoded();
        match encoded.as_str() {
            "/-/health" => return Ok(api::answer("text/plain; charset=utf-8", "ok\n".into())),
            "/-/metrics" => {
                let media_type = "text/plain; version=0.0.4; charset=utf-8";
                return Ok(api::answer(media_type, self.facts.metrics()));
            }
            "/-/api/hub" => {
                let body = format!("{}\n", self.facts.describe(host_name(hosts)));
                return Ok(api::answer("application/json", body));
            }
            "/-/api/clock" => return Ok(exchange::clock()),
            "/-/api/echo" => return exchange::echo(request),
            "/-/api/exchange" => {
                let authority = hosts.first().copied().unwrap_or("127.0.0.1");
                let host = (authority, host_name(hosts));
                return exchange::answer(request, &self.facts.places, host).await;
            }
            "/-" | BROWSE | "/-/api/list" => return Ok(to_folder(request, path)),
            _ => {}
        }
        if let Some(answer) = page::asset(&encoded, &request.headers) {
            return Ok(answer);
        }
        let below = |names: &[&[u8]]| {
            let mut segments = path.segments();
            let is_below = names.iter().all(|name| segments.next() == Some(*name));
            let rest = segments.try_fold(SharePath::root(), |p, name| p.join(name).ok());
            rest.filter(|_| is_below && path.wants_folder()).map(|rest| rest.as_folder())
        };
        let (wanted, form) = if encoded == "/-/" {
            (SharePath::root(), self.form(request, BROWSE, hosts))
        } else if let Some(rest) = below(&[OWN, b"browse"]) {
            (rest, self.form(request, BROWSE, hosts))
        } else if let Some(rest) = below(&[OWN, b"api", b"list"]) {
            (rest, Form::Json)
        } else {
            let why = format!("the hub has no page {}", path.display());
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        };
        match self.open(&wanted).await? {
            Opened::Folder(descriptor, _) => self.listing(request, &wanted, descriptor, form).await,
            Opened::File(_) => {
                let why = format!("{} is a file, not a folder", wanted.display());
                Err(Refusal::new(StatusCode::NOT_FOUND, why))
            }
        }
    }

    async fn open(&self, path: &SharePath) -> Result<Opened, Refusal> {
        self.share.look_up(path).await.map_err(|e| Refusal::open(&e, &path.display()))
    }

    /// The folder's index.html, if it has one that can be opened.
    async fn index_of(
        &self,
        folder: &SharePath,
    ) -> Option<sockeye_engine::disk::folder::FileHandle> {
        match self.share.look_up(&folder.join(INDEX).ok()?).await {
            Ok(Opened::File(index)) => Some(index),
            _ => None,
        }
    }

    /// A folder as the page for a browser, JSON for a script, or text for curl.
    fn form(&self, request: &Parts, base: &'static str, hosts: &[&str]) -> Form {
        match negotiate(only(&request.headers, header::ACCEPT).as_deref()) {
            Wanted::Page => Form::Page { base, hub: self.facts.describe(host_name(hosts)) },
            Wanted::Json => Form::Json,
            Wanted::Text => Form::Text,
        }
    }

    async fn listing(
        &self,
        request: &Parts,
        path: &SharePath,
        descriptor: OwnedFd,
        form: Form,
    ) -> Result<Answer, Refusal> {
        folder::answer(&self.share, path, descriptor, form, &request.headers)
            .await
            .map_err(|e| Refusal::open(&e, &path.display()))
    }
}

impl Handler for Site {
    async fn handle(&self, request: Request<()>) -> Answer {
        let (request, ()) = request.into_parts();
        match self.answer(&request).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(&request.headers),
        }
    }
}

/// Browsers ask for this beside anything that is no page.
fn is_favicon(path: &SharePath) -> bool {
    path.segments().eq([b"favicon.ico".as_slice()])
}

/// Every host that a request names: each Host field; or the target's own authority alone if there
/// is one (RFC 9112, section 3.2.2; HTTP/2 puts it there). That does not excuse an HTTP/1.1 request
/// from having one Host field, and no more (section 3.2).
fn hosts(request: &Parts) -> Vec<String> {
    let fields = request.headers.get_all(header::HOST);
    let fields: Vec<String> =
        fields.iter().map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()).collect();
    let may_lack_host = request.version != http::Version::HTTP_11;
    match request.uri.authority() {
        Some(authority) => {
            let is_proper = match fields.as_slice() {
                [host] => is_well_formed_host(host),
                fields => may_lack_host && fields.is_empty(),
            };
            if is_proper { vec![authority.as_str().to_owned()] } else { fields }
        }
        None => fields,
    }
}

/// The host without its port, to which other ports can be added.
fn host_name<'a>(hosts: &[&'a str]) -> &'a str {
    let host = hosts.first().copied().unwrap_or("127.0.0.1");
    match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    }
}

/// A field's value; several values joined, which matches nothing where there may be only one.
fn only(fields: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<_> =
        fields.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Sends a browser to the folder's own path, from which relative links are right.
fn to_folder(request: &Parts, path: &SharePath) -> Answer {
    let query = request.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let to = format!("{}{query}", path.as_folder().encoded());
    let mut answer = Response::new(Content::from(format!("the folder is at {to}\n")));
    *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let head = answer.headers_mut();
    if let Ok(to) = HeaderValue::from_str(&to) {
        head.insert(header::LOCATION, to);
    }
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    page::protect(head);
    answer
}
