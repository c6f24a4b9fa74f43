# Every target sets up what it needs, in .venv, from the lock files. Needed beforehand: Python 3.11 or newer with pip and venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# What to test, e.g. make test TESTS="tests/store -x", how the tests run (in two processes, those of a file in the same one), and
# arguments for the benchmark, e.g. make bench BENCH=--quick.
TESTS ?=
PYTEST_ARGS ?= -n 2 --dist loadfile
BENCH ?=
# How long the simulation of devices and a failing server goes on, in seconds.
SOAK_SECONDS ?= 600
# How often a server under load is killed on each engine.
SOAK_KILLS ?= 50

.PHONY: help run test check lint format bench soak proto docs lock clean
.DELETE_ON_ERROR:

help:
	@echo "make run     serve a demonstration with two people's mail, calendars, tasks and contacts"
	@echo "make test    run the tests; those on PostgreSQL where its programs are installed"
	@echo "make check   everything that has to hold: format, lint, types, import contracts, generated code, tests"
	@echo "make lint    the same without the tests"
	@echo "make format  put the code into its format"
	@echo "make bench   measure; BENCH=--quick for a first look, BENCH=--help for all choices"
	@echo "make soak    simulate devices and a failing server with new seeds for SOAK_SECONDS=600; kill one that sends mail SOAK_KILLS=50 times"
	@echo "make proto   generate proto/gen from proto/"
	@echo "make docs    write docs/reference from the commands, the settings and the contract"
	@echo "make lock    write the lock files anew from pyproject.toml; UPGRADE=--upgrade takes the newest versions"
	@echo "make clean   remove what the other targets made"

run: $(VENV)/.runtime
	$(BIN)/rookeryd demo

test: $(VENV)/.development
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(TESTS)

check: lint test

lint: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tools
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/genproto.py --check

format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.development
	$(BIN)/python -m tests.bench $(BENCH)

soak: $(VENV)/.development
	$(BIN)/python -m tests.simulation --seconds $(SOAK_SECONDS)
	$(BIN)/python -m tests.mail_soak --kills $(SOAK_KILLS)

proto: $(VENV)/.development
	$(BIN)/python tools/genproto.py

docs: $(VENV)/.development
	$(BIN)/python -m tools.reference

lock: $(VENV)/.created
	$(PIP) install uv
	$(BIN)/python tools/lock.py $(UPGRADE)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Rookery needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml $(VENV)/.created
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

# The development lock holds everything of the runtime lock in the same versions, so it settles both.
$(VENV)/.development: requirements-dev.lock requirements.lock pyproject.toml $(VENV)/.created
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $(VENV)/.runtime $@
