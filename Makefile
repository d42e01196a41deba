# Everything runs in a virtual environment of its own; nothing is installed outside of it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
ORACLES := $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[oracles]' 2> /dev/null

# Two workers share two cores; spinning BLAS threads would slow both.
export OPENBLAS_NUM_THREADS := 1

.PHONY: help setup demo test test-all lint clean

help:
	@echo "make demo      a language model speaks through generated hardware (about 5 minutes, later 1)"
	@echo "make test      linters, types and the tests (about 15 minutes)"
	@echo "make test-all  the long tier too (up to an hour)"
	@echo "make setup     only the virtual environment in $(VENV)"

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gemmsmith needs Python 3.11 or newer, not " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(ORACLES) || echo "softposit cannot be built without a C compiler: its tests will be skipped"
	@touch $@

demo: $(READY)
	$(BIN)/gemmsmith demo -o demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

# The tools are WebAssembly and are compiled at their first call; do that once, before the workers want them.
test: lint
	$(BIN)/gemmsmith doctor --warm-up
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: lint
	$(BIN)/gemmsmith doctor --warm-up
	$(BIN)/python -m pytest -n 2 --dist worksteal

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
