# `make run` starts everything; `make test` is what CI runs first. `make setup` does nothing when it is up to date.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
# The lists are whole: nothing is resolved anew, or a release of today could take the place of what is pinned.
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes --no-deps
PIP_CHECK := $(BIN)/python -m pip --disable-pip-version-check check -q
PYTEST := $(BIN)/pytest
FAST := not slow and not torture
TWO_CORES := -n 2
CORE := $(wildcard engine/core/*)
SOURCES := examples engine api gateway settlement compliance persistence properties payments deedbook bench tests
DEMO_SECONDS ?= 10
FUZZ_SECONDS ?= 1800

.PHONY: help setup setup-dev setup-clients setup-bench run test test-all check format-check lint types test-engine test-rooms \
    contracts test-contracts demo-short format lock torture fuzz fuzz-core bench clean

help:
	@echo "make run | setup | test | test-all | check | format | torture | fuzz | bench | lock | clean"

# --- What everything else stands on -----------------------------------------------------------------------------

setup: .venv/.installed node_modules/.installed

setup-dev: .venv/.installed-dev node_modules/.installed

setup-clients: .venv/.installed-clients node_modules/.installed

setup-bench: .venv/.installed-bench

.venv/bin/python: | requirements/venv.sh
	@requirements/venv.sh

.venv/.installed: requirements/build.txt requirements/runtime.txt pyproject.toml $(CORE) | .venv/bin/python requirements/install.sh
	@echo "Installing Deedbook and what it needs, and building its core (the first time takes two minutes)."
	@$(PIP) -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP_CHECK)
	@requirements/install.sh
	@touch $@

.venv/.installed-dev: requirements/dev.txt .venv/.installed
	@echo "Installing what checks and tests it."
	@$(PIP) -r requirements/dev.txt
	@$(PIP_CHECK)
	@touch $@

.venv/.installed-clients: requirements/clients.txt .venv/.installed-dev
	@echo "Installing the clients that trade against it in the tests."
	@$(PIP) -r requirements/clients.txt
	@$(PIP_CHECK)
	@touch $@

.venv/.installed-bench: requirements/bench.txt .venv/.installed-dev
	@echo "Installing the engines that are compared with ours."
	@$(PIP) -r requirements/bench.txt
	@$(PIP_CHECK)
	@touch $@

node_modules/.installed: package.json package-lock.json .npmrc | requirements/npm.sh
	@requirements/npm.sh

# --- Use --------------------------------------------------------------------------------------------------------

run: setup
	@exec $(BIN)/deedbook run

# --- Checks -----------------------------------------------------------------------------------------------------

# The suite also runs the forge tests and rebuilds the contract artifacts.
test: check demo-short

test-all: setup-clients
	$(PYTEST) -m "slow or torture" --timeout 1800

check: format-check lint types test-engine test-rooms

format-check: setup-dev
	$(BIN)/ruff format --check $(SOURCES)

lint: setup-dev
	$(BIN)/ruff check $(SOURCES)

types: setup-dev
	$(BIN)/mypy

# The engine's own tests must reach every branch of it.
test-engine: setup-dev
	$(PYTEST) tests/engine -m "$(FAST)" $(TWO_CORES) --cov --cov-report=term:skip-covered

# A file's tests stay together, as they share servers; what is timed runs alone.
test-rooms: setup-dev
	$(PYTEST) tests --ignore=tests/engine --ignore=tests/bench -m "$(FAST)" $(TWO_CORES) --dist loadfile
	$(PYTEST) tests/bench -m "$(FAST)"

demo-short: setup
	$(BIN)/deedbook demo --seconds $(DEMO_SECONDS) --json

# --- Longer runs, and tools -------------------------------------------------------------------------------------

# After a change of contracts/src: write what it compiles to.
contracts: node_modules/.installed
	node contracts/compile.mjs

test-contracts: setup-dev
	$(PYTEST) tests/contracts -m "$(FAST)"

torture: setup-dev
	$(PYTEST) -m torture --timeout 7200

fuzz: setup-dev fuzz-core
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) tests -m "$(FAST)" --timeout 7200

# Any bytes into the core, under the sanitizers: with clang's libFuzzer where there is one, else from a seed.
fuzz-core:
	engine/core/fuzz.sh $(FUZZ_SECONDS)

bench: setup-dev
	$(BIN)/python -m bench

format: setup-dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lock: setup-dev
	requirements/lock.sh

clean:
	rm -rf .venv node_modules build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks .coverage \
	    contracts/out contracts/cache
	find $(SOURCES) -name __pycache__ -type d -exec rm -rf {} +
