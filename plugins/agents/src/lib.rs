//! What is known of each coding agent: its screens, how text reaches it, how its questions are answered.
//!
//! All of it is data, one JSON file for each agent in `data/`. An operator may override single keys
//! (`[agents.NAME] signs`). The code here is pure: it judges a captured [`Screen`] and plans keys, and starts nothing.

mod answer;
mod attention;
mod block;
mod command;
mod composer;
mod conversation;
mod dialog;
mod enclosed;
pub mod headless;
pub mod live;
mod menu;
mod observe;
mod pattern;
mod profile;
mod prompt;
mod screen;
mod shorter;
mod submission;
mod transcript;

pub use answer::{Answer, Plan, Written};
pub use attention::Attention;
pub use command::Listing;
pub use composer::{Composer, Shows};
pub use conversation::{Conversation, Conversations, Process};
pub use dialog::{Effect, Kind};
pub use observe::{Observation, State};
pub use profile::{Agent, ProfileError, known};
pub use prompt::{Choice, Field, Keyed, Prompt};
pub use screen::{Line, Screen};
pub use submission::Submission;
pub use transcript::{Said, Who, turns};

/// Why something cannot be done for an agent, as a sentence for the caller that says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);
