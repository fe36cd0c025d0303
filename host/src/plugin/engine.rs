//! The one wasmtime engine: pooling allocator, epochs, and what is linked into every plugin.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::compiled::Compiled;
use super::fits::Contract;
use super::log::{GuestLog, LastLines};
use super::memory::{MemoryLimit, Places, TABLE_ELEMENTS};
use crate::capability::{self, Allowance, Call, Powers};
use crate::contract;

/// How often a running guest yields to others, and so how late a deadline may take effect.
const TICK: Duration = Duration::from_millis(10);
/// Bytes that a guest may hand to the host at once: an answer, or the arguments of one host call.
pub(crate) const HANDOVER: usize = 16 << 20;
/// Files, streams and the like that a guest may hold open.
const RESOURCES: usize = 256;
/// Core modules, memories and tables of one plugin: its own, and those of its language. At least twice what the templates
/// of other languages need: Python has 14 core modules, JavaScript 9 and 2 memories, both 2 tables.
const CORE_INSTANCES: u32 = 28;
const MEMORIES: u32 = 4;
const TABLES: u32 = 8;
/// How much of a used memory stays mapped, so that the next call finds it warm.
const KEEP_RESIDENT: usize = 256 << 10;

/// Compiles plugins and makes their stores. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: wasmtime::Engine,
    pub(crate) linker: Arc<Linker<StoreData>>,
    pub(crate) contract: Arc<Contract>,
    /// None: each plugin is compiled each time.
    pub(super) compiled: Option<Arc<Compiled>>,
    ticker: Arc<Ticker>,
}

impl Engine {
    /// An engine for at most `instances` calls at once, with at most `memory` bytes each, that keeps compiled code
    /// under `cache` (without it, it compiles each time).
    pub fn new(instances: u32, memory: u64, cache: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .epoch_interruption(true)
            // Where in a plugin it crashed is not shown, so that compiled code needs no table of addresses.
            .wasm_backtrace_max_frames(None)
            .generate_address_map(false)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances, memory)?));
        let inner = wasmtime::Engine::new(&config)?;
        let mut linker = Linker::new(&inner);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        capability::add_to_linker(&mut linker, |state: &mut StoreData| &mut state.call)?;
        Ok(Self {
            ticker: Arc::new(Ticker::start(inner.clone())?),
            linker: Arc::new(linker),
            contract: Arc::new(Contract::parse(contract::TEXT, contract::WORLD)?),
            compiled: cache.map(|cache| Arc::new(Compiled::new(&inner, cache))),
            inner,
        })
    }

    /// A store for one call.
    pub(crate) fn store(&self, home: &Home, allowance: Allowance) -> Store<StoreData> {
        let large = if allowance.own { &home.own_large } else { &home.large };
        let state = StoreData {
            call: Call::new(home.powers.clone(), allowance),
            wasi: None,
            said: LastLines::default(),
            resources: resources(),
            memory: MemoryLimit::new(home.memory, large.clone()),
            home: home.clone(),
        };
        let mut store = Store::new(&self.inner, state);
        store.limiter_async(|state| &mut state.memory);
        store.set_hostcall_fuel(HANDOVER);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    /// Keeps epochs going until the answer is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        if self.ticker.running.fetch_add(1, Ordering::Relaxed) == 0 {
            self.ticker.thread.unpark();
        }
        Running(&self.ticker)
    }
}

fn pool(instances: u32, memory: u64) -> anyhow::Result<PoolingAllocationConfig> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * CORE_INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(instances * MEMORIES)
        .max_memories_per_component(MEMORIES)
        .total_tables(instances * TABLES)
        .max_tables_per_component(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .total_stacks(instances)
        .max_memory_size(usize::try_from(memory)?)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        // If the kernel tells which pages were written, only those are reset, and none is unmapped: with several
        // threads, unmapping costs more than the rest of a call.
        .pagemap_scan(Enabled::Auto);
    Ok(pool)
}

/// What all calls of one backend share.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) powers: Arc<Powers>,
    pub(crate) memory: usize,
    pub(crate) large: Places,
    /// The same for calls that the host makes for itself.
    pub(crate) own_large: Places,
}

/// The data of one call's store.
pub(crate) struct StoreData {
    call: Call,
    wasi: Option<WasiCtx>,
    /// What the guest said last on standard error.
    pub(crate) said: LastLines,
    resources: ResourceTable,
    pub(crate) memory: MemoryLimit,
    home: Home,
}

impl WasiView for StoreData {
    /// WASI with nothing in it: no environment, no arguments, no network, no files. It is made when a guest first asks
    /// for it, because most calls never do and making it costs as much as the rest of a call.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (backend, said) = (&self.home.powers.backend, &self.said);
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| sealed_wasi(backend, said)),
            table: &mut self.resources,
        }
    }
}

/// Each resource may stand for a descriptor of the host's.
fn resources() -> ResourceTable {
    let mut resources = ResourceTable::new();
    resources.set_max_capacity(RESOURCES);
    resources
}

fn sealed_wasi(backend: &str, said: &LastLines) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(GuestLog::new(backend))
        .stderr(GuestLog::new(backend).keeping(said.clone()))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    wasi.build()
}

/// Advances the epoch while calls run. A thread of its own, since guests may hold every thread of the runtime.
struct Ticker {
    running: Arc<AtomicUsize>,
    thread: std::thread::Thread,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let seen = running.clone();
        let engine = engine.weak();
        let handle = std::thread::Builder::new().name("epochs".into()).spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                if seen.load(Ordering::Relaxed) == 0 {
                    // The timeout is for the end of the engine, which is not announced.
                    std::thread::park_timeout(Duration::from_secs(5));
                }
                // After waking too, so that a short call does not have to yield.
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self {
            running,
            thread: handle.thread().clone(),
        })
    }
}

/// A call under way.
pub(crate) struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
