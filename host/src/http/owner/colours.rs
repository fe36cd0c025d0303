//! Every text of the pages can be read: the contrast of its colours, light and dark (WCAG 2.2, 1.4.3 and 1.4.11).

use std::collections::HashMap;

use super::pages::STYLE;

/// What is written on what.
const TEXTS: [(&str, &str); 13] = [
    ("ink", "sheet"),
    ("ink", "tint"),
    ("ink", "well"),
    ("ink", "ground"),
    ("soft", "sheet"),
    ("soft", "tint"),
    ("soft", "well"),
    ("soft", "ground"),
    ("accent", "sheet"),
    ("accent", "tint"),
    ("on-accent", "accent"),
    ("alarm", "sheet"),
    ("alarm", "tint"),
];
/// Edges that show where to press or to type.
const EDGES: [(&str, &str); 3] = [("field", "sheet"), ("accent", "sheet"), ("alarm", "sheet")];

/// The colours of one scheme, by their names.
fn colours(scheme: &str) -> HashMap<&str, [f64; 3]> {
    let lines = scheme.lines().filter_map(|line| line.trim().strip_prefix("--"));
    lines
        .filter_map(|line| {
            let (name, value) = line.strip_suffix(';')?.split_once(": #")?;
            let part = |at: usize| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
            Some((name, [part(0)?, part(2)?, part(4)?].map(|part| f64::from(part) / 255.0)))
        })
        .collect()
}

/// The relative luminance of a colour.
fn luminance(colour: [f64; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| match part <= 0.040_45 {
        true => part / 12.92,
        false => ((part + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn texts_and_edges_stand_out_from_what_is_below_them() {
    let (light, dark) = STYLE.split_once("@media").expect("there are two schemes");
    for (scheme, text) in [("light", light), ("dark", dark)] {
        let colours = colours(text);
        for (pairs, least) in [(&TEXTS[..], 4.5), (&EDGES, 3.0)] {
            for (over, under) in pairs {
                let found = contrast(colours[over], colours[under]);
                assert!(found >= least, "{scheme}: {over} on {under} is {found:.2}");
            }
        }
    }
}

#[test]
fn every_colour_of_the_pages_is_one_of_those_that_are_named() {
    let used = STYLE.split("var(--").skip(1).filter_map(|rest| rest.split(')').next());
    let (light, dark) = STYLE.split_once("@media").expect("there are two schemes");
    for name in used {
        assert!(
            colours(light).contains_key(name) && colours(dark).contains_key(name),
            "{name}"
        );
    }
    let plain = STYLE
        .lines()
        .filter(|line| line.contains('#') && !line.trim_start().starts_with("--"));
    assert_eq!(plain.count(), 0, "a colour without a name");
}
