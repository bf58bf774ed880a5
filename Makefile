# Everything a newcomer types. Each target sets up what it needs; a second run finds it done.
#   make demo    build, then the whole story in a minute: synthesize, roll out, export, report
#   make test    every test that needs no GPU and no network
#   make build | bench | lint | doc

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
DEMO_DIR ?= demo-out

.PHONY: demo test build bench lint doc setup test-exports test-openai clean-demo

# libtorch, fetched once into third_party/ (hash-checked), and a C compiler for the few C sources in the tree.
setup: third_party/libtorch/build-version

third_party/libtorch/build-version: setup/libtorch.lock setup/libtorch.py
	@command -v $(CARGO) >/dev/null || { echo "make: cargo is missing; install Rust 1.95 or newer (rustup)" >&2; exit 1; }
	@command -v c++ >/dev/null || { echo "make: a C++ compiler is missing; install it (Debian: apt-get install g++)" >&2; exit 1; }
	@command -v python3 >/dev/null || { echo "make: python3 with pip is missing; install it (Debian: apt-get install python3-pip)" >&2; exit 1; }
	python3 setup/libtorch.py
	@touch $@

build: setup
	$(CARGO) build --locked --workspace

demo: setup
	$(CARGO) build --locked -p terrarium-cli
	./target/debug/terrarium demo --out $(DEMO_DIR)

test: setup
	$(CARGO) test --locked --workspace

# Benches share the profile of demo and tests, so that nothing is built twice; docs/performance.md says with what flags a figure was taken.
bench: setup
	$(CARGO) bench --locked --workspace --profile dev

# The OpenAI Python client against `serve model`: needs a package index once, so it is not part of `make test`.
test-openai: setup
	test -x third_party/openai/bin/python || { python3 -m venv third_party/openai && third_party/openai/bin/pip install -q openai; }
	$(CARGO) test --locked -p terrarium-cli --test e2e openais_python_client

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

clean-demo:
	rm -rf $(DEMO_DIR)
