//! Forms that are out: what each is about is sealed in it, and each counts once.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::ToolError;
use crate::store::{self, AccessRecords, Seal};

/// How long a form can be answered.
const VALID: Duration = Duration::from_mins(10);
/// Random bytes that tell one form from all others.
const ONCE: usize = 16;

/// Seals forms, and knows which were answered or closed.
pub struct Forms {
    seal: Seal,
    records: Arc<AccessRecords>,
}

/// For whom a form is, by which tool, and about which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About<'a> {
    pub(super) principal: &'a str,
    pub(super) tool: &'a str,
    pub(super) session: &'a str,
}

/// A form that came back as it was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Out {
    /// The prompt that it shows.
    pub(super) prompt: String,
    /// The digest of what it shows.
    pub(super) shown: String,
    once: String,
    expires: SystemTime,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    principal: String,
    tool: String,
    session: String,
    prompt: String,
    shown: String,
    once: String,
    /// Seconds since 1970.
    expires: u64,
}

impl Out {
    /// The form in which a task asks about `prompt`, shown as `shown`: it is known by `key`, and valid as long as the prompt.
    pub(super) fn of_task(prompt: String, shown: String, key: String, expires: SystemTime) -> Self {
        Self {
            prompt,
            shown,
            once: key,
            expires,
        }
    }
}

impl Forms {
    /// Forms that `seal` seals. Those that were answered are in `records`.
    pub fn new(seal: Seal, records: AccessRecords) -> Self {
        Self {
            seal,
            records: Arc::new(records),
        }
    }

    /// What a form carries that shows a prompt as `shown` from `now` on.
    pub(super) fn give(
        &self,
        about: About<'_>,
        prompt: &str,
        shown: String,
        now: SystemTime,
    ) -> Result<String, ToolError> {
        let mut once = [0; ONCE];
        let random = getrandom::fill(&mut once).is_ok();
        let sealed = Sealed {
            principal: about.principal.to_owned(),
            tool: about.tool.to_owned(),
            session: about.session.to_owned(),
            prompt: prompt.to_owned(),
            shown,
            once: hex::encode(once),
            expires: seconds(now + VALID),
        };
        let sealed = serde_json::to_vec(&sealed).ok().filter(|_| random);
        sealed
            .and_then(|sealed| self.seal.seal(&sealed))
            .ok_or_else(|| ToolError::new("no form can be made now, so nothing was answered"))
    }

    /// The form that carries `state`, if it was given for the same and can still be answered `now`.
    ///
    /// # Errors
    /// In words why not; then nothing was answered.
    pub(super) fn take(&self, about: About<'_>, state: &str, now: SystemTime) -> Result<Out, ToolError> {
        let opened = self.seal.open(state);
        let sealed: Option<Sealed> = opened.and_then(|text| serde_json::from_slice(&text).ok());
        let refused = |why: &str| Err(unanswered(why));
        let Some(sealed) = sealed else {
            return refused("the form is not one of berth's, or was altered");
        };
        if sealed.principal != about.principal {
            return refused("the form was given to another caller");
        }
        if sealed.tool != about.tool {
            return refused("the form was given for another tool");
        }
        if sealed.session != about.session {
            return refused("the form was given for another session");
        }
        if sealed.expires <= seconds(now) {
            return refused("the form has expired: it can be answered for 10 minutes");
        }
        Ok(Out {
            prompt: sealed.prompt,
            shown: sealed.shown,
            once: sealed.once,
            expires: UNIX_EPOCH + Duration::from_secs(sealed.expires),
        })
    }

    /// The first of `keys` of which no form was spent.
    ///
    /// # Errors
    /// That cannot be known.
    pub(super) async fn unspent(&self, keys: Vec<String>) -> Result<Option<String>, ToolError> {
        let records = self.records.clone();
        let look = move || {
            for key in keys {
                if !records.form_is_spent(key.as_bytes())? {
                    return Ok(Some(key));
                }
            }
            Ok::<_, store::Error>(None)
        };
        let unknown = |why: &dyn Display| ToolError::new(format!("which forms were answered cannot be read: {why}"));
        let looked = tokio::task::spawn_blocking(look).await;
        looked
            .map_err(|fault| unknown(&fault))?
            .map_err(|error| unknown(&error))
    }

    /// Spends the form: no answer in it counts from now on. This stands before any key that is pressed because of it.
    ///
    /// # Errors
    /// It was spent before, or that cannot be known; then nothing was answered.
    pub(super) async fn spend(&self, form: &Out, now: SystemTime) -> Result<(), ToolError> {
        let (records, once, expires) = (self.records.clone(), form.once.clone(), form.expires);
        let spent = tokio::task::spawn_blocking(move || records.spend_form(once.as_bytes(), expires, now)).await;
        match spent {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(unanswered("the form was answered or closed before, and counts once")),
            Ok(Err(error)) => Err(unanswered(&format!("the form cannot be noted as answered: {error}"))),
            Err(fault) => Err(unanswered(&format!("the form cannot be noted as answered: {fault}"))),
        }
    }
}

/// Nothing was answered by a form, and why.
pub(super) fn unanswered(why: &str) -> ToolError {
    ToolError::refused(format!(
        "{why}. Nothing was typed; call again without it for a new form"
    ))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::DataDirectory;

    const ABOUT: About<'_> = About {
        principal: "local",
        tool: "respond_to_prompt",
        session: "local/fix-1",
    };

    struct Place {
        root: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            Self { root }
        }

        /// Forms as a process has them that starts now.
        fn forms(&self) -> Forms {
            let data = DataDirectory::open(&self.root.path().join("data"), &self.root.path().join("cache")).unwrap();
            Forms::new(data.seal().unwrap(), data.access().unwrap())
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn given(forms: &Forms) -> String {
        forms.give(ABOUT, "p1", "shown".into(), at(0)).unwrap()
    }

    #[test]
    fn a_form_comes_back_as_it_was_given_also_after_a_restart() {
        let place = Place::new();
        let state = given(&place.forms());
        let out = place.forms().take(ABOUT, &state, at(599)).unwrap();
        assert_eq!((out.prompt.as_str(), out.shown.as_str()), ("p1", "shown"));
    }

    #[test]
    fn after_ten_minutes_it_counts_for_nothing() {
        let forms = Place::new().forms();
        let state = given(&forms);
        let why = forms.take(ABOUT, &state, at(600)).unwrap_err().to_string();
        assert!(why.contains("expired") && why.contains("Nothing was typed"), "{why}");
    }

    #[test]
    fn it_counts_only_for_whom_by_what_and_about_what_it_was_given() {
        let forms = Place::new().forms();
        let state = given(&forms);
        let others = [
            (
                About {
                    principal: "app:x#1",
                    ..ABOUT
                },
                "another caller",
            ),
            (
                About {
                    tool: "send_message",
                    ..ABOUT
                },
                "another tool",
            ),
            (
                About {
                    session: "local/fix-2",
                    ..ABOUT
                },
                "another session",
            ),
        ];
        for (about, why) in others {
            let refused = forms.take(about, &state, at(1)).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn what_berth_did_not_seal_is_no_form() {
        let (forms, strangers) = (Place::new().forms(), Place::new().forms());
        let state = given(&forms);
        let mut cut = state.clone();
        cut.pop();
        for other in [
            given(&strangers),
            cut,
            format!("{state}A"),
            state.to_lowercase(),
            String::new(),
        ] {
            let refused = forms.take(ABOUT, &other, at(1)).unwrap_err().to_string();
            assert!(refused.contains("not one of berth's"), "{refused}");
        }
        let sealed = forms.seal.seal(br#"{"principal": "local"}"#).unwrap();
        assert!(forms.take(ABOUT, &sealed, at(1)).is_err(), "it lacks most of a form");
    }

    #[tokio::test]
    async fn it_is_spent_once_and_stays_spent() {
        let place = Place::new();
        let forms = place.forms();
        let (one, other) = (given(&forms), given(&forms));
        let take = |state: &str| forms.take(ABOUT, state, at(1)).unwrap();
        forms.spend(&take(&one), at(1)).await.unwrap();
        for forms in [&forms, &place.forms()] {
            let again = forms.spend(&take(&one), at(2)).await.unwrap_err().to_string();
            assert!(again.contains("counts once"), "{again}");
        }
        forms.spend(&take(&other), at(2)).await.unwrap();
    }
}
