//! Values in another form than the schema's that still mean exactly one thing: models and simple clients write `50.0`,
//! `"50"` or `null`. What could mean two things is refused.

use std::collections::BTreeMap;

use serde::de::value::StringDeserializer;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::session::State;

/// States that a caller asks for. `running` is what many tools call a session that works or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct States(pub(crate) Vec<State>);

/// `given` without what is null: the same as left out.
pub(super) fn without_null(mut given: Map<String, Value>) -> Map<String, Value> {
    given.retain(|_, value| !value.is_null());
    given
}

/// A number of something.
pub(super) fn count<'de, D: Deserializer<'de>>(given: D) -> Result<u32, D::Error> {
    let given = Value::deserialize(given)?;
    let whole = match &given {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        _ => None,
    };
    let count = whole.map(|number: u64| u32::try_from(number).unwrap_or(u32::MAX));
    count.ok_or_else(|| wrong(&given, "a whole number that is not negative, such as 50"))
}

/// The same where it may be left out.
pub(super) fn some_count<'de, D: Deserializer<'de>>(given: D) -> Result<Option<u32>, D::Error> {
    count(given).map(Some)
}

/// Yes or no.
pub(super) fn flag<'de, D: Deserializer<'de>>(given: D) -> Result<bool, D::Error> {
    let given = Value::deserialize(given)?;
    match &given {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong(&given, "true or false")),
    }
}

/// The same where it may be left out.
pub(super) fn some_flag<'de, D: Deserializer<'de>>(given: D) -> Result<Option<bool>, D::Error> {
    flag(given).map(Some)
}

/// A list of words; one alone is a list of one, and a number is its digits.
pub(super) fn some_words<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Vec<String>>, D::Error> {
    let given = match Value::deserialize(given)? {
        Value::Array(items) => items,
        one => vec![one],
    };
    given.into_iter().map(word).collect::<Result<_, _>>().map(Some)
}

/// Names with their values, where a number or a flag is the word for it.
pub(super) fn values<'de, D: Deserializer<'de>>(given: D) -> Result<BTreeMap<String, String>, D::Error> {
    let given = BTreeMap::<String, Value>::deserialize(given)?;
    let value = |(name, value)| Ok((name, word(value)?));
    given.into_iter().map(value).collect()
}

/// The same where they may be left out.
pub(super) fn some_values<'de, D: Deserializer<'de>>(given: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    values(given).map(Some)
}

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        let written = String::deserialize(given)?;
        let name = written.trim().to_lowercase();
        if name == "running" {
            return Ok(Self(vec![State::Starting, State::Busy]));
        }
        let known = State::deserialize(StringDeserializer::<D::Error>::new(name))?;
        Ok(Self(vec![known]))
    }
}

fn word<E: Error>(given: Value) -> Result<String, E> {
    match given {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(given.to_string()),
        other => Err(wrong(&other, "a string")),
    }
}

/// A number with a point, if nothing stands behind that.
fn whole(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    // It was compared with the bounds of what it becomes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    is_whole.then_some(number as u64)
}

fn wrong<E: Error>(given: &Value, expected: &str) -> E {
    let unexpected = match given {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(number) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    match given {
        Value::String(_) | Value::Number(_) => E::invalid_value(unexpected, &expected),
        _ => E::invalid_type(unexpected, &expected),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::super::*;
    use super::*;

    fn read_as<T: for<'de> Deserialize<'de> + JsonSchema>(given: Value) -> Result<T, String> {
        let Value::Object(given) = given else {
            panic!("arguments are an object")
        };
        read::<T>("tool", given).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_number_is_taken_in_each_form_that_means_it() {
        for lines in [json!(50), json!(50.0), json!("50"), json!(" 50 "), json!(null)] {
            let read: GetLogs = read_as(json!({"session_id": "a/b", "lines": lines})).unwrap();
            assert_eq!(read.lines, 50);
        }
        for lines in [
            json!(50.5),
            json!(-1),
            json!("-1"),
            json!("fifty"),
            json!(""),
            json!(true),
            json!([50]),
            json!({}),
        ] {
            let why = read_as::<GetLogs>(json!({"session_id": "a/b", "lines": lines})).unwrap_err();
            assert!(why.contains("a whole number that is not negative"), "{why}");
        }
        let huge: GetSessionStatus = read_as(json!({"session_id": "a/b", "wait_seconds": 1e9})).unwrap();
        assert_eq!(huge.wait_seconds, Some(1_000_000_000));
    }

    #[test]
    fn null_is_the_same_as_left_out() {
        let read: CreateSession =
            read_as(json!({"name": null, "fork": null, "options": null, "attachments": null, "wait_seconds": null}))
                .unwrap();
        assert!(read.name.is_none() && read.fork.is_none() && read.options.is_none() && read.wait_seconds.is_none());
        let why = read_as::<SendMessage>(json!({"session_id": "a/b", "message": null})).unwrap_err();
        assert!(why.contains("missing field `message`"), "{why}");
    }

    #[test]
    fn a_flag_may_be_written_as_a_word() {
        for (written, flag) in [(json!(true), true), (json!("true"), true), (json!("False"), false)] {
            let read: GetLogs = read_as(json!({"session_id": "a/b", "mobile_format": written})).unwrap();
            assert_eq!(read.mobile_format, flag);
        }
        for written in [json!("yes"), json!(1), json!([])] {
            let why = read_as::<GetLogs>(json!({"session_id": "a/b", "mobile_format": written})).unwrap_err();
            assert!(why.contains("true or false"), "{why}");
        }
    }

    #[test]
    fn one_choice_is_a_list_of_one_and_values_of_options_are_words() {
        for choices in [json!(["1"]), json!("1"), json!(1), json!([1])] {
            let read: RespondToPrompt = read_as(json!({"session_id": "a/b", "choices": choices})).unwrap();
            assert_eq!(read.choices.unwrap(), ["1"]);
        }
        let read: SetSession = read_as(json!({"session_id": "a/b", "options": {"fast": true, "effort": 3}})).unwrap();
        let options: Vec<(&str, &str)> = read.options.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(options, [("effort", "3"), ("fast", "true")]);
        let why = read_as::<SetSession>(json!({"session_id": "a/b", "options": {"model": ["opus"]}})).unwrap_err();
        assert!(why.contains("a string"), "{why}");
    }

    #[test]
    fn a_state_is_taken_in_any_case_and_running_is_two_of_them() {
        let states =
            |written: &str| read_as::<ListSessions>(json!({"state": written})).map(|read| read.state.unwrap().0);
        assert_eq!(states("running").unwrap(), [State::Starting, State::Busy]);
        assert_eq!(states("Waiting").unwrap(), [State::Waiting]);
        let why = states("asleep").unwrap_err();
        assert!(why.contains("`queued`") && why.contains("`unknown`"), "{why}");
    }
}
