//! A line to a server: it asks, follows where that leads, and says the key where one is wanted.
//!
//! For one file a connection is opened and closed again; for many it is kept.

use std::sync::Arc;

use ::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use sockeye_proto::access::Key;
use sockeye_proto::address::Address;

use crate::exit::Failure;
use crate::services::files::call::SILENCE_TIMEOUT;
use crate::services::files::call::connection::{self, Connection, field};
use crate::services::files::call::key::Refused;
use crate::services::files::call::reach::Way;
use crate::services::files::call::redirect::{is_folder_of, redirected};

const REDIRECTS_MAX: usize = 10;

type Open = Connection<Empty<Bytes>>;

/// See the [module](self).
#[derive(Debug)]
pub struct Line {
    way: Arc<Way>,
    keeps: bool,
    /// To whom, and the connection.
    kept: Option<(String, Open)>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// In which form.
    pub accept: &'static str,
    /// From which byte on, as long as this proves that it is the same file.
    pub range: Option<(u64, &'a str)>,
}

/// An answer, and the connection that it comes over.
#[derive(Debug)]
pub struct Answer {
    /// Its head, and the body that is to be read.
    pub response: Response<Incoming>,
    /// Whom it came from, after all redirects.
    pub url: Address,
    connection: Open,
}

/// Where a URL led to.
#[derive(Debug)]
pub enum Led {
    /// An answer.
    To(Box<Answer>),
    /// The same path with a slash: it is a folder.
    ToFolder(Address),
}

impl Line {
    /// A line for one file.
    pub fn once(way: &Arc<Way>) -> Self {
        Self { way: Arc::clone(way), keeps: false, kept: None }
    }

    /// A line for many files, one after the other.
    pub fn lasting(way: &Arc<Way>) -> Self {
        Self { way: Arc::clone(way), keeps: true, kept: None }
    }

    /// Asks, and follows redirects.
    pub async fn ask(&mut self, url: &Address, asked: &Asked<'_>) -> Result<Led, Failure> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask_with_a_key(&url, asked).await?;
            let response = &answer.response;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(to) = field(response.headers(), header::LOCATION).filter(|_| is_redirect)
            else {
                return Ok(Led::To(Box::new(answer)));
            };
            let next = redirected(&url, to)?;
            if is_folder_of(&next, &url) {
                return Ok(Led::ToFolder(next));
            }
            self.way.check_redirect(&url, &next)?;
            url = next;
        }
        Err(Failure::SaidNo(format!("{url} goes round in redirects")))
    }

    /// The answer's body was read to its end: its connection may be used again.
    pub fn keep(&mut self, answer: Answer) {
        if self.keeps && !answer.connection.is_closed() {
            self.kept = Some((origin(&answer.url), answer.connection));
        }
    }

    /// Asks with the key that is held, and again where the hub does not take it and there is another.
    async fn ask_with_a_key(
        &mut self,
        url: &Address,
        asked: &Asked<'_>,
    ) -> Result<Answer, Failure> {
        loop {
            let key = self.way.keys.held_for(url);
            let answer = self.ask_once(url, asked, key.as_ref()).await?;
            let status = answer.response.status();
            if status.is_success() && key.is_some() {
                self.way.keys.accepted();
            }
            if status == StatusCode::UNAUTHORIZED && self.way.keys.are_for(url) {
                match self.way.keys.refused(key.as_ref()) {
                    Refused::AskAgain => continue,
                    Refused::No(why) => return Err(Failure::SaidNo(format!("{url}: {why}"))),
                }
            }
            return Ok(answer);
        }
    }

    async fn ask_once(
        &mut self,
        url: &Address,
        asked: &Asked<'_>,
        key: Option<&Key>,
    ) -> Result<Answer, Failure> {
        let silent = || Failure::Network(format!("{} does not answer", url.authority()));
        if let Some(mut connection) = self.kept_for(url).await {
            let request = self.request(url, asked, key)?;
            let answer = tokio::time::timeout(SILENCE_TIMEOUT, connection.ask(request)).await;
            // The server may have ended it before it heard of this.
            if let Ok(response) = answer.map_err(|_| silent())? {
                return Ok(Answer { response, url: url.clone(), connection });
            }
        }
        let mut connection = Connection::open(url, &self.way).await?;
        let request = self.request(url, asked, key)?;
        let answer = tokio::time::timeout(SILENCE_TIMEOUT, connection.ask(request)).await;
        let response = answer.map_err(|_| silent())?;
        let response = response.map_err(|error| connection::no_http(url, &error))?;
        Ok(Answer { response, url: url.clone(), connection })
    }

    /// The connection that was kept, if it is to the same server and takes a request.
    async fn kept_for(&mut self, url: &Address) -> Option<Open> {
        let (to, mut connection) = self.kept.take()?;
        (to == origin(url) && connection.is_ready().await).then_some(connection)
    }

    fn request(
        &self,
        url: &Address,
        asked: &Asked<'_>,
        key: Option<&Key>,
    ) -> Result<Request<Empty<Bytes>>, Failure> {
        let mut request =
            connection::request(Method::GET, url, key).header(header::ACCEPT, asked.accept);
        if !self.keeps {
            request = request.header(header::CONNECTION, "close");
        }
        if let Some((from, validator)) = asked.range {
            request = request
                .header(header::RANGE, format!("bytes={from}-"))
                .header(header::IF_RANGE, validator);
        }
        request.body(Empty::new()).map_err(|e| connection::no_path(url, &e))
    }
}

/// Whom a connection is to.
fn origin(url: &Address) -> String {
    Address { path: String::new(), ..url.clone() }.to_string()
}
