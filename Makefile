# The newcomer's commands. Needs `python3` (3.11 or newer) and `make`, nothing else; everything lands in .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install demo dev test check format fuzz bench docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Make .venv and install the package with its tools

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(INSTALLED) ## Land a week of a simulated chain through real Dagster
	@$(BIN)/sonnys demo

dev: $(INSTALLED) ## Dagster's UI on the simulator, at http://127.0.0.1:3000
	@$(BIN)/sonnys demo --ui || [ $$? -eq 130 ] # Ctrl-C is how it ends

test: $(INSTALLED) ## Run every test (about 25 minutes on two cores)
	@echo "Every test, about 25 minutes on two cores; 3 minutes without the processes of acceptance/ and browser/:"
	@echo "  $(BIN)/pytest --numprocesses 2 -m 'not acceptance and not browser'"
	@# In the order of the folders: the longest waits, in acceptance/, begin first and overlap with everything else.
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(INSTALLED) ## Lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

fuzz: $(INSTALLED) ## Odd and hostile answers, some 50,000 of them (an hour or more)
	@SONNYS_FUZZ=nightly $(BIN)/pytest sonnys_pipeline_tests/fuzz --hypothesis-show-statistics

bench: $(INSTALLED) ## Measure beside the alternatives and the floor (about fifteen minutes)
	@$(BIN)/python -m benchmarks.run

format: $(INSTALLED) ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(INSTALLED) ## Build the documentation site into .site/; any warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --clean
	@echo "Documentation: .site/index.html"

clean: ## Remove what the commands made here; landed data and state stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .site build dist *.egg-info
