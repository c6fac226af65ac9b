# make test     everything that must pass before a commit (what continuous integration runs); needs root
# make test-unprivileged   the part of it that needs no root
# make unit     the Rust tests only          make e2e      the browser tests only
# make cluster  the tests of several nodes   make recovery measures how long pictures stand still when things die
# make lint     format, clippy, JSDoc types   make fmt      formats
# make bench    cost per forwarded packet, beside the floor of this machine and the baseline of this tree, which
#               make bench-baseline moves
# make adaptive measures what viewers on bad lines see; needs root
# make gstreamer  GStreamer as a viewer on a line that gets worse; needs root
# make fuzz     looks for input that makes anything panic: MINUTES=60 for longer, TARGETS="stun sdp" for some
# make dist     stripped binary, Debian package, source archive and SBOM in target/dist
# make dist-check   the package in a container under a real systemd, the image file and the Helm chart with their tools
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
export CHAPPE_CLIENTS := $(TARGET_DIR)/release/chappe-clients
export CHAPPE_LINK := $(TARGET_DIR)/release/chappe-link
# Ends a suite that hangs, and the whole, with tools and compiling, after 40 minutes.
WITHIN := scripts/within.sh
export CHROMIUM ?= $(shell command -v chromium || echo /usr/bin/chromium)

build:
	cargo build $(PROFILE)

# What a test needs and does not find is a failure: a run that left something out has not passed.
test:
	@[ "$$(id -u)" = 0 ] || { echo "make test: the tests in network namespaces need root; run it as root, or run \`make test-unprivileged\` for all the others" >&2; exit 1; }
	@$(WITHIN) 40 "make test" $(MAKE) --no-print-directory every-test
	@echo "make test: all passed"

test-unprivileged:
	@$(WITHIN) 40 "make test-unprivileged" $(MAKE) --no-print-directory every-unprivileged-test
	@echo "make test-unprivileged: all passed but what needs root, which did not run: make cluster, Firefox, the pages in network namespaces, and the Rust tests named as_root"

# In this order: what fails fastest comes first, what shares compiled code comes together.
.PHONY: test-unprivileged every-test every-unprivileged-test
every-test: tools
	$(MAKE) --no-print-directory fmt-check
	scripts/check-vendored.sh
	$(MAKE) --no-print-directory clippy
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory web
	$(MAKE) --no-print-directory browsers
	$(MAKE) --no-print-directory cluster

every-unprivileged-test: tools
	$(MAKE) --no-print-directory fmt-check
	scripts/check-vendored.sh
	$(MAKE) --no-print-directory clippy
	$(MAKE) --no-print-directory unit UNIT_TESTS="-E 'not test(as_root)'"
	$(MAKE) --no-print-directory web
	$(MAKE) --no-print-directory browsers

tools:
	scripts/install-test-tools.sh

unit:
	cargo nextest run $(PROFILE) --workspace --no-run
	$(WITHIN) 7 "make unit" cargo nextest run $(PROFILE) --workspace --no-fail-fast $(UNIT_TESTS)

# Who edits the pages needs no build step: a debug build serves them from the disk. Their JSDoc types are checked.
types:
	cd tests/browser && npm run --silent check

web: types
	$(WITHIN) 2 "make web" scripts/run-node-tests.sh web

e2e: build
	$(MAKE) --no-print-directory browsers

# With the program that is there: `unit` has just built it, and `build` would compile half of its crates once
# more, because without the tests' dependencies cargo unifies other features.
browsers:
	CHAPPE_TESTS_AT_ONCE=2 $(WITHIN) 16 "make browsers" scripts/run-node-tests.sh tests/browser

# The same for several nodes, each in a network namespace of its own; with the programs that `unit` has built.
.PHONY: cluster recovery clients
cluster:
	$(WITHIN) 15 "make cluster" scripts/run-cluster-tests.sh tests/cluster

# The limits in milliseconds hold here, and only here: twenty of each kind, with the table of the README as the result;
# then the faults, with a NATS that is away for a minute, what viewers elsewhere have use for, the drain, reload and
# scale, the hop of a relay and the load balancers.
recovery: export CHAPPE_MEASURE := 1
recovery: build clients
	CHAPPE_TEST_TIMEOUT_MS=5400000 CHAPPE_KILLS=$${CHAPPE_KILLS:-20} CHAPPE_RECOVERY_TABLE=$(TARGET_DIR)/recovery.md \
	    scripts/run-cluster-tests.sh tests/cluster/recovery.test.mjs
	@cat $(TARGET_DIR)/recovery.md
	CHAPPE_NATS_AWAY_S=60 scripts/run-cluster-tests.sh tests/cluster/faults.test.mjs
	for one in demand drain operate relays balancers; do scripts/run-cluster-tests.sh tests/cluster/$$one.test.mjs; done

# What viewers on bad lines see, in real Chromium through an emulated link: SCENARIOS="step-whep loss" for some. It moves
# the rows of the scoreboard that it measures.
.PHONY: adaptive
adaptive: build clients
	cd tests/browser && node adaptive/measure.mjs --scoreboard adaptive/SCOREBOARD.md $(SCENARIOS)

# GStreamer's webrtcbin as a viewer, on a line that gets worse. In six of thirty runs its picture stood still when the line got
# slow. In one that was looked into it reported once in a minute, and asked for a key frame thirteen times a second, for which
# it got once a second all that is cached since the last one: up to 14 Mbit/s over a line of 0.2. Until that is mended it is no part of `make test`.
.PHONY: gstreamer
gstreamer: build clients
	scripts/install-test-tools.sh gstreamer
	cd tests/browser && node --test adaptive/reports_alone.mjs

# Synthetic clients and the lossy link, for who has not run `unit`.
clients:
	cargo build $(PROFILE) --package chappe-load --bins

lint: fmt-check clippy types
	scripts/check-vendored.sh

.PHONY: fmt-check clippy
fmt-check:
	cargo fmt --all --check || { echo "make fmt puts this right" >&2; exit 1; }

# Each crate once, with the features that tests need, so that no library is looked at twice; the script tells which lints
# hold for a crate.
clippy:
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/scripts/clippy-driver.sh cargo check $(PROFILE) --workspace --all-targets

fmt:
	cargo fmt --all

bench: build
	cargo run $(PROFILE) --package chappe-load --bin chappe-bench

# What later runs are compared with: its diff says what became better or worse, its commit says why.
.PHONY: bench-baseline
bench-baseline: build
	cargo run $(PROFILE) --package chappe-load --bin chappe-bench -- --rounds 5 --move-baseline load/baseline.json

# What `unit` does with the corpus of fuzz/ for seconds. An input that panics is kept in fuzz/crashes.
.PHONY: fuzz
fuzz: MINUTES ?= 10
fuzz:
	cargo run $(PROFILE) --package chappe-fuzz --bin chappe-fuzz -- $(MINUTES) $(TARGETS)

.PHONY: dist
dist: build
	scripts/dist.sh

# Minutes long, and it installs what it needs: apart from `make test`.
.PHONY: dist-check
dist-check: dist tools
	$(WITHIN) 10 "try-package" scripts/try-package.sh
	$(WITHIN) 5 "check-chart" scripts/check-chart.sh

clean:
	cargo clean
	rm -rf .venv .tools web/node_modules tests/browser/node_modules tests/cluster/node_modules
