# Two commands: `make demo` and `make test`. Each installs what it needs into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
SOURCES := engine ten_tui tests examples tools
PYTEST_ARGS ?=

.PHONY: help install demo demo-stop test bench screenshots lint format pins clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.made:
	@tools/make_venv.sh $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made requirements/run.txt pyproject.toml
	@echo "installing ten into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed requirements/test.txt
	@echo "installing what the tests need into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

install: $(VENV)/.installed ## install ten into .venv (editable)

demo: install ## run the example for real and open the console on it
	@$(BIN)/python examples/demo.py

demo-stop: install ## stop the example
	@$(BIN)/python examples/demo.py --stop

test: $(VENV)/.tested ## run every test this host can run
	@$(BIN)/python -m tests.apart $(PYTEST_ARGS)

bench: $(VENV)/.tested ## measure the budgets against peers and print the table
	@$(BIN)/python -m tests.bench

screenshots: $(VENV)/.tested ## draw screenshots/*.svg anew
	@$(BIN)/python -m tests.tui.make_screenshots

lint: $(VENV)/.tested ## format check, ruff, import contracts, types
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/lint-imports
	@$(BIN)/mypy

format: $(VENV)/.tested ## format the sources
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

pins: $(VENV)/.tested ## write requirements/*.txt anew from pyproject.toml
	@tools/pins.sh $(BIN)

clean: ## remove what was installed and made here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
