# Everything runs in .venv, which is created on first use with Python >= 3.11 and pip's package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test attack situations chaos lint bench pages image robots clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

install: $(STAMP) ## create .venv and install everything into it

demo: $(STAMP) ## start everything, play three use cases, and stop (make demo ARGS=--stay keeps it running)
	@$(BIN)/connector demo $(ARGS)

test: $(STAMP) ## run the tests (make test ARGS="-k intake" for some of them)
	@$(BIN)/python -m tests.run $(ARGS)

attack: $(STAMP) ## attack a running system with the load that each attack needs (tests/security)
	@$(BIN)/python -m pytest --load full tests/security $(ARGS)

situations: $(STAMP) ## play what goes wrong in production, and write what the programs say into docs/runbook.md
	@$(BIN)/python -m tests.support.situations

chaos: $(STAMP) ## kill everything at random on PostgreSQL, and compare with simulate (make chaos ARGS="--minutes 10 --seed 7")
	@$(BIN)/python -m tests.chaos $(ARGS)

lint: $(STAMP) ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## measure against bare baselines (make bench ARGS=--quick for a first look)
	@$(BIN)/python -m bench.run $(ARGS)

pages: $(STAMP) ## regenerate the generated parts of the documents
	@$(BIN)/python -m tests.support.settings_page
	@$(BIN)/python -m connector.app.log_events > docs/logs.md
	@$(BIN)/python -m tests.support.metrics_docs
	@$(BIN)/connector schema > examples/connector.schema.json
	@$(BIN)/python -m tests.support.reference_page

image: $(STAMP) ## execute the steps of deploy/Dockerfile as an unprivileged user, and start what they make
	@$(BIN)/python -m tests.support.image_check $(ARGS)

robots: $(STAMP) ## regenerate the list of robots' user agents from the newest public lists
	@$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(VENV)/robots crawler-user-agents crawlerdetect
	@PYTHONPATH=$(VENV)/robots $(BIN)/python -m tests.support.robots_list

clean: ## remove .venv and the caches of tools
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null || { \
	  echo "make: '$(PYTHON)' was not found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version) is too old; this needs 3.11 or newer, for example: make PYTHON=python3.12" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo 'installing into .venv, once; this takes about a minute'
	$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@
