# Everything a newcomer types. Each target sets up what it needs; a second run finds it done.
#   make demo    build, then the whole story in a minute: synthesize, roll out, export, report
#   make test    every test that needs no GPU and no network
#   make test-exports   lets the programs that read exports judge them (needs network and Python 3.12 once; 9 GB)
#   make test-openai         OpenAI's Python client against serve model (needs network once)
#   make test-transformers   the engine beside Hugging Face transformers, same checkpoint and cores (needs network once; 4 GB)
#   make soak    random programs, sources, arguments and foreign components against every promise, for at most 20 minutes
#   make fuzz    one target of cargo fuzz for a minute (nightly): FUZZ_TARGET=program | source | arguments | component | smith
#   make kills   kill -9 at fifty moments of a rollout, an export and a merge
#   make guests  the example suites in C, JavaScript and Python (fetches their tools into target/guests/), then their tests
#   make build | bench | bench-all | lint | doc

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO ?= cargo
DEMO_DIR ?= demo-out

.PHONY: demo test nvrtc soak fuzz kills guests build bench bench-all lint doc setup test-exports test-openai test-transformers clean-demo

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

# One item of a finding: make soak SOAK_ONLY="program 123".
SOAK_ONLY ?=

# Shares what `make test` has built. wasm-smith is built beside it (half a minute): inside the workspace it would change Cranelift's dependencies.
soak: setup
	$(CARGO) build --locked --manifest-path tests/smith/Cargo.toml --target-dir target/smith
	$(CARGO) build --locked --workspace --bin soak
	$${CARGO_TARGET_DIR:-target}/debug/soak --smith target/smith/debug/smith --minutes $(SOAK_MINUTES) --seed $(SOAK_SEED) \
	  $(if $(SOAK_ONLY),--only $(SOAK_ONLY))

FUZZ_TARGET ?= program
FUZZ_SECONDS ?= 60

# Needs `rustup toolchain install nightly` and `cargo install cargo-fuzz`. Without address sanitizer: the only `unsafe` code of these crates reads the cache.
fuzz:
	cd tests/fuzz && $(CARGO) +nightly fuzz run --fuzz-dir . -s none $(FUZZ_TARGET) -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -timeout=60 -len_control=0 -max_len=4096

guests:
	tests/guests/build.sh install
	tests/guests/build.sh all
	$(CARGO) test --locked --workspace --test components

# The OpenAI Python client against `serve model`: needs a package index once, so it is not part of `make test`.
test-openai: setup
	test -x third_party/openai/bin/python || { python3 -m venv third_party/openai && third_party/openai/bin/pip install -q openai; }
	$(CARGO) test --locked --workspace --test e2e openais_python_client

# Seconds and equal tokens, beside transformers' generate; some ten minutes. Where transformers cannot be installed it says so.
test-transformers: setup
	$(CARGO) build --locked --workspace --bin terrarium --example generate
	python3 tests/transformers/run.py $${CARGO_TARGET_DIR:-target}/debug/terrarium $${CARGO_TARGET_DIR:-target}/debug/examples/generate

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

clean-demo:
	rm -rf $(DEMO_DIR)
