# make run    set everything up, build, and start the server: on ~/.config/berth/config.toml where there is one, else on
#             the shipped configuration; CONFIG=FILE names another
# make test   set everything up, and run every check and test
# make bench  measure speed against plain tmux and a bare MCP server; prints the table of docs/performance.md

CARGO ?= cargo
CONFIG ?=
BERTH := target/release/berth

.PHONY: run build test check unit bench setup doc

run: build
	@mkdir -p "$$HOME/projects"
	@exec $(BERTH) serve $(if $(CONFIG),--config '$(CONFIG)')

build: setup
	$(CARGO) build --release --locked

test: setup check unit

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --quiet
	sh tests/rules.sh

# The tests of the whole come last, so that the summary at the end is theirs.
unit:
	$(CARGO) test --locked --workspace --exclude berth
	$(CARGO) test --locked --package berth --lib --bins
	$(CARGO) test --locked --package berth --test it

bench: setup
	$(CARGO) bench --locked --package berth --bench speed

setup:
	@sh setup.sh
