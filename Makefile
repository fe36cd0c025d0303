# make run          set everything up, build, and start the server with the shipped configuration, and
#                   ~/.config/berth/config.toml over it where there is one; CONFIG=FILE names another
# make test         set everything up, and run every check and test
# make hosts        run the tests of what backends do once more, with the backends on a host
# make languages    compile the plugins in Python and JavaScript that `make test` needs
# make conformance  run the official conformance suite of MCP against the real binary
# make test-claude  drive the real Claude Code through a berth, against a stub of its API: a tenth; all of it with FULL=1, and
#                   with FULL=1 or NEWEST=1 also its newest version, whose misses are only printed
# make test-acp     drive real agents of the Agent Client Protocol through a berth, against stubs of their models
# make test-machine  try what needs root: a full disk, mounts, another user's files, a service that is killed; names what it needs
# make clients      try other makers' clients of MCP against the real binary: an inspector, two SDKs, FastMCP, Claude Code
# make freeze NAME=0.1.1  keep the contract, and components that were built for it, as they are now: wit/released/freeze.sh
# make bench        measure speed against plain tmux and a bare MCP server; prints the table of docs/performance.md

CARGO ?= cargo
CONFIG ?=
BERTH := target/release/berth
SUITE := tests/conformance
CLAUDE := tests/claude
ACP := tests/acp
CLIENTS := tests/clients

GUESTS := host/tests/guests
# The set-up of the compilers for Python and JavaScript makes this file last.
COMPILERS := $(GUESTS)/javascript/node_modules/.package-lock.json
# The frozen contracts, and a plugin in each language for each of them.
FROZEN := $(patsubst wit/released/%/backend.wit,%,$(wildcard wit/released/*/backend.wit))
LANGUAGES := $(foreach name,$(FROZEN),target/frozen/$(name)/python.wasm target/frozen/$(name)/javascript.wasm) \
	target/frozen/tutorial/python.wasm target/frozen/tutorial/javascript.wasm

# The tests of what backends do, wherever they are; and those among them that are about this machine.
ON_HOST := sessions:: delivery:: approval:: replies:: transcripts:: changes:: kept:: terminal:: headless:: builds:: conversations:: \
	talks:: tasks::
HERE := an_agent_neither_answers_nor_sends_to whose_output_cannot_be_read start_takes_the_directory \
	what_runs_in_a_session_is_never_the_person

.PHONY: run build test check unit whole hosts languages conformance test-claude test-acp test-machine clients freeze bench setup doc

run: build
	@mkdir -p "$$HOME/projects"
	@exec $(BERTH) serve $(if $(CONFIG),--config '$(CONFIG)')

build: setup
	$(CARGO) build --release --locked

# The integration tests come last, so that their summary is at the end.
test: setup check unit conformance whole

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --quiet
	sh tests/rules.sh
	$(CARGO) test --locked --package berth-arrows --quiet

# Much of what these tests take is waiting as well.
unit:
	$(CARGO) test --locked --workspace --exclude berth
	RUST_TEST_THREADS=$$(( $$(getconf _NPROCESSORS_ONLN) * 2 )) $(CARGO) test --locked --package berth --lib --bins

# Most of what these tests take is waiting, for screens and deadlines: twice as many run at once as there are cores.
whole: languages hosts
	RUST_TEST_THREADS=$$(( $$(getconf _NPROCESSORS_ONLN) * 2 )) $(CARGO) test --locked --package berth --test it

# What backends do on a host is what they do here: the tests of that run once more, with their backends on this machine by a
# real SSH server. Those that are left out are about this machine: its directories, what runs in its sessions, and the entry
# for this server, which an agent on a host does not get.
hosts: setup
	BERTH_TEST_HOST=1 RUST_TEST_THREADS=$$(( $$(getconf _NPROCESSORS_ONLN) * 3 )) \
		$(CARGO) test --locked --package berth --test it -- $(ON_HOST) $(HERE:%=--skip %)

# This is the binary that the integration tests use.
conformance: setup $(SUITE)/node_modules/.package-lock.json
	$(CARGO) test --locked --package berth --test it --no-run
	$(SUITE)/node_modules/.bin/node $(SUITE)/run.mjs target/debug/berth

$(SUITE)/node_modules/.package-lock.json: $(SUITE)/package-lock.json
	@sh setup.sh conformance

# Claude Code is fetched, never kept here, and does not reach its maker's servers.
test-claude: setup $(CLAUDE)/node_modules/.package-lock.json
	$(CARGO) test --locked --package berth --test it --no-run
	node $(CLAUDE)/run.mjs target/debug/berth

$(CLAUDE)/node_modules/.package-lock.json: $(CLAUDE)/package-lock.json
	@sh setup.sh claude

# These agents are fetched as well.
test-acp: setup $(ACP)/node_modules/.package-lock.json
	$(CARGO) test --locked --package berth --test it --no-run
	node $(ACP)/run.mjs target/debug/berth

$(ACP)/node_modules/.package-lock.json: $(ACP)/package-lock.json
	@sh setup.sh acp

# Only Linux has what it needs.
test-machine: setup
	sh tests/machine.sh $(CARGO) test --locked --package berth --test machine

# Run by hand: what these clients do of their own is not ours, and they are large.
clients: setup $(CLAUDE)/node_modules/.package-lock.json $(CLIENTS)/node_modules/.package-lock.json
	$(CARGO) test --locked --package berth --test it --no-run
	$(CLIENTS)/node_modules/.bin/node $(CLIENTS)/run.mjs target/debug/berth

$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package-lock.json $(CLIENTS)/requirements.txt
	@sh setup.sh clients

# A plugin in each language is compiled for each contract that was frozen. Only the set-up of the tools needs the network.
languages: $(LANGUAGES)

target/frozen/%/python.wasm: wit/released/%/backend.wit $(GUESTS)/build.sh $(wildcard $(GUESTS)/python/*.*) $(COMPILERS)
	sh $(GUESTS)/build.sh python $< $@

target/frozen/%/javascript.wasm: wit/released/%/backend.wit $(GUESTS)/build.sh $(wildcard $(GUESTS)/javascript/*.*) $(COMPILERS)
	sh $(GUESTS)/build.sh javascript $< $@

# The examples that docs/write-a-backend.md shows.
target/frozen/tutorial/%.wasm: docs/write-a-backend.md plugins/sdk/wit/backend.wit $(GUESTS)/tutorial.sh $(COMPILERS)
	sh $(GUESTS)/tutorial.sh $* plugins/sdk/wit/backend.wit $@

$(COMPILERS): $(GUESTS)/javascript/package-lock.json $(GUESTS)/python/requirements.txt
	@sh setup.sh languages

freeze: setup $(COMPILERS)
	@sh wit/released/freeze.sh $(NAME)

# Measured on two cores where the system can do that, so that figures of larger machines are comparable.
bench: setup languages
	$(CARGO) bench --locked --package berth --bench speed --no-run
	$(shell command -v taskset >/dev/null && echo taskset -c 0,1) \
		$(CARGO) bench --locked --package berth --bench speed

setup:
	@sh setup.sh
