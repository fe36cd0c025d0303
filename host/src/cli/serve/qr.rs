//! A QR code on a terminal, for the camera of a phone.

use anstyle::{AnsiColor, Color, Style};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// Black on white whatever the terminal's own colours are: not every camera can read the inverse.
const PAPER: Style = Style::new()
    .fg_color(Some(Color::Ansi(AnsiColor::Black)))
    .bg_color(Some(Color::Ansi(AnsiColor::BrightWhite)));

/// Lines that show `text`; none if it is too long for a code.
pub(super) fn code(text: &str) -> Option<String> {
    let drawn = QrCode::new(text).ok()?.render::<Dense1x2>().build();
    let lines: Vec<String> = drawn.lines().map(|line| format!("{PAPER}{line}{PAPER:#}")).collect();
    Some(lines.join("\n"))
}
