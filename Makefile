# SPDX-License-Identifier: Apache-2.0
# Every target sets up .venv first, when it is missing or pyproject.toml changed.
PY := .venv/bin/python

.PHONY: help setup run test wheel-test regress lint types docs wheel bench fuseconv nullcache accuracy bitstream flash clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh

setup: .venv/ready ## create .venv and install everything needed

run: .venv/ready ## set up, then watch digits being classified by the generated Verilog
	@.venv/bin/sysmt demo

# Types are checked beside the tests: one after the other, one core would have nothing to do for a minute.
test: lint ## set up, check style and types, and run all tests
	@tools/typecheck.sh & $(PY) -m pytest -n 2 --dist worksteal; tests=$$?; \
	wait $$! || { echo "make: types are wrong: see what mypy says above" >&2; exit 1; }; exit $$tests

regress: .venv/ready ## the long tests that `make test` leaves out
	@$(PY) -m pytest -m regress

lint: .venv/ready ## check style and format
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet . || { echo "make: run .venv/bin/ruff format" >&2; exit 1; }

types: .venv/ready ## check types
	@tools/typecheck.sh

wheel: .venv/ready ## build the wheel into dist
	@$(PY) -m build --outdir dist .

wheel-test: .venv/ready ## build the wheel, and use it where nothing else is
	@tools/wheel-test.sh

.venv/docs: .venv/ready
	@echo "make: installing Sphinx into .venv" >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

docs: .venv/docs ## build the documentation into build/docs
	@$(PY) -m sphinx -b html -W --keep-going -q docs build/docs
	@echo build/docs/index.html

fuseconv: .venv/ready ## FuSeConv's speed-ups beside the published ones, with pictures
	@$(PY) -m sysmt fuseconv

bench: .venv/ready ## measure every figure the project claims (a few minutes)
	@$(PY) -m bench

nullcache: .venv/ready ## SparseCache: misses and time per network, table and picture
	@$(PY) -m bench.nullcache

accuracy: .venv/ready ## run all policies over the digits network, and, for long, the int8 models when they are here
	@$(PY) -m bench.accuracy

# The place and route tools of all families take 450 MB, so only those who build bitstreams get them.
.venv/boards: .venv/ready
	@echo "make: installing the place and route tools into .venv (a minute)" >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[boards]'
	@touch $@

PRESET_OF = $(if $(PRESET),--preset $(PRESET)) $(if $(SEED),--seed $(SEED))

bitstream: .venv/boards ## build the bitstream of BOARD=... (PRESET=..., SEED=...) into build/boards
	@.venv/bin/sysmt $(if $(BOARD),build $(BOARD) $(PRESET_OF) -o build/boards,boards)

flash: .venv/boards ## load the bitstream of BOARD=... onto the board; built first when it is not there
	@$(if $(BOARD),,echo "make: BOARD must be given: make flash BOARD=ulx3s; \`sysmt boards\` lists them" >&2; exit 2)
	@test -n "$$(ls build/boards/$(BOARD).bit build/boards/$(BOARD).bin build/boards/$(BOARD).fs 2>/dev/null)" || \
	  .venv/bin/sysmt build $(BOARD) $(PRESET_OF) -o build/boards
	@.venv/bin/sysmt flash $(BOARD) -o build/boards

clean: ## remove what was built (keeps .venv)
	rm -rf build dist
