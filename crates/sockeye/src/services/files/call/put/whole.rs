//! Sending a file in one: a PUT, as every server knows it.

use ::http::Method;
use sockeye_proto::address::Address;

use super::line::{Answer, Asked, Line, Trouble};
use super::retry::Retries;
use super::source::Source;
use crate::exit::Failure;
use crate::services::files::call::meter::Meter;

const REDIRECTS_MAX: usize = 5;

/// Sends it, following where the server leads on to. Gives where it was answered, and how.
pub async fn send(
    url: &Address,
    source: &Source,
    line: &mut Line,
    meter: &Meter,
) -> Result<(Address, Answer), Trouble> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let answer = send_to(&url, source, line, meter).await?;
        match answer.leads_to(&url, line.way()) {
            None => return Ok((url, answer)),
            Some(Ok(next)) => url = next,
            Some(Err(failure)) => return Err(Trouble::Failed(failure)),
        }
    }
    Err(Trouble::Failed(Failure::SaidNo(format!("{url} goes round in redirects"))))
}

async fn send_to(
    url: &Address,
    source: &Source,
    line: &mut Line,
    meter: &Meter,
) -> Result<Answer, Trouble> {
    let mut retries = Retries::default();
    let body = Some((source, 0));
    let asked = Asked { method: Method::PUT, url, fields: Vec::new(), body, meter };
    loop {
        let trouble = match line.ask(&asked).await {
            Ok(answer) => return Ok(answer),
            Err(trouble) => trouble,
        };
        // What came from standard input and has left cannot be had again.
        if let (Source::Stdin(_), Trouble::Broken { position: 1.., .. }) = (source, &trouble) {
            return Err(trouble);
        }
        retries.wait(trouble, meter).await?;
        source.check().map_err(Trouble::Source)?;
    }
}
