//! The arrows between the rooms of `host/src`: which room may name which.

/// Each room, a file or folder of `host/src`, and the rooms that it may name.
const ROOMS: &str = "
    main: cli
    cli: owner assemble http mcp desk catalog plugin capability jobs machine admission config store session peer principal text shell age
    owner: assemble jobs mcp desk admission store peer principal
    assemble: desk catalog watch plugin capability jobs machine config store peer principal text shell
    http: admission jobs age config store page peer principal text shell
    mcp: desk catalog admission store session principal text
    desk: catalog watch plugin capability admission age store schema session page principal text shell
    catalog: config schema session principal text
    watch: jobs plugin session
    plugin: capability contract jobs principal schema session text
    capability: contract jobs machine store peer principal text
    machine: peer text shell
    jobs: machine store peer principal
    contract:

    admission: store peer principal network
    config: admission capability session peer
    store: principal shell network text
    schema: text
    session:
    peer: principal
    age:
    network:
    page:
    principal:
    text:
    shell:
";

/// Arrows that lead the wrong way, by file and the room that it names, with what takes them away.
pub(crate) const WRONG: &[(&str, &str, &str)] = &[(
    "capability/process/grant/tests.rs",
    "config",
    "stays: it tries the shipped grants where they are judged",
)];

/// Circles between the files of one folder, as the check tells them, with what takes them away.
pub(crate) const CIRCLES: &[(&str, &str)] = &[(
    ": context, files, host, jobs, log, process, ssh, store, testing",
    "stays: in native tests the SDK's way to its host leads to the scripted one, which speaks its records",
)];

/// The rooms, each with those that it may name.
pub(crate) fn rooms() -> Vec<(&'static str, Vec<&'static str>)> {
    let rows = ROOMS.lines().filter_map(|line| line.trim().split_once(':'));
    rows.map(|(room, may)| (room, may.split_whitespace().collect()))
        .collect()
}
