//! A caller before what a session asks: what it may answer, and the form in which its person is asked instead.

use std::time::SystemTime;

use super::caller::Filled;
use super::forms::{About, Forms, Out, unanswered};
use super::prompts::{self, Response};
use super::shown::Shown;
use super::{Caller, Generation, Member, ToolError};
use crate::session::{Answer, Answered, Effect, Prompt, Session};

/// One caller before one session, by one tool.
pub(super) struct Asking<'a> {
    pub(super) generation: &'a Generation,
    pub(super) caller: &'a Caller,
    pub(super) member: &'a Member,
    /// The whole id of the session.
    pub(super) session_id: &'a str,
    tool: &'static str,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        generation: &'a Generation,
        caller: &'a Caller,
        member: &'a Member,
        session_id: &'a str,
        tool: &'static str,
    ) -> Self {
        Self {
            generation,
            caller,
            member,
            session_id,
            tool,
        }
    }

    /// The prompt that a call answers, and how.
    ///
    /// # Errors
    /// In words why it may not.
    pub(super) fn said<'p>(
        &self,
        session: &'p Session,
        prompt_id: Option<&str>,
        response: &Response,
    ) -> Result<(&'p Prompt, Answer), String> {
        if let (true, Some(prompt)) = (
            self.generation.rules.wants_person(self.caller),
            self.asked(session, prompt_id),
        ) {
            return Err(format!(
                "a person answers what sessions ask (`confirm` in [prompts]), and no form can be shown for this request; {}",
                self.elsewhere(prompt)
            ));
        }
        let last = self.generation.lasting.showing.shown.last(self.caller, self.session_id);
        let prompt = prompts::meant(&session.prompts, prompt_id, last.as_ref())?;
        Ok((prompt, self.read(prompt, response)?))
    }

    /// The same for what was filled in, if the prompt is still as the form shows it.
    pub(super) fn filled<'p>(
        &self,
        session: &'p Session,
        form: &Out,
        filled: &Filled,
    ) -> Result<(&'p Prompt, Answer), String> {
        let open = session.prompts.iter().find(|prompt| prompt.id == form.prompt);
        let as_shown = open.and_then(|prompt| {
            let shown = self.shown(prompt)?;
            (shown.digest() == form.shown).then_some((prompt, shown))
        });
        let (prompt, shown) =
            as_shown.ok_or("the question that the form shows is not open any more, or is another one now")?;
        let response = shown.response(filled).ok_or("that was not offered by the form")?;
        Ok((prompt, self.read(prompt, &response)?))
    }

    /// Checks that the caller may leave what is not understood, although it is not a prompt.
    pub(super) fn leaves(&self) -> Result<(), ToolError> {
        let rules = &self.generation.rules;
        match rules.wants_person(self.caller) || !rules.may(self.caller, Effect::Declines) {
            true => Err(ToolError::refused(format!(
                "only a person leaves what a session shows here ([prompts]): berth attach {}; nothing was typed",
                self.session_id
            ))),
            false => Ok(()),
        }
    }

    /// The form for the prompt that is named, or the first one, as what the call comes to: where the caller shows forms,
    /// and something can be answered in it. `after` says what else the person must know.
    pub(super) fn form(&self, session: &Session, prompt_id: Option<&str>, after: &str) -> Option<ToolError> {
        let forms = self.generation.lasting.forms.as_ref();
        let forms = forms.filter(|_| self.generation.rules.shows_form(self.caller))?;
        let prompt = self.asked(session, prompt_id)?;
        let shown = self.shown(prompt)?;
        let state = forms.give(self.about(), &prompt.id, shown.digest(), SystemTime::now());
        let showing = &self.generation.lasting.showing;
        Some(match state {
            Ok(state) => {
                let session = showing.session(self.member.name(), session.clone());
                ToolError::asked(shown.form(&session, after, state))
            }
            Err(error) => error,
        })
    }

    /// The form that came back with this state.
    ///
    /// # Errors
    /// It does not count here.
    pub(super) fn back(&self, state: &str) -> Result<Out, ToolError> {
        self.forms()?.take(self.about(), state, SystemTime::now())
    }

    /// Spends a form: see [`Forms::spend`].
    pub(super) async fn spend(&self, form: &Out) -> Result<(), ToolError> {
        self.forms()?.spend(form, SystemTime::now()).await
    }

    /// The prompt that a person is asked: the one that is named, or the first one of which no answer is kept.
    fn asked<'p>(&self, session: &'p Session, prompt_id: Option<&str>) -> Option<&'p Prompt> {
        let mut prompts = session.prompts.iter();
        let groups = &self.generation.lasting.showing.groups;
        let is_open = |prompt: &&Prompt| groups.given(self.caller, self.session_id, prompt).is_none();
        match prompt_id {
            Some(named) => prompts.find(|prompt| prompt.id == named),
            None => prompts.find(is_open).or(session.prompts.first()),
        }
    }

    /// What a response means to a prompt, if this caller may give it.
    fn read(&self, prompt: &Prompt, response: &Response) -> Result<Answer, String> {
        let answer = prompts::read(prompt, response, self.member.remote_trust)?;
        let allowed = self.generation.rules.answer(self.caller, prompt, &answer);
        allowed.map_err(|why| format!("{why}; {}", self.elsewhere(prompt)))?;
        Ok(answer)
    }

    /// Whether all of `answers` may be given now, of which some were kept before.
    ///
    /// # Errors
    /// In words why not.
    pub(super) fn may_give(&self, session: &Session, answers: &[Answered]) -> Result<(), String> {
        for Answered { prompt, answer } in answers {
            let asked = session.prompts.iter().find(|asked| asked.id == *prompt);
            let asked =
                asked.ok_or("one of the questions of the group is not open any more; answer the others again")?;
            prompts::allowed(asked, answer, self.member.remote_trust)
                .and_then(|()| self.generation.rules.answer(self.caller, asked, answer))
                .map_err(|why| {
                    format!("an answer that was kept may not be given any more: {why}; answer the group again")
                })?;
        }
        Ok(())
    }

    /// What a form shows of `prompt`; nothing if nothing may be answered in it.
    pub(super) fn shown(&self, prompt: &Prompt) -> Option<Shown> {
        let allows = |response: &Response| self.read(prompt, response).is_ok();
        Shown::of(prompt, allows, &self.elsewhere(prompt))
    }

    /// How the person answers without this caller.
    fn elsewhere(&self, prompt: &Prompt) -> String {
        let showing = &self.generation.lasting.showing;
        showing.by_person(self.session_id, &prompt.id)
    }

    fn about(&self) -> About<'_> {
        About {
            principal: self.caller.principal.id(),
            tool: self.tool,
            session: self.session_id,
        }
    }

    pub(super) fn forms(&self) -> Result<&Forms, ToolError> {
        let forms = self.generation.lasting.forms.as_ref();
        forms.ok_or_else(|| unanswered("no forms are given here"))
    }
}
