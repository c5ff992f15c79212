# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo
LOWEST ?= .venv-lowest

.PHONY: help install demo test test-all test-lowest pytest lint docs results clean

help:
	@echo "make demo      train on the embedded digits and draw the figures into $(DEMO)/figures"
	@echo "make test      lint and test (minutes)"
	@echo "make test-all  the same with the slow tests"
	@echo "make test-lowest  the tests with the oldest packages that setup.cfg allows, in $(LOWEST)"
	@echo "make docs      build the documentation site into docs/build, with every warning an error"
	@echo "make results   write the numbers of the published runs into README.md and docs"
	@echo "make install   create $(VENV) and install brianprop into it, editable, with the test tools"
	@echo "make clean     remove $(VENV), $(DEMO), the site and caches of the tools"

install: $(VENV)/installed

$(VENV)/installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Brianprop needs Python 3.11 or newer; name one with 'make PYTHON=python3.12 ...'."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

demo: $(VENV)/installed
	@if [ -e $(DEMO)/weights.npz ]; then echo "$(DEMO) holds a finished run; 'make clean' or 'make DEMO=folder demo' for another."; \
	elif [ -e $(DEMO)/config.json ]; then $(BIN)/brianprop resume $(DEMO); \
	else $(BIN)/brianprop train nbp --dataset digits --hidden 400 --epochs 30 --binarise 0.3 --seed 0 --out $(DEMO); fi
	$(BIN)/brianprop figures $(DEMO)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

# One process for each core that may be used, at most 8. The tests of a file stay together, since they share what is simulated.
PYTEST = $(BIN)/python -m pytest --numprocesses $$($(BIN)/python -c 'import joblib; print(min(8, joblib.cpu_count()))') --dist loadfile

test: lint pytest

test-all: lint
	$(PYTEST) -m "not cuda"

test-lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	sed -nE 's/^ +([A-Za-z0-9_-]+)(\[[a-z]*\])?>=([0-9a-z.]+)[^;]*(;.*)?$$/\1==\3\4/p' setup.cfg | sort -u > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	$(MAKE) BIN=$(LOWEST)/bin pytest

pytest:
	$(PYTEST)

# Blocks of cog in these pages say which numbers follow; a test compares.
results: $(VENV)/installed
	$(BIN)/cog -r README.md docs/results.md docs/sweep-results.md docs/gpu.md docs/performance.md

# Scripts of the gallery run again where they have changed; all else is read anew.
docs: $(VENV)/with-docs
	rm -rf docs/api
	$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet docs docs/build
	@echo "docs/build/index.html"

$(VENV)/with-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST) $(DEMO) docs/api docs/build docs/examples .pytest_cache .ruff_cache *.egg-info
