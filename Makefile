# make run          set everything up, build, and start the server: on ~/.config/berth/config.toml where there is one,
#                   else on the shipped configuration; CONFIG=FILE names another
# make test         set everything up, and run every check and test
# make conformance  run the official conformance suite of MCP against the real binary
# make bench        measure speed against plain tmux and a bare MCP server; prints the table of docs/performance.md

CARGO ?= cargo
CONFIG ?=
BERTH := target/release/berth
SUITE := tests/conformance

.PHONY: run build test check unit whole conformance bench setup doc

run: build
	@mkdir -p "$$HOME/projects"
	@exec $(BERTH) serve $(if $(CONFIG),--config '$(CONFIG)')

build: setup
	$(CARGO) build --release --locked

# The tests of the whole come last, so that the summary at the end is theirs.
test: setup check unit conformance whole

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --quiet
	sh tests/rules.sh

unit:
	$(CARGO) test --locked --workspace --exclude berth
	$(CARGO) test --locked --package berth --lib --bins

whole:
	$(CARGO) test --locked --package berth --test it

# The binary is the one that the tests of the whole use.
conformance: setup $(SUITE)/node_modules/.package-lock.json
	$(CARGO) test --locked --package berth --test it --no-run
	$(SUITE)/node_modules/.bin/node $(SUITE)/run.mjs target/debug/berth

$(SUITE)/node_modules/.package-lock.json: $(SUITE)/package-lock.json
	@sh setup.sh conformance

# Measured on two cores where the system can be told so, that figures of larger machines compare.
bench: setup
	$(CARGO) bench --locked --package berth --bench speed --no-run
	$(shell command -v taskset >/dev/null && echo taskset -c 0,1) \
		$(CARGO) bench --locked --package berth --bench speed

setup:
	@sh setup.sh
