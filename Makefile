# make test     everything that must pass before a commit (what continuous integration runs)
# make unit     the Rust tests only          make e2e      the browser tests only
# make cluster  the tests of several nodes   make recovery measures how long pictures stand still when things die
# make lint     format, clippy, JSDoc types   make fmt      formats
# make bench    cost per forwarded packet, beside the floor of this machine
# make tools    installs what the tests need and is missing

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.PHONY: build test tools unit types web e2e browsers lint fmt bench clean

# One profile for all steps, so that each dependency is compiled once.
PROFILE := --release
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
# The browser tests start this program, find FFmpeg by this Python and Chromium by this path.
export CHAPPE_BIN := $(TARGET_DIR)/release/chappe
export CHAPPE_PYTHON := $(CURDIR)/.venv/bin/python
# Tests of the cluster start this NATS, these synthetic clients and this lossy link.
export CHAPPE_NATS_SERVER := $(CURDIR)/.venv/bin/nats-server
export CHAPPE_SWARM := $(TARGET_DIR)/release/chappe-swarm
export CHAPPE_LINK := $(TARGET_DIR)/release/chappe-link
export CHROMIUM ?= $(shell command -v chromium || echo /usr/bin/chromium)

build:
	cargo build $(PROFILE)

# In this order: what fails fastest comes first, what shares compiled code comes together.
test: tools
	$(MAKE) --no-print-directory fmt-check
	$(MAKE) --no-print-directory clippy
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory web
	$(MAKE) --no-print-directory browsers
	$(MAKE) --no-print-directory cluster
	@echo "make test: all passed"

tools:
	scripts/install-test-tools.sh

unit:
	cargo nextest run $(PROFILE) --workspace --no-fail-fast

# The pages have no build step: their JSDoc types are checked, nothing is made of them.
types:
	cd tests/browser && npm run --silent check

web: types
	scripts/run-node-tests.sh web

e2e: build
	$(MAKE) --no-print-directory browsers

# With the program that is there: `unit` has just built it, and `build` would compile half of its crates once
# more, because without the tests' dependencies cargo unifies other features.
browsers:
	scripts/run-node-tests.sh tests/browser

# The same for several nodes, each in a network namespace of its own; with the programs that `unit` has built.
.PHONY: cluster recovery clients
cluster:
	scripts/run-cluster-tests.sh tests/cluster

# Twenty of each kind, and the table of the README as the result; then the faults, with a NATS that is away for a minute.
recovery: build clients
	CHAPPE_TEST_TIMEOUT_MS=5400000 CHAPPE_KILLS=$${CHAPPE_KILLS:-20} CHAPPE_RECOVERY_TABLE=$(TARGET_DIR)/recovery.md \
	    scripts/run-cluster-tests.sh tests/cluster/recovery.test.mjs
	@cat $(TARGET_DIR)/recovery.md
	CHAPPE_NATS_AWAY_S=60 scripts/run-cluster-tests.sh tests/cluster/faults.test.mjs

# Synthetic clients and the lossy link, for who has not run `unit`.
clients:
	cargo build $(PROFILE) --package chappe-load --bins

lint: fmt-check clippy types

.PHONY: fmt-check clippy
fmt-check:
	cargo fmt --all --check || { echo "make fmt puts this right" >&2; exit 1; }

# Twice: what runs in production obeys every ban of clippy.toml; a test may read the clock and unwrap.
clippy:
	cargo clippy $(PROFILE) --workspace --lib --bins -- --deny warnings
	cargo clippy $(PROFILE) --workspace --tests --examples -- --deny warnings \
	    --allow clippy::disallowed-methods --allow clippy::disallowed-types \
	    --allow clippy::panic --allow clippy::unwrap-used

fmt:
	cargo fmt --all

bench: build
	cargo run $(PROFILE) --package chappe-load --bin chappe-bench

clean:
	cargo clean
	rm -rf .venv .tools web/node_modules tests/browser/node_modules tests/cluster/node_modules
