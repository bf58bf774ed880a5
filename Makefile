# Everything a newcomer types. Each target sets up what it needs; a second run finds it done.
#   make demo    build, then the whole story in a minute: synthesize, roll out, export, report
#   make test    every test that needs no GPU and no network
#   make test-exports   lets the programs that read exports judge them (needs network and Python 3.12 once; 9 GB)
#   make soak    random programs, sources, arguments and foreign components against every promise, for at most 20 minutes
#   make kills   kill -9 at fifty moments of a rollout, an export and a merge
#   make guests  the example suites in C, JavaScript and Python (fetches their tools into target/guests/), then their tests
#   make build | bench | bench-all | lint | doc

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
DEMO_DIR ?= demo-out

.PHONY: demo test nvrtc soak kills guests build bench bench-all lint doc setup test-exports test-openai clean-demo

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
	$(CARGO) build --locked --workspace --bin terrarium
	./target/debug/terrarium demo --out $(DEMO_DIR)

test: setup nvrtc
	$(CARGO) test --locked --workspace

# The CUDA compiler, for the test that makes machine code of the kernels without a GPU; where it cannot be had, that test is skipped aloud.
nvrtc:
	python3 setup/libtorch.py --nvrtc || echo "make: the CUDA kernels will not be compiled by the tests" >&2

# Third-party readers in environments of their own under third_party/exports; what cannot be installed is skipped aloud.
test-exports: setup
	$(CARGO) build --locked --workspace --bin terrarium --example fill
	python3 tests/exports/run.py $${CARGO_TARGET_DIR:-target}/debug/terrarium $${CARGO_TARGET_DIR:-target}/debug/examples/fill

kills: setup
	$(CARGO) test --locked --workspace --test e2e -- --ignored --nocapture --test-threads=1

# The table of docs/performance.md in three to six minutes, in the optimised profile `bench` (the first run builds it, without libtorch).
bench:
	$(CARGO) bench --locked -p terrarium-tests --bench figures

# Every bench of every crate, in the profile of demo and tests.
bench-all: setup
	$(CARGO) bench --locked --workspace --profile dev

SOAK_SEED ?= 0
SOAK_MINUTES ?= 20

soak:
	$(CARGO) run --locked -p terrarium-tests --bin soak -- --minutes $(SOAK_MINUTES) --seed $(SOAK_SEED)

guests:
	tests/guests/build.sh install
	tests/guests/build.sh all
	$(CARGO) test --locked -p terrarium-tests --test components

# The OpenAI Python client against `serve model`: needs a package index once, so it is not part of `make test`.
test-openai: setup
	test -x third_party/openai/bin/python || { python3 -m venv third_party/openai && third_party/openai/bin/pip install -q openai; }
	$(CARGO) test --locked --workspace --test e2e openais_python_client

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

clean-demo:
	rm -rf $(DEMO_DIR)
