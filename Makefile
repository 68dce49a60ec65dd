# SPDX-License-Identifier: Apache-2.0
# Every target sets up .venv first, when it is missing or pyproject.toml changed.
PY := .venv/bin/python

.PHONY: help setup run test regress lint bench fuseconv nullcache accuracy clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh

setup: .venv/ready ## create .venv and install everything needed

run: .venv/ready ## set up, then watch digits being classified by the generated Verilog
	@.venv/bin/sysmt demo

test: .venv/ready ## set up, lint and run all tests
	@.venv/bin/ruff check .
	@$(PY) -m pytest -n 2 --dist worksteal

regress: .venv/ready ## the long tests that `make test` leaves out
	@$(PY) -m pytest -m regress

lint: .venv/ready ## check style
	@.venv/bin/ruff check .

fuseconv: .venv/ready ## FuSeConv's speed-ups beside the published ones, with pictures
	@$(PY) -m sysmt.main fuseconv

bench: .venv/ready ## measure every figure the project claims (a few minutes)
	@$(PY) -m bench

nullcache: .venv/ready ## SparseCache: misses and time per network, table and picture
	@$(PY) -m bench.nullcache

accuracy: .venv/ready ## run all policies over the digits network, and, for long, the int8 models when they are here
	@$(PY) -m bench.accuracy

clean: ## remove what was built (keeps .venv)
	rm -rf build
