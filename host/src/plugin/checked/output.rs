//! What an own tool answered.

use std::sync::Arc;

use serde_json::Value;

use super::{ADDRESS, LIST, check_id, named, structured};
use crate::session::{Content, ToolOutput};
use crate::text::{ending, short_line};

/// Bytes of pictures and the like in one answer.
const MEDIA: usize = 2 << 20;
/// Characters of a media type, a title or an address in the text.
const NAME: usize = 127;

/// What was promised of a tool's data: a line that says where they do not fit, or nothing if they fit.
pub type Promise = Arc<dyn Fn(&Value) -> Option<String> + Send + Sync>;

/// What an own tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The end of all its words.
    pub text: String,
    /// What clients can show beside them.
    pub further: Vec<Content>,
    /// Its data, a JSON object, or a description of what it answered instead.
    pub structured: Result<Option<Value>, String>,
    /// It says itself that it failed.
    pub failed: bool,
    /// It ran a program that may act, or changed its store.
    pub acted: bool,
    /// The session that continues its work.
    pub session: Option<String>,
}

/// What an own tool answered. Its data must be what it promised, if it promised anything. If something else is wrong
/// with the answer, its words are kept.
pub(in crate::plugin) fn output(given: ToolOutput, promise: Option<&Promise>) -> Output {
    let fault = fault(&given);
    let mut content = given.content;
    if fault.is_some() {
        content.truncate(LIST);
        content.retain(|part| matches!(part, Content::Text(_)));
    }
    let (text, further) = apart(content);
    let data = match fault {
        Some(fault) => Err(fault),
        None => structured::parse(given.structured.as_deref()),
    };
    Output {
        text: ending(text),
        further,
        structured: data.and_then(|data| kept(data, promise, given.failed)),
        failed: given.failed,
        acted: false,
        session: given.session.filter(|id| check_id("session", id).is_ok()),
    }
}

/// What is wrong with an answer apart from its data.
fn fault(given: &ToolOutput) -> Option<String> {
    let parts = given.content.len();
    let media = |content: &Content| match content {
        Content::Media { bytes, .. } => bytes.len(),
        Content::Text(_) | Content::Link { .. } => 0,
    };
    let media: usize = given.content.iter().map(media).sum();
    let session = given.session.as_deref().filter(|id| check_id("session", id).is_err());
    if parts > LIST {
        Some(format!("{parts} parts, and {LIST} are taken"))
    } else if media > MEDIA {
        Some(format!(
            "{media} bytes of pictures and other files, and {MEDIA} are taken: ask for less at once"
        ))
    } else {
        session.map(|id| format!("the session `{}`, whose id cannot be one", named(id)))
    }
}

/// `data`, which must be what was promised. A call that failed reports it in words.
fn kept(data: Option<Value>, promise: Option<&Promise>, failed: bool) -> Result<Option<Value>, String> {
    let fault = match (&data, promise) {
        (Some(data), Some(promise)) => {
            promise(data).map(|fault| format!("data that does not fit its own schema: {fault}"))
        }
        (None, Some(_)) if !failed => Some("no data, although its own schema promises some".to_owned()),
        _ => None,
    };
    fault.map_or(Ok(data), Err)
}

/// The words of an answer as one text, and apart from them what clients can show. What they cannot show is named in the
/// text.
fn apart(content: Vec<Content>) -> (String, Vec<Content>) {
    let (mut words, mut further) = (Vec::new(), Vec::new());
    for part in content {
        match part {
            Content::Text(text) => words.push(text),
            Content::Media { ref media_type, .. } if is_media_type(media_type) => further.push(part),
            Content::Media { media_type, bytes } => {
                words.push(format!("[{} bytes of {}]", bytes.len(), short_line(&media_type, NAME)));
            }
            Content::Link { url, title } => {
                let title = short_line(&title, NAME);
                match is_address(&url) {
                    true => further.push(Content::Link { url, title }),
                    false => words.push(format!("[{title}: {}]", short_line(&url, NAME))),
                }
            }
        }
    }
    (words.join("\n"), further)
}

fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=NAME).contains(&part.len()) && part.bytes().all(plain)
    };
    text.split_once('/')
        .is_some_and(|(kind, name)| is_token(kind) && is_token(name))
}

/// Whether a person may be sent there.
fn is_address(text: &str) -> bool {
    let parsed: Result<http::Uri, _> = text.parse();
    text.len() <= ADDRESS
        && parsed.is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("https" | "http")))
}
