# dialog-acd. `make` alone says what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
RIG := PYTHONPATH=asterisk $(BIN)/python -m rig
# Images set it, to stay small. Here every test run, and every process that a test starts, would compile all anew.
export PYTHONDONTWRITEBYTECODE :=

CALLS ?= 60
RATE ?= 2
TALK ?= 8
AGENTS ?= 16

.PHONY: dashboards plots onboarding-demo bench bench-full bench-core bench-directory bench-figures help setup tools demo up down unit test test-program test-simulation test-simulation-full test-contract test-store test-browser test-e2e test-docker check format lint types imports clean

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## everything into .venv (implied by all others)

.venv/.ready: pyproject.toml
	@echo "setting up .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dialog-acd needs Python 3.11 or later; say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: setup ## simulated citizens call real numbers, simulated agents answer [CALLS=60] [RATE=2] [TALK=8] [AGENTS=16]
	@$(RIG) demo --calls "$(CALLS)" --rate "$(RATE)" --talk "$(TALK)" --agents "$(AGENTS)"

onboarding-demo: setup ## a town joins the running centre, goes live, and a citizen is answered in its name
	@$(RIG) onboarding

up: setup ## the same stack left running without callers; writes .run/stack.json
	@$(RIG) up

down: setup ## end what `make up` started
	@$(RIG) down

unit: setup ## the tests that need nothing but Python (a minute on two cores)
	@$(BIN)/pytest -q -n auto --dist worksteal -m "not program and not e2e and not postgres and not simulation and not docker and not browser"

tools: setup
	@bash tests/tools.sh

test: export HYPOTHESIS_PROFILE ?= full
test: tools unit test-program test-simulation test-store test-browser test-e2e test-docker ## everything, on a real PostgreSQL and a real Asterisk; installs what it needs

test-program: tools ## the service as a process, every earlier schema, the API against its document, the rules for Prometheus
	@$(BIN)/pytest -q -n auto --dist worksteal -m "program and not postgres"

test-simulation: setup ## the simulator against queueing theory, at a tenth of the references' length
	@ACD_SIMULATION=tenth $(BIN)/pytest -q -n auto --dist worksteal -m simulation

test-simulation-full: setup ## the same at full length (a quarter of an hour and more)
	@ACD_SIMULATION=full $(BIN)/pytest -q -n auto --dist worksteal -m simulation

test-contract: setup ## the API against its own document, for as long as it takes to try every edge (some minutes)
	@ACD_CONTRACT=long $(BIN)/pytest -q tests/api/test_conformance.py

test-store: tools ## the database cases once more, on a real PostgreSQL
	@$(BIN)/pytest -q -n auto --dist worksteal -m postgres

test-browser: tools ## whether reports can be read by everybody and printed, in a real browser
	@$(BIN)/pytest -q -m browser

test-e2e: tools ## real SIP calls through a real Asterisk
	@$(BIN)/pytest -q -m e2e -p no:randomly

test-docker: tools ## the images and the compose file, carried out without a Docker
	@$(BIN)/pytest -q -m docker tests/boxes

bench-directory: setup ## how long a large directory takes to change, to be asked and to be listed; last line is JSON
	@PYTHONPATH=tests $(BIN)/python -m bench.directory

bench: tools ## calls beside app_queue and Dial() in one run: how soon a phone rings, how many calls, at what cost; last line is JSON (25 minutes)
	@PYTHONPATH=asterisk:tests $(BIN)/python -m bench.calls

bench-full: tools ## the same, and every size with every other (two hours)
	@PYTHONPATH=asterisk:tests $(BIN)/python -m bench.calls --full

bench-core: setup ## how fast the core decides, what a waiting call costs; last line is JSON
	@PYTHONPATH=tests $(BIN)/python -m bench.core

dashboards: setup ## write docker/grafana/dashboards/*.json anew from docker/grafana/boards.py
	@$(BIN)/python docker/grafana/boards.py

plots: tools ## some minutes of calls, and the dashboards drawn from what a real Prometheus says of them
	@$(RIG) plots

bench-figures: setup ## what a scrape of 500 towns and reports over a million records cost, and what callers feel of it; last line is JSON
	@PYTHONPATH=tests $(BIN)/python -m bench.figures

check: lint types imports ## what must hold of the code itself

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports

format: setup ## let the formatter have its way
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## forget everything made here, the private Asterisk included
	rm -rf .venv .cache .run .mypy_cache .ruff_cache .pytest_cache .hypothesis
