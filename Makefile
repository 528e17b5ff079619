# The newcomer's commands. Needs `python3` (3.11 or newer) and `make`, nothing else; everything lands in .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# dbt's own environment, on top of the other: dbt-core needs an older pathspec than mypy does.
DBT := $(VENV)/dbt
DBT_INSTALLED := $(DBT)/.installed
# uv takes a third of pip's time: it downloads several packages at once, and leaves compiling to who imports them. pip brings
# it, and does the work itself where uv finds no packages: behind a mirror that only pip has been told of.
INTO = $(BIN)/uv pip install --quiet --python $(1) $(2) || $(1) -m pip install --quiet --disable-pip-version-check $(2)
# Four workers on two cores: those of acceptance/ and browser/ mostly wait, see support/schedule.py. The tests of a file
# stay together, because they share servers.
PYTEST := $(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder
# They wait for seconds that really pass: a worker for each file, so that all of them wait at once.
OUTAGES = $$(grep -rl --include 'test_*.py' 'mark\.outage' sonnys_pipeline_tests)

.PHONY: help install demo dev test test-all outages check format fuzz bench docs lowest newest versions trial release clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Make .venv and install the package with its tools

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@$(call INTO,$(BIN)/python,--constraint constraints.txt --editable '.[dev]')
	@touch $@

$(DBT_INSTALLED): $(INSTALLED) examples/dbt/constraints.txt
	@$(BIN)/python -m venv --clear --without-pip $(DBT)
	@$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' > \
	  "$$($(DBT)/bin/python -c 'import site; print(site.getsitepackages()[0])')/below.pth"
	@$(call INTO,$(DBT)/bin/python,--no-deps --requirement examples/dbt/constraints.txt)
	@touch $@

demo: $(INSTALLED) ## Land a week of a simulated chain through real Dagster
	@$(BIN)/sonnys demo

dev: $(INSTALLED) ## Dagster's UI on the simulator, at http://127.0.0.1:3000
	@$(BIN)/sonnys demo --ui || [ $$? -eq 130 ] # Ctrl-C is how it ends

test: $(DBT_INSTALLED) ## Run the tests, except those of real outages (ten to twelve minutes on two cores)
	@$(PYTEST) -m "not outage" $(PYTEST_OPTIONS)

outages: $(INSTALLED) ## Run the tests that wait for real outages (about four minutes)
	@files=$(OUTAGES) && $(BIN)/pytest --numprocesses $$(wc -w <<< "$$files") --dist loadfile -m outage $$files

test-all: test outages ## Run every test

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

lowest: $(INSTALLED) ## Run telling tests and the demo with the lowest versions that pyproject.toml allows
	@$(BIN)/python -m release.bounds lowest

newest: $(INSTALLED) ## The same with the newest versions of today
	@$(BIN)/python -m release.bounds newest

versions: $(INSTALLED) ## The same on each Python that is supported, with the versions of constraints.txt
	@$(BIN)/python -m release.bounds versions

trial: $(INSTALLED) ## Install the last commit's wheel alone and run its demo in an empty folder: seconds and megabytes
	@$(BIN)/python -m release.trial

release: $(INSTALLED) ## Make a release of the last commit in dist/: built twice, tried, licences checked
	@$(BIN)/python -m release

clean: ## Remove what the commands made here; landed data and state stay
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .site build dist *.egg-info
