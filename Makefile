# All that is made here goes to build/ (Python) and target/ (Rust).
PYTHON ?= python3
TOOLS := build/tools/bin
VENV := build/venv/bin
# What the source distribution is made of. Directories too: their time tells of a file that went away.
SOURCES := Cargo.toml Cargo.lock pyproject.toml README.md LICENSE-MIT LICENSE-APACHE \
	$(shell find .cargo src python -not -path '*/__pycache__*')

WORKFLOWS := $(wildcard .github/workflows/*.yml)
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# The published crate as a command of its own, for the tests to meet.
PEER := target/crate_peer/release/crate-peer
# Started there, cargo sees that folder's configuration first. Its SQLite is compiled once for all of these.
IN_PEER = cd tests/crate_peer && CARGO_TARGET_DIR=$(CURDIR)/target/crate_peer

# One for all: what cargo has compiled for the tests or the last wheel is not compiled again.
export CARGO_TARGET_DIR := $(CURDIR)/target
export PYO3_PYTHON := $(CURDIR)/$(TOOLS)/python
export PYTHONDONTWRITEBYTECODE := 1
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/build/hypothesis
# Neither the caller's Python path nor make's job server may reach what runs below.
unexport PYTHONPATH MAKEFLAGS MFLAGS

.PHONY: help build demo test soak bench mutants lint format clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

build: build/wheel.stamp ## Build the sdist, and from it the wheel
	@ls build/sdist/* build/wheel/*

demo: build/demo.stamp ## Writers append real text to one store, which is verified, altered and caught (make demo FILE=path)
	build/demo/bin/python examples/demo.py $(if $(FILE),"$(FILE)")

test: build/venv.stamp $(PEER) ## Run the Rust tests, and the Python tests on the installed wheel (make test ARGS='-k name')
	cargo test --locked --no-default-features
	$(VENV)/pytest $(ARGS)

soak: build/venv.stamp ## Kill a thousand writers, cut the power thousands of times, fail each call of the disk in each way
	FAULT_CUTS=1000 FAULT_ALL=1 cargo test --locked --no-default-features --test faults
	FAULT_KILLS=500 $(VENV)/pytest --timeout 3600 tests/test_crash.py tests/test_consumer.py $(wildcard tests/soak_*.py) $(ARGS)

bench: build/venv.stamp $(PEER) ## Measure the speed against what one would write by hand, and print the table
	$(VENV)/pytest benches/bench_store.py --benchmark-enable --timeout 1200 $(ARGS)

mutants: build/venv.stamp $(PEER) ## Break one line of the code after the other: each must turn a test red (make mutants ARGS=name)
	$(VENV)/python tests/mutate.py $(ARGS)

lint: build/venv.stamp ## Check layout, lints, types, the stub and the exported symbols
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	$(IN_PEER) cargo fmt --check
	$(IN_PEER) cargo clippy --locked --release -- -D warnings
	$(TOOLS)/ruff check
	$(TOOLS)/ruff format --check
	$(VENV)/mypy $(wildcard python/agent_store tests benches examples)
	cd build && venv/bin/stubtest agent_store._core
	@# They run on machines that are not here: this is all that can be known of them before.
	$(TOOLS)/jactionlint --shellcheck= $(WORKFLOWS)
	$(TOOLS)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	@if command -v go >/dev/null; then \
		echo go run $(ACTIONLINT) $(WORKFLOWS); GOTOOLCHAIN=local go run $(ACTIONLINT) $(WORKFLOWS); \
	else \
		echo "Not run, for want of Go: $(ACTIONLINT), of which jactionlint is a fork"; \
	fi
	@# Any other symbol could meet another library's in the same process: SQLite's above all.
	test "$$(nm -D --defined-only build/venv/lib/python*/site-packages/agent_store/_core*.so | awk '{ print $$3 }')" = PyInit__core

format: build/tools.stamp ## Lay out the sources and mend what can be mended by itself
	cargo fmt
	$(IN_PEER) cargo fmt
	$(TOOLS)/ruff check --fix
	$(TOOLS)/ruff format

clean: ## Remove all that was made
	rm -rf build target

# pip before 25.1 knows no dependency groups.
build/tools.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=…" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear build/tools
	$(TOOLS)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(TOOLS)/python -m pip install --quiet --group tools --group workflows
	touch $@

build/sdist.stamp: build/tools.stamp $(SOURCES)
	rm -rf build/sdist
	$(TOOLS)/maturin sdist --out build/sdist
	touch $@

# The archive's own times are all the same: a changed file gets the time of now, an unchanged one keeps the one it had
# here, so that cargo compiles what changed. cargo's configuration must have come along: here it would also find the one
# above this directory.
build/wheel.stamp: build/sdist.stamp
	rm -rf build/new build/wheel && mkdir build/new
	tar -xmzf build/sdist/*.tar.gz -C build/new --strip-components=1
	test -f build/new/.cargo/config.toml && test ! -e build/new/tests
	cd build/new && find . -type f -exec sh -c 'cmp -s "$$1" "../src/$$1" && touch -r "../src/$$1" "$$1"' - {} \;
	rm -rf build/src && mv build/new build/src
	cd build/src && ../tools/bin/maturin build --release --out ../wheel
	touch $@

# Made anew with each wheel, and without pip: nothing in it but what is tested and what tests it.
build/venv.stamp: build/wheel.stamp
	rm -rf build/venv
	$(TOOLS)/python -m venv --without-pip build/venv
	$(TOOLS)/python -m pip --python build/venv install --quiet build/wheel/*.whl --group test --group types
	touch $@

# What a user would have: the wheel and its extra for the terminal.
build/demo.stamp: build/wheel.stamp
	rm -rf build/demo
	$(TOOLS)/python -m venv --without-pip build/demo
	$(TOOLS)/python -m pip --python build/demo install --quiet "$$(echo build/wheel/*.whl)[cli]"
	touch $@

$(PEER): $(shell find tests/crate_peer -type f -not -path '*/target/*')
	$(IN_PEER) cargo build --locked --release
	touch $@
