//! Who this hub is among its siblings, what proves it, and whom it takes for one of them.

use std::sync::{Mutex, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::Deserialize;
use serde_json::json;
use sockeye_engine::clock;
use sockeye_engine::http::server::{Answer, Caller};
use sockeye_proto::limits::NONCE_LASTS;
use sockeye_proto::siblings::group::{
    Challenge, Claim, GroupKey, GroupName, Hello, Proof, Question, Signature,
};
use sockeye_proto::siblings::node::{NodeId, only_if_cached, via_names};
use sockeye_proto::siblings::nonce::{Nonce, NonceMint, Used};
use sockeye_proto::siblings::search::Trouble;

use crate::exit::Failure;
use crate::hub::api;
use crate::services::files::serve::refusal::Refusal;

/// What a request says of the sibling that asks.
pub const SIBLING: HeaderName = HeaderName::from_static("sockeye-sibling");
/// Of which bytes the answer is to state the hash.
pub const PROVE: HeaderName = HeaderName::from_static("sockeye-prove");
/// That hash: BLAKE3, in hexadecimal digits.
pub const PROOF: HeaderName = HeaderName::from_static("sockeye-proof");
/// RFC 9209.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// Where a hub says who it is.
pub const HELLO: &str = "/-/api/sibling";

/// This hub; see the [module](self).
#[derive(Debug)]
pub struct Us {
    pub(super) id: NodeId,
    /// What it adds to Via.
    pub(super) via: HeaderValue,
    pub(super) group: Option<Group>,
    mint: NonceMint,
    used: Mutex<Used>,
}

/// Servers that read from each other.
#[derive(Debug)]
pub struct Group {
    /// What it is called.
    pub name: GroupName,
    /// What its members have in common; `None`: they know each other on one machine alone.
    pub key: Option<GroupKey>,
}

/// Who answered a hello.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) id: NodeId,
    /// There if it has proven that it is of our group.
    pub(super) nonce: Option<Nonce>,
}

/// What is said to a hello.
#[derive(Deserialize)]
struct Told {
    id: String,
    nonce: String,
    proof: Option<String>,
}

impl Us {
    /// A hub with a name of its own, drawn now.
    pub fn new(group: Option<Group>) -> Result<Self, Failure> {
        let ours = |_| Failure::Ours("this machine has no random bytes to give".into());
        let id = NodeId::from_random(random().map_err(ours)?);
        let via = HeaderValue::from_str(&format!("1.1 {id}"))
            .map_err(|_| Failure::Ours("a node's name is no field".into()))?;
        let mint = NonceMint::new(random().map_err(ours)?);
        Ok(Self { id, via, group, mint, used: Mutex::default() })
    }

    /// What others call it.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// A hello to say: what the answer is to prove, and the target.
    pub(super) fn challenge() -> Result<(Challenge, String), Trouble> {
        let challenge = Challenge::new(random().map_err(|_| Trouble::Unavailable)?);
        Ok((challenge, format!("{HELLO}?challenge={challenge}")))
    }

    /// Who answered it; `None` if that is no Sockeye.
    pub(super) fn hear(&self, challenge: &Challenge, body: &[u8]) -> Option<Heard> {
        let told: Told = serde_json::from_slice(body).ok()?;
        let (id, nonce) = (NodeId::parse(&told.id)?, Nonce::parse(&told.nonce)?);
        let has_proven = || {
            let group = self.group.as_ref()?;
            let proof = Proof::parse(told.proof.as_deref()?)?;
            let hello = Hello { id: &id, challenge, nonce: &nonce, group: &group.name };
            group.key.as_ref()?.verify_hello(&hello, &proof).then_some(())
        };
        let nonce = has_proven().map(|()| nonce.clone());
        Some(Heard { id, nonce })
    }

    /// `GET /-/api/sibling?challenge=HEX`.
    pub fn answer_hello(&self, request: &Parts) -> Result<Answer, Refusal> {
        let query = request.uri.query().unwrap_or_default();
        let said = query.split('&').find_map(|part| part.strip_prefix("challenge="));
        let said = said.map(|said| percent_decode_str(said).decode_utf8_lossy());
        let challenge = match said.as_deref().map(Challenge::parse) {
            None => None,
            Some(Some(challenge)) => Some(challenge),
            Some(None) => {
                let why = "a challenge is 32 hexadecimal digits";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
            }
        };
        let no_random =
            |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "no random bytes are to be had");
        let nonce = self.mint.give(clock::now(), random().map_err(no_random)?);
        let proof = challenge.as_ref().and_then(|challenge| {
            let group = self.group.as_ref()?;
            let hello = Hello { id: &self.id, challenge, nonce: &nonce, group: &group.name };
            Some(group.key.as_ref()?.sign_hello(&hello).to_string())
        });
        let (id, lasts_s) = (self.id.as_str(), NONCE_LASTS.as_secs());
        let told = json!({"id": id, "nonce": nonce.as_str(), "lasts_s": lasts_s, "proof": proof});
        Ok(api::answer("application/json", format!("{told}\n")))
    }

    /// Whether a request comes from a sibling of this hub's group, as it says. What it says counts
    /// once: whoever says the same again is a stranger.
    pub fn is_from_member(&self, request: &Parts, caller: &Caller) -> bool {
        self.check(request, caller).is_some()
    }

    fn check(&self, request: &Parts, caller: &Caller) -> Option<()> {
        let group = self.group.as_ref()?;
        // What stands there twice, no proof holds to.
        let is_clear = |name: &HeaderName| request.headers.get_all(name).iter().count() <= 1;
        if !is_clear(&header::RANGE) || !is_clear(&PROVE) {
            return None;
        }
        let claim = Claim::parse(text(&request.headers, &SIBLING)?)?;
        if claim.to != self.id || claim.group != group.name || claim.from == self.id {
            return None;
        }
        let Some(key) = &group.key else {
            let is_here = caller.peer.ip().is_loopback() && caller.local.ip().is_loopback();
            return is_here.then_some(());
        };
        let Signature { nonce, count, proof } = claim.signature.as_ref()?;
        let now = clock::now();
        let live = self.mint.check(now, nonce)?;
        let target = request.uri.path_and_query()?.as_str();
        let question = Question {
            method: request.method.as_str(),
            target,
            range: text(&request.headers, &header::RANGE),
            prove: text(&request.headers, &PROVE),
            from: &claim.from,
            to: &claim.to,
            nonce,
            count: *count,
            group: &claim.group,
        };
        if !key.verify(&question, proof) {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(now, live, *count).then_some(())
    }

    /// Refuses what has passed here before.
    pub fn refuse_loop(&self, fields: &HeaderMap) -> Result<(), Refusal> {
        let mut via = fields.get_all(header::VIA).iter();
        // Also where somebody before us has written what is no text.
        if !via.any(|via| via_names(&String::from_utf8_lossy(via.as_bytes()), &self.id)) {
            return Ok(());
        }
        let status = format!("{}; error=proxy_loop_detected", self.id);
        let why = "this request has passed here before: siblings ask each other in a circle";
        let refusal = Refusal::new(StatusCode::BAD_GATEWAY, why);
        Err(match HeaderValue::from_str(&status) {
            Ok(status) => refusal.with(PROXY_STATUS, status),
            Err(_) => refusal,
        })
    }
}

/// Whether a request wants nothing but what is here (RFC 9111, section 5.2.1.7).
pub fn wants_only_ours(fields: &HeaderMap) -> bool {
    let mut values = fields.get_all(header::CACHE_CONTROL).iter();
    values.any(|value| value.to_str().is_ok_and(only_if_cached))
}

/// A field that stands there once, as text.
fn text<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = fields.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

fn random<const N: usize>() -> rustix::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}
