# SPDX-License-Identifier: Apache-2.0
# Every target sets up .venv first, when it is missing or pyproject.toml changed.
PY := .venv/bin/python

.PHONY: help setup run test lint bench accuracy clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh

setup: .venv/ready ## create .venv and install everything needed

test: .venv/ready ## set up, lint and run all tests
	@.venv/bin/ruff check .
	@$(PY) -m pytest

lint: .venv/ready ## check style
	@.venv/bin/ruff check .

accuracy: .venv/ready ## run all policies over the digits network, and the int8 models when they are here
	@$(PY) -m bench.accuracy

clean: ## remove what was built (keeps .venv)
	rm -rf build
