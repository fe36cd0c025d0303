//! Two types beside each other: the contract's, which has names, and the component's.

use wasmtime::component::types::{ComponentFunc, Type as Found};
use wit_parser::{Function, Resolve, Type, TypeDef, TypeDefKind, TypeOwner};

use super::words::{a, kind_of, kind_of_wit, list, plural, short};

/// Faults of one component that are reported: it may be a hostile file.
const FAULTS: usize = 12;

/// What was found so far on the way through a component.
pub(super) struct Walk<'a> {
    contract: &'a Resolve,
    version: &'a str,
    pub(super) faults: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(contract: &'a Resolve, version: &'a str) -> Self {
        Self {
            contract,
            version,
            faults: Vec::new(),
        }
    }

    /// Keeps a fault, unless it is known: a type is visited wherever it is used.
    pub(super) fn fault(&mut self, fault: String) {
        if self.faults.contains(&fault) {
            return;
        }
        match self.faults.len() {
            told if told < FAULTS => self.faults.push(fault),
            FAULTS => self.faults.push("and there is more".into()),
            _ => {}
        }
    }

    /// The component asks for `what`, which the contract does not have.
    pub(super) fn lacking(&mut self, what: &str) {
        self.fault(format!(
            "it asks for `{}`, which contract {} does not have: a newer berth is needed",
            short(what),
            self.version
        ));
    }

    /// `whole` does not have its parts `names`, each a `part`.
    pub(super) fn missing(&mut self, whole: &str, part: &str, names: &[&str]) {
        self.fault(format!(
            "{whole} lacks the {} {} of contract {}",
            plural(part, names),
            list(names),
            self.version
        ));
    }

    /// Compares the function of `interface` that the contract calls `wanted`.
    pub(super) fn function(&mut self, interface: &str, wanted: &Function, found: &ComponentFunc) {
        let function = format!("function `{interface}.{}`", wanted.name);
        let here: Vec<_> = found.params().map(|(name, _)| name).collect();
        let there: Vec<_> = wanted.params.iter().map(|param| param.name.as_str()).collect();
        if self.same_names(&function, "argument", &here, &there) {
            for (wanted, (_, found)) in wanted.params.iter().zip(found.params()) {
                let at = format!("argument `{}` of {function}", wanted.name);
                self.same(&at, &wanted.ty, &found);
            }
        }
        let answer = format!("the answer of {function}");
        self.same_if_any(&answer, wanted.result.as_ref(), found.results().next());
    }

    fn same_if_any(&mut self, at: &str, wanted: Option<&Type>, found: Option<Found>) {
        match (wanted, found) {
            (Some(wanted), Some(found)) => self.same(at, wanted, &found),
            (None, None) => {}
            (Some(wanted), None) => self.differs(at, "nothing", &self.in_contract(wanted)),
            (None, Some(found)) => self.differs(at, &a(kind_of(&found)), "nothing"),
        }
    }

    /// `at`: a description of what is compared, until a named type describes it better.
    fn same(&mut self, at: &str, wanted: &Type, found: &Found) {
        let contract = self.contract;
        let Type::Id(id) = wanted else {
            if kind_of_wit(contract, wanted) != kind_of(found) {
                self.differs(at, &a(kind_of(found)), &self.in_contract(wanted));
            }
            return;
        };
        let definition = &contract.types[*id];
        match (&definition.kind, found) {
            (TypeDefKind::Type(inner), _) => match (inner, &definition.name) {
                (Type::Id(_), _) | (_, None) => self.same(at, inner, found),
                // A name for a primitive says more than each place where it is used.
                (_, Some(_)) => self.same(&self.called("type", definition, at), inner, found),
            },
            (TypeDefKind::List(wanted), Found::List(found)) => {
                self.same(&format!("an entry of {at}"), wanted, &found.ty());
            }
            (TypeDefKind::Option(wanted), Found::Option(found)) => self.same(at, wanted, &found.ty()),
            (TypeDefKind::Result(wanted), Found::Result(found)) => {
                self.same_if_any(at, wanted.ok.as_ref(), found.ok());
                self.same_if_any(&format!("the error in {at}"), wanted.err.as_ref(), found.err());
            }
            (TypeDefKind::Tuple(wanted), Found::Tuple(found)) if wanted.types.len() == found.types().len() => {
                for (place, (wanted, found)) in (1..).zip(wanted.types.iter().zip(found.types())) {
                    self.same(&format!("part {place} of {at}"), wanted, &found);
                }
            }
            (TypeDefKind::Tuple(wanted), Found::Tuple(found)) => {
                let parts = |count| format!("a tuple of {count}");
                self.differs(at, &parts(found.types().len()), &parts(wanted.types.len()));
            }
            (TypeDefKind::Record(wanted), Found::Record(found)) => {
                let record = self.called("record", definition, at);
                let here: Vec<_> = found.fields().map(|field| field.name).collect();
                let there: Vec<_> = wanted.fields.iter().map(|field| field.name.as_str()).collect();
                if self.same_names(&record, "field", &here, &there) {
                    for (wanted, found) in wanted.fields.iter().zip(found.fields()) {
                        let at = format!("field `{}` of {record}", wanted.name);
                        self.same(&at, &wanted.ty, &found.ty);
                    }
                }
            }
            (TypeDefKind::Variant(wanted), Found::Variant(found)) => {
                let variant = self.called("variant", definition, at);
                let here: Vec<_> = found.cases().map(|case| case.name).collect();
                let there: Vec<_> = wanted.cases.iter().map(|case| case.name.as_str()).collect();
                if self.same_names(&variant, "case", &here, &there) {
                    for (wanted, found) in wanted.cases.iter().zip(found.cases()) {
                        let at = format!("the value of case `{}` of {variant}", wanted.name);
                        self.same_if_any(&at, wanted.ty.as_ref(), found.ty);
                    }
                }
            }
            (TypeDefKind::Enum(wanted), Found::Enum(found)) => {
                let here: Vec<_> = found.names().collect();
                let there: Vec<_> = wanted.cases.iter().map(|case| case.name.as_str()).collect();
                self.same_names(&self.called("enum", definition, at), "case", &here, &there);
            }
            (TypeDefKind::Flags(wanted), Found::Flags(found)) => {
                let here: Vec<_> = found.names().collect();
                let there: Vec<_> = wanted.flags.iter().map(|flag| flag.name.as_str()).collect();
                self.same_names(&self.called("flags", definition, at), "flag", &here, &there);
            }
            (_, found) => self.differs(at, &a(kind_of(found)), &self.in_contract(wanted)),
        }
    }

    /// Whether the parts of `whole` are the same in the same order. If not, says which differ.
    fn same_names(&mut self, whole: &str, part: &str, here: &[&str], there: &[&str]) -> bool {
        if here == there {
            return true;
        }
        let more: Vec<_> = here.iter().copied().filter(|name| !there.contains(name)).collect();
        let less: Vec<_> = there.iter().copied().filter(|name| !here.contains(name)).collect();
        let version = self.version;
        let (parts, extra) = (plural(part, &more), list(&more));
        match (&more[..], &less[..]) {
            ([], []) => self.fault(format!(
                "{whole} has its {part}s in another order than contract {version}"
            )),
            ([], less) => self.missing(whole, part, less),
            (_, []) => self.fault(format!(
                "{whole} has the {parts} {extra} that contract {version} does not have"
            )),
            (_, less) => self.fault(format!(
                "{whole} has the {parts} {extra} where contract {version} has {}",
                list(less)
            )),
        }
        false
    }

    fn differs(&mut self, at: &str, here: &str, there: &str) {
        self.fault(format!("{at} is {here}, and in contract {} {there}", self.version));
    }

    /// The contract's name of a type, such as ``record `session` ``; for one without a name, the place where it is
    /// used.
    fn called(&self, kind: &str, definition: &TypeDef, at: &str) -> String {
        let Some(name) = &definition.name else {
            return at.to_owned();
        };
        match definition.owner {
            // A type that only one capability uses may have the same name as another's.
            TypeOwner::Interface(id) if !self.contract.interfaces[id].functions.is_empty() => {
                let interface = self.contract.interfaces[id].name.as_deref().unwrap_or_default();
                format!("{kind} `{interface}.{name}`")
            }
            _ => format!("{kind} `{name}`"),
        }
    }

    /// A type of the contract in words, such as ``the record `session` `` or `a string`.
    fn in_contract(&self, wanted: &Type) -> String {
        let kind = kind_of_wit(self.contract, wanted);
        let Type::Id(id) = wanted else {
            return a(kind);
        };
        let definition = &self.contract.types[*id];
        match (&definition.kind, &definition.name) {
            (TypeDefKind::Type(inner), _) => self.in_contract(inner),
            (_, Some(_)) => format!("the {}", self.called(kind, definition, kind)),
            (_, None) => a(kind),
        }
    }
}
