use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::Engine;

/// Calls at once of the engine under test.
const CALLS: u32 = 2;

/// An engine, and a component of so many core modules, of which the first ones have a memory or a table each.
fn compiled(modules: usize, memories: usize, tables: usize) -> (Engine, wasmtime::Result<Component>) {
    let engine = Engine::new(CALLS, 64 << 20, None).unwrap();
    let module = |number: usize| {
        let memory = if number < memories { "(memory 17)" } else { "" };
        let table = if number < tables { "(table 1000 funcref)" } else { "" };
        format!("(core module $m{number} {memory} {table}) (core instance (instantiate $m{number}))")
    };
    let modules: String = (0..modules).map(module).collect();
    let component = wat::parse_str(format!("(component {modules})")).unwrap();
    let component = Component::from_binary(&engine.inner, &component);
    (engine, component)
}

#[test]
fn components_of_twice_what_python_and_javascript_need_run_in_all_calls_at_once() {
    let (engine, component) = compiled(28, 4, 8);
    let component = component.unwrap();
    let linker = Linker::new(&engine.inner);
    let mut running = Vec::new();
    for _ in 0..CALLS {
        let mut store = Store::new(&engine.inner, ());
        linker.instantiate(&mut store, &component).unwrap();
        running.push(store);
    }
    assert_eq!(running.len(), CALLS as usize);
}

#[test]
fn a_component_past_the_bounds_does_not_load() {
    for (modules, memories, tables) in [(29, 0, 0), (28, 5, 0), (28, 0, 9)] {
        let (_engine, component) = compiled(modules, memories, tables);
        let refused = format!("{:#}", component.err().unwrap());
        assert!(refused.contains("exceeds the configured maximum"), "{refused}");
    }
}
