# docaxis from a fresh clone. Needs python3 (3.11 or newer) and make; everything else is fetched into .venv.
# `make` alone lists what can be done.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Options for the command behind a target, as in `make demo ARGS="--scale 0.01"`.
ARGS   ?=
# Processes of the test run. Tests wait more than they compute, so one more than the two cores they are written for.
JOBS   ?= 3

SHELL         := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check bench up down lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Make .venv ready (the other targets do it by themselves)

demo: $(READY) ## Send the axis's whole published history through the hub and account for every delivery
	@$(BIN)/docaxis demo $(ARGS)

test: $(READY) ## Run the tests, on a real broker
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) ## Check format, lint, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(READY) ## Measure the parts against their floors
	@$(BIN)/docaxis bench $(ARGS)

up: $(READY) ## Start broker, hub, processors and fleet, until Ctrl-C
	@$(BIN)/docaxis up $(ARGS)

down: $(READY) ## Stop the broker that `make up`, `docaxis broker up` or `docaxis demo --keep` left running
	@$(BIN)/docaxis broker down $(ARGS)

clean: ## Stop the broker, then remove its data, caches and .venv (runs/ stays)
	@if $(BIN)/docaxis --version >/dev/null 2>&1; then $(BIN)/docaxis broker down; fi
	@rm -rf $(VENV) .docaxis dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean"

# ---- set-up: a virtual environment, uv in it, then exactly what the lock names, every file checked by its hash.

$(BIN)/uv: requirements-uv.lock
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "docaxis needs Python 3.11 or newer, and '$(PYTHON)' is not here. Install it, or name one: make PYTHON=/path/to/python3.12"; exit 4; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "docaxis needs Python 3.11 or newer; $$($(PYTHON) -V 2>&1) is '$(PYTHON)'. Name a newer one: make PYTHON=python3.12"; exit 4; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$$($(PYTHON) -V) has no venv module. Install it (on Debian and Ubuntu: the package python3-venv), then run make again."; exit 4; }
	@echo "[1/3] virtual environment and uv ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock \
	  || { rm -rf $(VENV); echo "uv could not be installed. Is the network, or the package index that pip is configured for, reachable?"; exit 4; }
	@touch $@

# uv does not read pip's configuration: the index that pip is told to use is handed on, so a mirror serves both.
$(READY): $(BIN)/uv requirements-dev.lock pyproject.toml
	@echo "[2/3] libraries ..."
	@index="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}}}"; \
	  if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	  $(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.lock \
	  || { echo "The libraries could not be installed. Is the network, or the configured package index, reachable? Is the disk full?"; exit 4; }
	@echo "[3/3] docaxis itself ..."
	@$(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

# After a change of the dependencies in pyproject.toml: newest versions that fit, no addresses in the files.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock: $(BIN)/uv ## Renew the lock files (for maintainers)
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev -o requirements-dev.lock
	@echo uv | $(COMPILE) - -o requirements-uv.lock
	@grep -ch '^[a-z].*==' requirements.lock requirements-dev.lock | paste -sd' ' | sed 's/$$/ packages locked (run time, development)/'
