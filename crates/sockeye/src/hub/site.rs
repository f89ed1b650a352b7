//! What the page's port answers: the hub's own paths under `/-/`, and the shared folder for
//! everything else.

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use sockeye_engine::clock;
use sockeye_engine::disk::folder::{FileHandle, Opened};
use sockeye_engine::http::body::Content;
use sockeye_engine::http::express::Ready;
use sockeye_engine::http::request_body::RequestBody;
use sockeye_engine::http::server::{Answer, Caller, Handler, HttpService};
use sockeye_engine::listen::Door;
use sockeye_engine::tls::server::ServerTls;
use sockeye_engine::workers::Workers;
use sockeye_proto::address::Scheme;
use sockeye_proto::http::accept::{Wanted, negotiate};
use sockeye_proto::http::guard::{Asked, HostNames, admit, is_well_formed_host};
use sockeye_proto::http::target::SharePath;
use sockeye_proto::machine::Tick;

use super::access::{self, Access, Visitor};
use super::invite::Invite;
use super::{Place, api, exchange, page};
use crate::services::files;
use crate::services::files::serve::file::CACHE_STATUS;
use crate::services::files::serve::folder::Form;
use crate::services::files::serve::receive::Receiving;
use crate::services::files::serve::receive::pieces::PREFIX;
use crate::services::files::serve::refusal::Refusal;
use crate::services::files::serve::share::Share;
use crate::services::files::serve::{archive, file, prove};
use crate::services::files::siblings::Siblings;
use crate::services::files::siblings::all;
use crate::services::files::siblings::us::{self, wants_only_ours};
use crate::serving::Server;

/// The first name of the hub's own paths.
const OWN: &[u8] = b"-";
/// Where the page shows a folder whatever it holds.
const BROWSE: &str = "/-/browse";
const INDEX: &[u8] = b"index.html";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A shared folder with a hub around it.
#[derive(Debug)]
pub struct Site {
    pub(super) share: Arc<Share>,
    names: HostNames,
    facts: api::Facts,
    pub(super) access: Arc<Access>,
    pub(super) receiving: Receiving,
    pub(super) invite: Invite,
    pub(super) siblings: Arc<Siblings>,
}

/// What the site is part of.
#[derive(Debug)]
pub struct Beside {
    /// Where everything listens, itself included.
    pub places: Vec<Place>,
    /// The doors of the other services.
    pub doors: Vec<(&'static str, Door)>,
    /// Who may.
    pub access: Arc<Access>,
    /// How others get in.
    pub invite: Invite,
    /// Who is asked for what is missing here.
    pub siblings: Arc<Siblings>,
}

/// A site as the engine serves it, in the clear or within TLS.
pub fn service(
    server: &Server,
    door: &Door,
    site: &Arc<Site>,
    workers: &Arc<Workers>,
    tls: Option<ServerTls>,
) -> Arc<HttpService<Site>> {
    let wire = if tls.is_some() { "files https" } else { "files http" };
    Arc::new(HttpService {
        handler: Arc::clone(site),
        books: server.books(door, wire),
        door: door.clone(),
        idle: server.idle(),
        workers: Arc::clone(workers),
        tls,
    })
}

impl Site {
    /// A site for a folder, which answers to this machine's name and those of `--host`.
    pub fn new(
        server: &Server,
        share: &Arc<Share>,
        receiving: Receiving,
        door: &Door,
        beside: Beside,
    ) -> Self {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut names = vec![machine.clone(), format!("{machine}.local")];
        names.extend(server.flags.host.iter().cloned());
        if let Some(how) = beside.siblings.hit() {
            share.says(how.clone());
        }
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
            access: beside.access,
            receiving,
            invite: beside.invite,
            siblings: beside.siblings,
        }
    }

    async fn answer(
        &self,
        request: &Parts,
        body: RequestBody,
        caller: &Caller,
    ) -> Result<Answer, Refusal> {
        let told = Told::of(request);
        let hosts = told.hosts();
        let asked = told.asked(request, &hosts);
        admit(&asked, &self.names).map_err(|refusal| {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
            Refusal::new(status, refusal.to_string())
        })?;
        self.siblings.us().refuse_loop(&request.headers)?;
        let path = SharePath::parse(request.uri.path())
            .map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))?;
        let asking = Asking { request, path: &path, hosts: asked.hosts, asked: &asked, caller };
        if let Some(answer) = for_everybody(&asking, &self.siblings)? {
            return Ok(answer);
        }
        if request.method == Method::POST && path.encoded() == "/-/join" {
            return self.joined(request, caller, body).await;
        }
        // A sibling may read what members of its group may; it is no guest.
        if is_safe(&request.method) && self.siblings.us().is_from_member(request, caller) {
            return self.answer_visitor(&asking, &Visitor::sibling(caller), body).await;
        }
        let visitor = self.access.visitor(request, caller)?;
        let mut answer = self.answer_visitor(&asking, &visitor, body).await?;
        // Whoever has just changed the key that they came with is told so.
        if let Some(pass) = visitor.pass().filter(|pass| !pass.is_revoked()) {
            answer.extensions_mut().insert(pass.clone());
        }
        Ok(answer)
    }

    /// Answers somebody of whom it is known what they may.
    async fn answer_visitor(
        &self,
        asking: &Asking<'_>,
        visitor: &Visitor,
        body: RequestBody,
    ) -> Result<Answer, Refusal> {
        let Asking { request, path, .. } = asking;
        let is_own = path.segments().next() == Some(OWN);
        let encoded = if is_own { path.encoded() } else { String::new() };
        let may_send = visitor.may_write || self.receiving.is_dropbox();
        if let Some(id) = encoded.strip_prefix(PREFIX) {
            if !may_send {
                return Err(self.access.key_wanted(&request.headers));
            }
            if request.method == Method::PATCH {
                self.receiving.must_be_on()?;
            }
            let sender = visitor.sender();
            return self.receiving.places().answer(request, id, body, &sender).await;
        }
        match &request.method {
            &Method::GET | &Method::HEAD if visitor.may_read => {}
            &Method::POST if visitor.may_read && archive::is_at(path) => {
                return archive::of_chosen(&self.share, request, path, body).await;
            }
            &Method::GET | &Method::HEAD => return self.to_stranger(asking),
            method if !is_known(method) => return Err(Refusal::method()),
            _ if is_own && !visitor.may_write => {
                return Err(self.access.key_wanted(&request.headers));
            }
            &Method::POST if is_own => {
                return self.command(&encoded, (visitor, asking.caller), body).await;
            }
            _ if is_own => return Err(Refusal::method()),
            _ if !may_send => return Err(self.access.key_wanted(&request.headers)),
            _ => return self.receiving.answer(request, path, body, &visitor.sender()).await,
        }
        if is_own {
            return self.own(asking, visitor).await;
        }
        self.give(asking, visitor).await
    }

    /// A file or a folder of the share.
    async fn give(&self, asking: &Asking<'_>, visitor: &Visitor) -> Result<Answer, Refusal> {
        let Asking { request, path, hosts, caller, .. } = asking;
        let since = clock::now();
        let opened = match self.open(path).await {
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
                let emblem = is_favicon(path).then(|| page::emblem(&request.headers)).flatten();
                return match emblem {
                    Some(emblem) => Ok(emblem),
                    None if self.may_list_elsewhere(request, path) => {
                        let form = self.form(request, "", hosts, (visitor, caller));
                        self.listing(request, path, None, form).await
                    }
                    None => self.elsewhere(asking, refusal).await,
                };
            }
            opened => opened?,
        };
        if let Some(wanted) = archive::wanted(request)? {
            return archive::answer(&self.share, request, path, &opened, wanted).await;
        }
        match opened {
            Opened::File(_) if path.wants_folder() => {
                let shown = path.display();
                Err(Refusal::new(StatusCode::NOT_FOUND, format!("{shown} is a file, not a folder")))
            }
            Opened::File(opened) if request.headers.contains_key(us::PROVE) => {
                let (opened, proof) = prove::prove(request, opened).await?;
                let mut answer = self.file(asking, path, opened, since)?;
                answer.headers_mut().extend(proof.map(|proof| (us::PROOF, proof)));
                Ok(answer)
            }
            Opened::File(opened) => self.file(asking, path, opened, since),
            Opened::Folder(..) if !path.wants_folder() => Ok(to_folder(request, path)),
            Opened::Folder(descriptor, _) => {
                let wants_index = !all::is_wanted(request);
                if wants_index && let Some((path, index)) = self.index_of(path).await {
                    return self.file(asking, &path, index, since);
                }
                let form = self.form(request, "", hosts, (visitor, caller));
                self.listing(request, path, Some(descriptor), form).await
            }
        }
    }

    /// What is missing here, from a sibling; a sibling that asks gets only what is here.
    async fn elsewhere(&self, asking: &Asking<'_>, missing: Refusal) -> Result<Answer, Refusal> {
        let Asking { request, path, asked, .. } = asking;
        if !self.siblings.are_asked() {
            return Err(missing);
        }
        if wants_only_ours(&request.headers) {
            // Its answer to a sibling means the same; others are told what RFC 9111 (section 5.2.1.7)
            // wants.
            let is_sibling = request.headers.contains_key(us::SIBLING);
            let status =
                if is_sibling { StatusCode::NOT_FOUND } else { StatusCode::GATEWAY_TIMEOUT };
            return Err(Refusal { status, ..missing });
        }
        let is_hidden = path.is_hidden() && !self.share.shows_hidden();
        if is_hidden || archive::wanted(request)?.is_some() {
            return Err(missing);
        }
        if path.wants_folder() {
            return Err(missing.or_look("Look at all hubs", "?all"));
        }
        self.siblings.relay(request, path, asked).await
    }

    /// A file that was looked up for this request since then, and lies at a path that may be another.
    fn file(
        &self,
        asking: &Asking<'_>,
        path: &SharePath,
        file: FileHandle,
        since: Tick,
    ) -> Result<Answer, Refusal> {
        let Asking { request, asked, .. } = asking;
        if file::may_be_hot(request)
            && let Some(hot) = self.share.keep((request.uri.path(), path), &file, since)
        {
            self.siblings.was_here();
            return file::answer_hot(request, &hot, asked);
        }
        let mut answer = file::answer(request, path.name().unwrap_or_default(), file, asked)?;
        if let Some(how) = self.share.how() {
            answer.headers_mut().insert(CACHE_STATUS, how.clone());
        }
        self.siblings.was_here();
        Ok(answer)
    }

    /// What somebody gets who may not read: a browser the way in, or a page to drop files on.
    fn to_stranger(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        let Asking { request, path, .. } = asking;
        let accept = only(&request.headers, header::ACCEPT);
        let is_page = negotiate(accept.as_deref()) == Wanted::Page;
        if is_page && self.receiving.is_dropbox() && path.is_root() {
            return Ok(page::drop_page(&self.facts.machine, &self.receiving.describe()));
        }
        if is_favicon(path)
            && let Some(emblem) = page::emblem(&request.headers)
        {
            return Ok(emblem);
        }
        if is_page {
            return Ok(page::join(StatusCode::UNAUTHORIZED, ""));
        }
        Err(self.access.key_wanted(&request.headers))
    }

    /// The hub's own paths. The path has `-` as its first name.
    async fn own(&self, asking: &Asking<'_>, visitor: &Visitor) -> Result<Answer, Refusal> {
        let Asking { request, path, hosts, caller, .. } = *asking;
        let encoded = path.encoded();
        match encoded.as_str() {
            "/-/metrics" => {
                let media_type = "text/plain; version=0.0.4; charset=utf-8";
                return Ok(api::answer(
                    media_type,
                    self.facts.metrics(self.share.kept(), &self.siblings),
                ));
            }
            "/-/api/hub" => {
                let body = format!("{}\n", self.describe(hosts, (visitor, caller)));
                return Ok(api::answer("application/json", body));
            }
            "/-/api/here" if !visitor.may_write => {
                return Err(self.access.key_wanted(&request.headers));
            }
            "/-/api/here" => {
                let body = format!("{}\n", self.access.here(visitor));
                return Ok(api::answer("application/json", body));
            }
            "/-/api/invite" | "/-/invite.svg" => {
                visitor.must_be_host()?;
                let is_picture = encoded == "/-/invite.svg";
                return if is_picture { self.invite_picture() } else { self.invite() };
            }
            "/-/api/link" | "/-/link.svg" => {
                let scheme = if caller.is_secure { Scheme::Https } else { Scheme::Http };
                let from = (scheme, hosts.first().copied().unwrap_or("127.0.0.1"));
                let is_picture = encoded == "/-/link.svg";
                return if is_picture {
                    self.link_picture(request, from, visitor)
                } else {
                    self.link(request, from, visitor)
                };
            }
            "/-/api/exchange" => {
                let authority = hosts.first().copied().unwrap_or("127.0.0.1");
                let host = (authority, host_name(hosts));
                return exchange::answer(request, &self.facts.places, host).await;
            }
            "/-" | BROWSE | "/-/api/list" => return Ok(to_folder(request, path)),
            _ => {}
        }
        let below = |names: &[&[u8]]| {
            let mut segments = path.segments();
            let is_below = names.iter().all(|name| segments.next() == Some(*name));
            let rest = segments.try_fold(SharePath::root(), |p, name| p.join(name).ok());
            rest.filter(|_| is_below && path.wants_folder()).map(|rest| rest.as_folder())
        };
        let form = |base| self.form(request, base, hosts, (visitor, caller));
        let (wanted, form) = if encoded == "/-/" {
            (SharePath::root(), form(BROWSE))
        } else if let Some(rest) = below(&[OWN, b"browse"]) {
            (rest, form(BROWSE))
        } else if let Some(rest) = below(&[OWN, b"api", b"list"]) {
            (rest, Form::Json)
        } else {
            let why = format!("the hub has no page {}", path.display());
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        };
        self.listing_at(request, &wanted, form).await
    }

    /// What the page knows of the hub, and of what its user may do here.
    fn describe(&self, hosts: &[&str], (visitor, caller): (&Visitor, &Caller)) -> Value {
        let mut described =
            self.facts.describe(host_name(hosts), self.access.wanted() == access::Wanted::Always);
        described["access"] = json!({
            "wanted": match self.access.wanted() {
                access::Wanted::Nothing => "nothing",
                access::Wanted::ToWrite => "key to write",
                access::Wanted::Always => "key",
            },
            "may_read": visitor.may_read,
            "may_write": visitor.may_write,
            "is_host": visitor.is_host,
            "guest": visitor.guest,
            "tls": caller.is_secure,
        });
        described["receiving"] = self.receiving.describe();
        if self.siblings.are_asked() {
            described["siblings"] = self.siblings.describe();
        }
        described
    }

    pub(super) async fn open(&self, path: &SharePath) -> Result<Opened, Refusal> {
        self.share.look_up(path).await.map_err(|e| Refusal::open(&e, &path.display()))
    }

    /// The folder's index.html, if it has one that can be opened.
    async fn index_of(&self, folder: &SharePath) -> Option<(SharePath, FileHandle)> {
        let path = folder.join(INDEX).ok()?;
        match self.share.look_up(&path).await {
            Ok(Opened::File(index)) => Some((path, index)),
            _ => None,
        }
    }

    /// A folder as the page for a browser, JSON for a script, or text for curl.
    fn form(
        &self,
        request: &Parts,
        base: &'static str,
        hosts: &[&str],
        who: (&Visitor, &Caller),
    ) -> Form {
        match negotiate(only(&request.headers, header::ACCEPT).as_deref()) {
            Wanted::Page => Form::Page { base, hub: self.describe(hosts, who) },
            Wanted::Json => Form::Json,
            Wanted::Text => Form::Text,
        }
    }
}

impl Handler for Site {
    fn ready(&self, target: &str, host: &str, caller: &Caller) -> Option<Ready> {
        let hot = self.share.hot(target)?;
        let asked = Asked { safe_method: true, hosts: &[host], ..Asked::default() };
        admit(&asked, &self.names).ok()?;
        self.access.lets_strangers_read(caller).then(|| {
            self.siblings.was_here();
            file::ready(&hot)
        })
    }

    fn at_once(&self, request: &Parts, caller: &Caller) -> Option<Answer> {
        let wants_file = is_safe(&request.method) && request.uri.query().is_none();
        if !wants_file || !file::may_be_hot(request) {
            return None;
        }
        let hot = self.share.hot(request.uri.path())?;
        // Who is told no is told so by the long way.
        let told = Told::of(request);
        let hosts = told.hosts();
        let asked = told.asked(request, &hosts);
        admit(&asked, &self.names).ok()?;
        let reader = self.access.reader(request, caller)?;
        let mut answer = file::answer_hot(request, &hot, &asked).ok()?;
        self.siblings.was_here();
        if let Some(pass) = reader.pass {
            answer.extensions_mut().insert(pass);
        }
        Some(answer)
    }

    async fn handle(&self, request: Request<RequestBody>, caller: Caller) -> Answer {
        let (request, body) = request.into_parts();
        match self.answer(&request, body, &caller).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(&request.headers),
        }
    }
}

/// What is answered whoever asks: the page's own files, and that the hub is well.
fn for_everybody(asking: &Asking<'_>, siblings: &Siblings) -> Result<Option<Answer>, Refusal> {
    let Asking { request, path, .. } = asking;
    if !matches!(request.method, Method::GET | Method::HEAD) || path.segments().next() != Some(OWN)
    {
        return Ok(None);
    }
    let encoded = path.encoded();
    Ok(match encoded.as_str() {
        "/-/health" => Some(api::answer("text/plain; charset=utf-8", "ok\n".into())),
        "/-/join" => Some(page::join(StatusCode::OK, "")),
        "/-/api/clock" => Some(exchange::clock()),
        "/-/api/echo" => Some(exchange::echo(request)?),
        us::HELLO => Some(siblings.us().answer_hello(request)?),
        _ => page::asset(&encoded, &request.headers),
    })
}

/// A request, and what was found out about it.
#[derive(Clone, Copy)]
struct Asking<'a> {
    request: &'a Parts,
    path: &'a SharePath,
    hosts: &'a [&'a str],
    asked: &'a Asked<'a>,
    caller: &'a Caller,
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn is_known(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT) || method.as_str() == "MKCOL"
}

/// Browsers ask for this beside anything that is no page.
fn is_favicon(path: &SharePath) -> bool {
    path.segments().eq([b"favicon.ico".as_slice()])
}

/// Where a request says that it goes, and where it comes from.
struct Told<'a> {
    hosts: Hosts<'a>,
    origin: Option<Cow<'a, str>>,
    sec_fetch_site: Option<Cow<'a, str>>,
    referer: Option<Cow<'a, str>>,
}

/// No host, one, or two, which stand for several.
type Hosts<'a> = [Option<Cow<'a, str>>; 2];

impl<'a> Told<'a> {
    fn of(request: &'a Parts) -> Self {
        let fields = &request.headers;
        Self {
            hosts: hosts(request),
            origin: only(fields, header::ORIGIN),
            sec_fetch_site: only(fields, SEC_FETCH_SITE),
            referer: only(fields, header::REFERER),
        }
    }

    /// The hosts in the form that [`Told::asked`] takes them; empty ones stand for none.
    fn hosts(&self) -> [&str; 2] {
        self.hosts.each_ref().map(|host| host.as_deref().unwrap_or_default())
    }

    fn asked<'b>(&'b self, request: &Parts, hosts: &'b [&'b str; 2]) -> Asked<'b> {
        Asked {
            safe_method: is_safe(&request.method),
            web_socket: request.headers.contains_key(header::UPGRADE),
            http10: request.version == http::Version::HTTP_10,
            hosts: &hosts[..self.hosts.iter().flatten().count()],
            origin: self.origin.as_deref(),
            sec_fetch_site: self.sec_fetch_site.as_deref(),
            referer: self.referer.as_deref(),
        }
    }
}

/// Every host that a request names: each Host field; or the target's own authority alone if there
/// is one (RFC 9112, section 3.2.2; HTTP/2 puts it there). That does not excuse an HTTP/1.1 request
/// from having one Host field, and no more (section 3.2).
fn hosts(request: &Parts) -> Hosts<'_> {
    let mut fields = request.headers.get_all(header::HOST).iter();
    let mut next = || fields.next().map(|host| String::from_utf8_lossy(host.as_bytes()));
    let fields = [next(), next()];
    let may_lack_host = request.version != http::Version::HTTP_11;
    match request.uri.authority() {
        Some(authority) => {
            let is_proper = match &fields {
                [Some(host), None] => is_well_formed_host(host),
                [None, _] => may_lack_host,
                _ => false,
            };
            if is_proper { [Some(Cow::Borrowed(authority.as_str())), None] } else { fields }
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
fn only(fields: &HeaderMap, name: HeaderName) -> Option<Cow<'_, str>> {
    let mut values = fields.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |joined, value| Cow::Owned(format!("{joined}, {value}"))))
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
