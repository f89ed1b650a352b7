//! Folders as answers of the site: what is here, or what all siblings have.

use std::os::fd::OwnedFd;

use http::request::Parts;
use http::{HeaderValue, StatusCode};
use sockeye_engine::disk::folder::Opened;
use sockeye_engine::http::exchange::Remark;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::target::SharePath;

use super::site::Site;
use crate::services::files::serve::file::CACHE_STATUS;
use crate::services::files::serve::folder::{self, Contents, Form};
use crate::services::files::serve::refusal::Refusal;
use crate::services::files::siblings::all::{self, All};

impl Site {
    /// Whether a folder that is missing here may be shown all the same: as siblings have it.
    pub(super) fn may_list_elsewhere(&self, request: &Parts, path: &SharePath) -> bool {
        let is_hidden = path.is_hidden() && !self.share.shows_hidden();
        path.wants_folder() && !is_hidden && self.siblings.may_list(request)
    }

    /// Answers with the folder at a path, whatever is in it.
    pub(super) async fn listing_at(
        &self,
        request: &Parts,
        path: &SharePath,
        form: Form,
    ) -> Result<Answer, Refusal> {
        match self.open(path).await {
            Err(refusal)
                if refusal.status == StatusCode::NOT_FOUND
                    && self.may_list_elsewhere(request, path) =>
            {
                self.listing(request, path, None, form).await
            }
            Err(refusal) => Err(refusal),
            Ok(Opened::Folder(descriptor, _)) => {
                self.listing(request, path, Some(descriptor), form).await
            }
            Ok(Opened::File(_)) => {
                let why = format!("{} is a file, not a folder", path.display());
                Err(Refusal::new(StatusCode::NOT_FOUND, why))
            }
        }
    }

    /// Answers with a folder: what it holds here, and with `?all` what it holds at siblings too.
    pub(super) async fn listing(
        &self,
        request: &Parts,
        path: &SharePath,
        here: Option<OwnedFd>,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let all = if all::is_wanted(request) {
            let here = (here.is_some(), self.share.shows_hidden());
            Some(self.siblings.tell_all(request, path, here).await?)
        } else {
            None
        };
        let asked = all.as_ref().filter(|all| all.nodes.len() > 1).map(All::in_words);
        let contents = Contents { here, all };
        let answer = folder::answer(&self.share, path, contents, form, &request.headers).await;
        let mut answer = answer.map_err(|e| Refusal::open(&e, &path.display()))?;
        if let Some(asked) = asked {
            let how = format!("{}; fwd=miss", self.siblings.us().id());
            if let Ok(how) = HeaderValue::from_str(&how) {
                answer.headers_mut().insert(CACHE_STATUS, how);
            }
            answer.extensions_mut().insert(Remark(asked));
        }
        Ok(answer)
    }
}
