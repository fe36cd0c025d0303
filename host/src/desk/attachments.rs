//! What goes with a message: read from arguments, and bounded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ToolError;
use crate::catalog::arguments;
use crate::session::Attachment;
use crate::text::{NAMED, escaped};

/// Attachments of one message, and bytes of them in all.
const ATTACHMENTS: usize = 8;
const BYTES: usize = 512 << 10;
/// Bytes of a file name and of a media type.
const NAME: usize = 255;

/// The attachments that a caller gave.
///
/// # Errors
/// One of them cannot be one, or they are too many or too large. Says which, and what would be right.
pub(super) fn read(given: Option<Vec<arguments::Attachment>>) -> Result<Vec<Attachment>, ToolError> {
    let given = given.unwrap_or_default();
    if given.len() > ATTACHMENTS {
        return Err(ToolError::refused(format!(
            "a message may have at most {ATTACHMENTS} attachments, this has {}",
            given.len()
        )));
    }
    let attachments: Vec<Attachment> = given.into_iter().map(read_one).collect::<Result<_, _>>()?;
    let bytes: usize = attachments.iter().map(|attachment| attachment.bytes.len()).sum();
    match bytes > BYTES {
        true => Err(ToolError::refused(format!(
            "the attachments of a message may have at most {BYTES} bytes in all, these have {bytes}; put them in files \
             and name those"
        ))),
        false => Ok(attachments),
    }
}

fn read_one(given: arguments::Attachment) -> Result<Attachment, ToolError> {
    let named = escaped(&given.name, NAMED);
    let is_file_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\\']) && plain(name);
    if !is_file_name(&given.name) {
        return Err(ToolError::refused(format!(
            "`{named}` cannot be the name of an attachment: give a file name without a folder"
        )));
    }
    if !given.media_type.contains('/') || !plain(&given.media_type) {
        return Err(ToolError::refused(format!(
            "attachment `{named}`: media_type must be one such as image/png"
        )));
    }
    let bytes = match (given.text, given.data) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(data)) => STANDARD
            .decode(data)
            .map_err(|error| ToolError::refused(format!("attachment `{named}`: data is not base64: {error}")))?,
        _ => {
            return Err(ToolError::refused(format!(
                "attachment `{named}`: give either `text` or `data`"
            )));
        }
    };
    Ok(Attachment {
        name: given.name,
        media_type: given.media_type,
        bytes,
    })
}

fn plain(text: &str) -> bool {
    text.len() <= NAME && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn given(name: &str, media_type: &str, text: Option<&str>, data: Option<&str>) -> arguments::Attachment {
        arguments::Attachment {
            name: name.into(),
            media_type: media_type.into(),
            text: text.map(Into::into),
            data: data.map(Into::into),
        }
    }

    fn fault(given: Vec<arguments::Attachment>) -> String {
        read(Some(given)).unwrap_err().to_string()
    }

    #[test]
    fn text_and_base64_become_bytes() {
        let read = read(Some(vec![
            given("a.txt", "text/plain", Some("ü"), None),
            given("b.bin", "application/octet-stream", None, Some("AP8=")),
        ]));
        let bytes: Vec<Vec<u8>> = read.unwrap().into_iter().map(|one| one.bytes).collect();
        assert_eq!(bytes, ["ü".as_bytes().to_vec(), vec![0, 255]]);
        assert!(super::read(None).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_an_attachment_is_refused_with_what_would_be_right() {
        for name in ["", "..", "../a", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            assert!(
                fault(vec![given(name, "text/plain", Some(""), None)]).contains("file name"),
                "{name:?}"
            );
        }
        assert!(fault(vec![given("a", "png", Some(""), None)]).contains("media_type"));
        assert!(fault(vec![given("a", "text/plain", None, None)]).contains("either"));
        assert!(fault(vec![given("a", "text/plain", Some(""), Some(""))]).contains("either"));
        assert!(fault(vec![given("a", "text/plain", None, Some("%"))]).contains("base64"));
    }

    #[test]
    fn too_many_and_too_large_ones_are_refused() {
        let one = |size: usize| given("a", "text/plain", Some(&"x".repeat(size)), None);
        assert!(fault(vec![one(1); 9]).contains("at most 8"));
        assert!(read(Some(vec![one(64 << 10); 8])).is_ok());
        assert!(fault(vec![one((64 << 10) + 1); 8]).contains("bytes in all"));
    }
}
