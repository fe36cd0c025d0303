//! How types and their parts are named in a fault.

use wasmtime::component::types::Type as Found;
use wit_parser::{Resolve, Type, TypeDefKind};

/// Characters of a name that the component chose.
const NAME: usize = 40;
/// Characters of a list of names.
const LIST: usize = 56;

/// A name that the component chose, cut where it is long.
pub(super) fn short(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Names in the form for a sentence; of many, the first ones and the number of the others.
pub(super) fn list(names: &[&str]) -> String {
    let mut text = String::new();
    for (told, name) in names.iter().enumerate() {
        let name = format!("`{}`", short(name));
        if told > 0 && text.chars().count() + name.chars().count() > LIST {
            return format!("{text} and {} more", names.len() - told);
        }
        if told > 0 {
            text.push_str(", ");
        }
        text.push_str(&name);
    }
    text
}

/// `part`, in the plural for several `names`.
pub(super) fn plural(part: &str, names: &[&str]) -> String {
    match names.len() {
        1 => part.to_owned(),
        _ => format!("{part}s"),
    }
}

/// `noun` with its article.
pub(super) fn a(noun: &str) -> String {
    let is_number = |rest: &str| rest.parse::<u8>().is_ok();
    match noun {
        "flags" => noun.to_owned(),
        // Letters are spoken by their names: an s8, an f64.
        noun if noun.strip_prefix(['s', 'f']).is_some_and(is_number) => format!("an {noun}"),
        noun if noun.starts_with(['e', 'o']) => format!("an {noun}"),
        noun => format!("a {noun}"),
    }
}

/// What kind of type the component has, in the words of WIT.
pub(super) fn kind_of(found: &Found) -> &'static str {
    match found {
        Found::Bool => "bool",
        Found::S8 => "s8",
        Found::U8 => "u8",
        Found::S16 => "s16",
        Found::U16 => "u16",
        Found::S32 => "s32",
        Found::U32 => "u32",
        Found::S64 => "s64",
        Found::U64 => "u64",
        Found::Float32 => "f32",
        Found::Float64 => "f64",
        Found::Char => "char",
        Found::String => "string",
        Found::List(_) => "list",
        Found::Record(_) => "record",
        Found::Tuple(_) => "tuple",
        Found::Variant(_) => "variant",
        Found::Enum(_) => "enum",
        Found::Option(_) => "option",
        Found::Result(_) => "result",
        Found::Flags(_) => "flags",
        _ => "type of another kind",
    }
}

/// What kind of type the contract has, after all names for it are resolved.
pub(super) fn kind_of_wit(contract: &Resolve, wanted: &Type) -> &'static str {
    match wanted {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error context",
        Type::Id(id) => match &contract.types[*id].kind {
            TypeDefKind::Type(inner) => kind_of_wit(contract, inner),
            kind => kind.as_str(),
        },
    }
}
