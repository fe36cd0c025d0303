//! How often parts of a schema can be held against one value. By references a small schema can ask for more steps than
//! there is time for, since each may lead to several others, in place or one step deeper in the value.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::DEPTH;

/// Steps at one value.
const STEPS: u64 = 1_000;
/// Parts that lead to each other, which is how deep this reads.
const LEVELS: usize = 500;
/// Patterns of one schema.
const PATTERNS: usize = 64;

/// Whether `schema` stays within bounds. The error is the end of a sentence about it.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let mut walk = Walk {
        root: schema,
        known: HashMap::new(),
        open: HashSet::new(),
        patterns: HashSet::new(),
        level: 0,
    };
    match walk.total(schema, DEPTH)? {
        steps if steps > STEPS => Err(format!("needs more than {STEPS} steps at one value")),
        _ if walk.patterns.len() > PATTERNS => Err(format!("has more than {PATTERNS} patterns")),
        _ => Ok(()),
    }
}

/// The most steps of one part of a schema: at the value itself, and at one value in it where it is an object, or a list.
#[derive(Clone, Copy, Default)]
struct Cost {
    here: u64,
    in_object: u64,
    in_list: u64,
}

impl Cost {
    fn and(self, other: Self) -> Self {
        Self {
            here: self.here.saturating_add(other.here),
            in_object: self.in_object.saturating_add(other.in_object),
            in_list: self.in_list.saturating_add(other.in_list),
        }
    }

    /// A value is an object or a list, never both.
    fn total(self) -> u64 {
        self.here.saturating_add(self.in_object.max(self.in_list))
    }
}

/// A part of the schema, by where it stands in memory, and how deep the value may still be.
type Node = (*const Value, usize);

struct Walk<'a> {
    root: &'a Value,
    known: HashMap<Node, Cost>,
    /// Those that are being looked at.
    open: HashSet<Node>,
    patterns: HashSet<&'a str>,
    level: usize,
}

impl<'a> Walk<'a> {
    fn total(&mut self, schema: &'a Value, depth: usize) -> Result<u64, String> {
        Ok(self.cost(schema, depth)?.total())
    }

    fn cost(&mut self, schema: &'a Value, depth: usize) -> Result<Cost, String> {
        let Value::Object(keywords) = schema else {
            return Ok(Cost {
                here: 1,
                ..Cost::default()
            });
        };
        let place: Node = (std::ptr::from_ref(schema), depth);
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        if !self.open.insert(place) {
            return Err("refers to itself in a circle".into());
        }
        self.level += 1;
        if self.level > LEVELS {
            return Err("has parts that are nested too deep".into());
        }
        let cost = self.cost_of(schema, keywords, depth)?;
        self.level -= 1;
        self.open.remove(&place);
        self.known.insert(place, cost);
        Ok(cost)
    }

    fn cost_of(&mut self, schema: &'a Value, keywords: &'a Map<String, Value>, depth: usize) -> Result<Cost, String> {
        self.refers_within(schema, keywords)?;
        self.patterns.extend(keywords.get("pattern").and_then(Value::as_str));
        let mut cost = Cost {
            here: 1,
            ..Cost::default()
        };
        for part in in_place(keywords) {
            cost = cost.and(self.cost(part, depth)?);
        }
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            let target = self.target(reference)?;
            cost = cost.and(self.cost(target, depth)?);
        }
        let deeper = depth.saturating_sub(1);
        let (in_object, in_list) = match depth {
            0 => (0, 0),
            _ => (self.in_object(keywords, deeper)?, self.in_list(keywords, deeper)?),
        };
        cost.in_object = cost.in_object.saturating_add(in_object);
        cost.in_list = cost.in_list.saturating_add(in_list);
        // To know what nothing else has looked at, all of it is looked at once more.
        let twice = ["unevaluatedProperties", "unevaluatedItems"];
        Ok(match twice.iter().any(|keyword| keywords.contains_key(*keyword)) {
            true => cost.and(cost),
            false => cost,
        })
    }

    /// Steps at one value of a field, of which only one keyword of a kind counts: it has one name.
    fn in_object(&mut self, keywords: &'a Map<String, Value>, depth: usize) -> Result<u64, String> {
        let mut one = 0;
        for part in map(keywords, "properties").chain(keywords.get("additionalProperties")) {
            one = one.max(self.total(part, depth)?);
        }
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        self.patterns
            .extend(patterns.into_iter().flat_map(Map::keys).map(String::as_str));
        let further = ["unevaluatedProperties", "propertyNames"];
        let further = further.iter().filter_map(|keyword| keywords.get(*keyword));
        for part in map(keywords, "patternProperties").chain(further) {
            one = self.total(part, depth)?.saturating_add(one);
        }
        Ok(one)
    }

    /// Steps at one item, of which only one keyword of a kind counts: it has one place.
    fn in_list(&mut self, keywords: &'a Map<String, Value>, depth: usize) -> Result<u64, String> {
        let mut one = 0;
        for part in list(keywords, "prefixItems").chain(keywords.get("items")) {
            one = one.max(self.total(part, depth)?);
        }
        for keyword in ["contains", "unevaluatedItems"] {
            if let Some(part) = keywords.get(keyword) {
                one = self.total(part, depth)?.saturating_add(one);
            }
        }
        Ok(one)
    }

    /// Whether its references can be followed here: each leads to a part of this document by its path.
    fn refers_within(&self, schema: &Value, keywords: &Map<String, Value>) -> Result<(), String> {
        for keyword in ["$dynamicRef", "$recursiveRef"] {
            if keywords.contains_key(keyword) {
                return Err(format!(
                    "refers by `{keyword}`, which is not supported; use `$ref` with a path such as #/$defs/name"
                ));
            }
        }
        match keywords.contains_key("$id") && !std::ptr::eq(schema, self.root) {
            true => Err("has a document of its own in it (`$id`), so what it refers to is not clear".into()),
            false => Ok(()),
        }
    }

    fn target(&self, reference: &str) -> Result<&'a Value, String> {
        let found = match reference.strip_prefix('#') {
            Some("") => Some(self.root),
            Some(path) if path.starts_with('/') && !path.contains('%') => self.root.pointer(path),
            _ => None,
        };
        let named = crate::text::short_line(reference, 100);
        found.ok_or_else(|| format!("refers to `{named}`, which is not a part of it by a path such as #/$defs/name"))
    }
}

/// The parts that are held against the same value as the whole.
fn in_place(keywords: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let single = ["not", "if", "then", "else"];
    let single = single.into_iter().filter_map(|keyword| keywords.get(keyword));
    let lists = ["allOf", "anyOf", "oneOf"].into_iter();
    let lists = lists.flat_map(|keyword| list(keywords, keyword));
    single.chain(lists).chain(map(keywords, "dependentSchemas"))
}

fn list<'a>(keywords: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    keywords.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

fn map<'a>(keywords: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let parts = keywords.get(keyword).and_then(Value::as_object);
    parts.into_iter().flat_map(Map::values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_tools_of_the_field_ask_for_is_within_bounds() {
        for schema in [
            json!({}),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}}}),
            // A tree, and any JSON there is.
            json!({"$ref": "#/$defs/node", "$defs": {"node": {
                "properties": {"children": {"items": {"$ref": "#/$defs/node"}}, "name": {}},
            }}}),
            json!({"$defs": {"any": {"anyOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {"items": {"$ref": "#/$defs/any"}},
                {"additionalProperties": {"$ref": "#/$defs/any"}},
            ]}}, "properties": {"data": {"$ref": "#/$defs/any"}}}),
            json!({"oneOf": (0..100).map(|number| json!({"properties": {"kind": {"const": number}}})).collect::<Vec<_>>()}),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn a_small_schema_that_asks_for_endless_work_is_refused() {
        let chain = |keyword: &str, twice: &dyn Fn(Value) -> Value| {
            let mut parts = Map::new();
            for number in 0..40 {
                let next = json!({"$ref": format!("#/$defs/p{}", number + 1)});
                parts.insert(format!("p{number}"), json!({keyword: twice(next)}));
            }
            parts.insert("p40".into(), json!({}));
            json!({"$ref": "#/$defs/p0", "$defs": parts})
        };
        let both = |next: Value| json!([next.clone(), next]);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            assert!(
                check(&chain(keyword, &both)).unwrap_err().contains("steps"),
                "{keyword}"
            );
        }
        for (keyword, inner) in [
            ("items", json!({"$ref": "#"})),
            ("additionalProperties", json!({"$ref": "#"})),
            ("contains", json!({"$ref": "#"})),
        ] {
            let doubling = json!({"allOf": [{keyword: inner}, {keyword: inner}]});
            assert!(check(&doubling).unwrap_err().contains("steps"), "{keyword}");
        }
        let patterns = json!({"patternProperties": {"^a": {"$ref": "#"}, "b$": {"$ref": "#"}}});
        assert!(check(&patterns).unwrap_err().contains("steps"));
        let nested = (0..40).fold(
            json!({}),
            |inner, _| json!({"unevaluatedProperties": false, "allOf": [inner]}),
        );
        assert!(check(&nested).unwrap_err().contains("steps"));
    }

    #[test]
    fn a_circle_a_long_way_and_a_crowd_of_patterns_are_refused() {
        for circle in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "not": {"$ref": "#/$defs/a"}}),
        ] {
            assert!(check(&circle).unwrap_err().contains("circle"), "{circle}");
        }
        let long: Map<String, Value> = (0..600)
            .map(|number| {
                (
                    format!("p{number}"),
                    json!({"$ref": format!("#/$defs/p{}", number + 1)}),
                )
            })
            .collect();
        assert!(check(&json!({"$ref": "#/$defs/p0", "$defs": long})).is_err());
        let patterns: Map<String, Value> = (0..100)
            .map(|number| (format!("f{number}"), json!({"pattern": format!("^{number}$")})))
            .collect();
        assert!(
            check(&json!({"properties": patterns}))
                .unwrap_err()
                .contains("patterns")
        );
    }
}
