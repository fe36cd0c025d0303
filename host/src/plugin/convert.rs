//! From the contract's records to berth's own and back: the one place that knows both.

use std::time::Duration;

use super::checked::Page;
use crate::contract::types as given;
use crate::session as own;

/// How often a backend is polled if it does not say how often.
const POLL: Duration = Duration::from_millis(300);
/// The shortest and the longest time between two looks that a backend may ask for.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// Cases with the same names on both sides.
macro_rules! same_cases {
    ($name:ident: $($case:ident),+) => {
        impl From<given::$name> for own::$name {
            fn from(given: given::$name) -> Self {
                match given {
                    $(given::$name::$case => Self::$case,)+
                }
            }
        }
    };
}

/// Records with the same fields on both sides. `into` are fields whose types differ, and `all` are lists of such.
macro_rules! same_fields {
    ($name:ident: $($field:ident),* $(; into $($other:ident),*)? $(; all $($list:ident),*)?) => {
        impl From<given::$name> for own::$name {
            fn from(given: given::$name) -> Self {
                Self {
                    $($field: given.$field,)*
                    $($($other: given.$other.into(),)*)?
                    $($($list: given.$list.into_iter().map(Into::into).collect(),)*)?
                }
            }
        }
    };
}

same_cases!(Evidence: Hook, Agent, Runner, Transcript, Screen, Process);
same_cases!(PromptKind: Permission, Question, Plan, Trust, Other);
same_cases!(Effect: Accepts, Widens, Declines, Neutral);
same_cases!(Receipt: Confirmed, Queued, Unconfirmed);
same_cases!(Role: Person, Agent, Thought, Tool, System);
same_cases!(State:
    Queued, Starting, Busy, Idle, Waiting, Paused, Done, Failed, Ended, Cancelled, Interrupted, Unreachable, Unknown);

same_fields!(Attention: kind, reason, since, until);
same_fields!(QueuedMessage: id, text, at);
same_fields!(Choice: key, label, description, ticked; into effect);
same_fields!(Prompt:
    id, question, detail, multiple, accepts_text, text_schema, dismissible, cut, on_terminal_only, group, required,
    asked_at, expires_at, facts; into kind; all choices);
same_fields!(Delivery: after, facts; into receipt);
same_fields!(LogPage: text, next, more, gap);
same_fields!(Turn: id, at, text, tool, failed, message, facts; into role);
same_fields!(TurnPage: more, gap; all turns);
same_fields!(Project: name, directory, branch, agents, facts);
same_fields!(ChangedFile: path, added, removed, binary);
same_fields!(ChangePage: base, head, text, cut, next; all files);
same_fields!(OptionSpec: name, about, agent, values, initial);
same_fields!(OptionState: name, about, values, value);
same_fields!(ToolOutput: structured, failed, session, facts; all content);
same_fields!(Upkept: next, changed);

impl From<given::SessionPage> for Page<own::Session> {
    fn from(given: given::SessionPage) -> Self {
        Self {
            items: given.sessions.into_iter().map(Into::into).collect(),
            problems: problems(given.problems),
            next: given.next,
        }
    }
}

impl From<given::ProjectPage> for Page<own::Project> {
    fn from(given: given::ProjectPage) -> Self {
        Self {
            items: given.projects.into_iter().map(Into::into).collect(),
            problems: problems(given.problems),
            next: None,
        }
    }
}

impl From<Vec<given::OptionState>> for Page<own::OptionState> {
    fn from(given: Vec<given::OptionState>) -> Self {
        Self {
            items: given.into_iter().map(Into::into).collect(),
            problems: Vec::new(),
            next: None,
        }
    }
}

fn problems(given: Vec<(String, given::Error)>) -> Vec<(String, own::Error)> {
    given.into_iter().map(|(what, why)| (what, why.into())).collect()
}

impl From<given::Session> for own::Session {
    fn from(given: given::Session) -> Self {
        Self {
            id: given.id,
            name: given.name,
            agent: given.agent,
            directory: given.directory,
            project: given.project,
            parent: given.parent,
            state: given.state.into(),
            evidence: given.evidence.into(),
            since: given.since,
            summary: given.summary,
            task: given.task,
            last_output: given.last_output,
            prompts: given.prompts.into_iter().map(Into::into).collect(),
            attention: given.attention.map(Into::into),
            queue: given.queue.into_iter().map(Into::into).collect(),
            can: given.can.into(),
            url: given.url,
            created_at: given.created_at,
            active_at: given.active_at,
            facts: given.facts,
        }
    }
}

impl From<given::Verbs> for own::Verbs {
    fn from(given: given::Verbs) -> Self {
        use given::Verbs;
        Self {
            send: given.contains(Verbs::SEND),
            attach: given.contains(Verbs::ATTACH),
            cancel_message: given.contains(Verbs::CANCEL_MESSAGE),
            respond: given.contains(Verbs::RESPOND),
            interrupt: given.contains(Verbs::INTERRUPT),
            terminate: given.contains(Verbs::TERMINATE),
            set_option: given.contains(Verbs::SET_OPTION),
        }
    }
}

impl From<given::Creation> for own::Creation {
    fn from(given: given::Creation) -> Self {
        use given::Creation;
        Self {
            create: given.contains(Creation::CREATE),
            first_message: given.contains(Creation::FIRST_MESSAGE),
            resume: given.contains(Creation::RESUME),
            fork: given.contains(Creation::FORK),
            worktree: given.contains(Creation::WORKTREE),
        }
    }
}

impl From<given::Description> for own::Description {
    fn from(given: given::Description) -> Self {
        let asked = |ms: u32| Duration::from_millis(ms.into()).clamp(SHORTEST, LONGEST);
        Self {
            about: given.about,
            version: given.version,
            creation: given.creation.into(),
            options: given.options.into_iter().map(Into::into).collect(),
            views: given.views,
            tools: given.tools.into_iter().map(Into::into).collect(),
            poll: match given.poll_ms {
                None => Some(POLL),
                Some(0) => None,
                Some(ms) => Some(asked(ms)),
            },
            facts: given.facts,
        }
    }
}

impl From<given::Tool> for own::Tool {
    fn from(given: given::Tool) -> Self {
        Self {
            name: given.name,
            title: given.title,
            description: given.description,
            input_schema: given.input_schema,
            output_schema: given.output_schema,
            only_reads: given.access == given::Access::Read,
            destructive: given.destructive,
            idempotent: given.idempotent,
            open_world: given.open_world,
        }
    }
}

impl From<given::Content> for own::Content {
    fn from(given: given::Content) -> Self {
        match given {
            given::Content::Text(text) => Self::Text(text),
            given::Content::Media((media_type, bytes)) => Self::Media { media_type, bytes },
            given::Content::Link((url, title)) => Self::Link { url, title },
        }
    }
}

impl From<given::Error> for own::Error {
    fn from(given: given::Error) -> Self {
        use given::Error;
        match given {
            Error::NotFound(why) => Self::NotFound(why),
            Error::Unsupported => Self::Unsupported,
            Error::Invalid(why) => Self::Invalid(why),
            Error::Busy => Self::Busy,
            Error::Refused(why) => Self::Refused(why),
            Error::Denied(why) => Self::Denied(why),
            Error::Unavailable(why) => Self::Unavailable(why),
            Error::Unauthenticated(why) => Self::Unauthenticated(why),
            Error::Conflict(why) => Self::Conflict(why),
            Error::Limited((which, until)) => Self::Limited { which, until },
            Error::TimedOut(why) => Self::TimedOut(why),
            Error::Failed(why) => Self::Failed(why),
            Error::Other((kind, what)) => Self::Other { kind, what },
        }
    }
}

impl From<own::State> for given::State {
    fn from(own: own::State) -> Self {
        match own {
            own::State::Queued => Self::Queued,
            own::State::Starting => Self::Starting,
            own::State::Busy => Self::Busy,
            own::State::Idle => Self::Idle,
            own::State::Waiting => Self::Waiting,
            own::State::Paused => Self::Paused,
            own::State::Done => Self::Done,
            own::State::Failed => Self::Failed,
            own::State::Ended => Self::Ended,
            own::State::Cancelled => Self::Cancelled,
            own::State::Interrupted => Self::Interrupted,
            own::State::Unreachable => Self::Unreachable,
            own::State::Unknown => Self::Unknown,
        }
    }
}

impl From<&own::Message> for given::Message {
    fn from(own: &own::Message) -> Self {
        let attachment = |own: &own::Attachment| given::Attachment {
            name: own.name.clone(),
            media_type: own.media_type.clone(),
            bytes: own.bytes.clone(),
        };
        Self {
            id: own.id.clone(),
            text: own.text.clone(),
            attachments: own.attachments.iter().map(attachment).collect(),
        }
    }
}

impl From<&own::NewSession> for given::NewSession {
    fn from(own: &own::NewSession) -> Self {
        Self {
            id: own.id.clone(),
            name: own.name.clone(),
            project: own.project.clone(),
            directory: own.directory.clone(),
            agent: own.agent.clone(),
            message: own.message.as_ref().map(Into::into),
            resume: own.resume.clone(),
            fork: own.fork,
            worktree: own.worktree,
            options: own.options.clone(),
        }
    }
}

impl From<&own::Answered> for given::Answered {
    fn from(own: &own::Answered) -> Self {
        Self {
            prompt: own.prompt.clone(),
            answer: match &own.answer {
                own::Answer::Dismiss => given::Answer::Dismiss,
                own::Answer::Reply(reply) => given::Answer::Reply(given::Reply {
                    choices: reply.choices.clone(),
                    text: reply.text.clone(),
                }),
            },
        }
    }
}

impl From<&own::LogQuery> for given::LogQuery {
    fn from(own: &own::LogQuery) -> Self {
        Self {
            view: own.view.clone(),
            lines: own.lines,
            after: own.after.clone(),
        }
    }
}

impl From<&own::TurnQuery> for given::TurnQuery {
    fn from(own: &own::TurnQuery) -> Self {
        Self {
            limit: own.limit,
            after: own.after.clone(),
            before: own.before.clone(),
        }
    }
}

impl From<&own::ToolCall> for given::ToolCall {
    fn from(own: &own::ToolCall) -> Self {
        Self {
            id: own.id.clone(),
            name: own.name.clone(),
            arguments: own.arguments.clone(),
        }
    }
}

impl From<&own::Event> for given::Event {
    fn from(own: &own::Event) -> Self {
        Self {
            id: own.id.clone(),
            kind: own.kind.clone(),
            about: own.about.clone(),
            at: own.at,
            body: own.body.clone(),
            reply_by: None,
        }
    }
}
