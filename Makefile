# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo

.PHONY: help install demo test test-all lint clean

help:
	@echo "make demo      train on the embedded digits and draw the figures into $(DEMO)/figures"
	@echo "make test      lint and test (minutes)"
	@echo "make test-all  the same with the slow tests"
	@echo "make install   create $(VENV) and install brianprop into it, editable, with the test tools"
	@echo "make clean     remove $(VENV), $(DEMO) and caches of the tools"

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

# the tests of a file stay together, since they share what is simulated
PYTEST = $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile

test: lint
	$(PYTEST)

test-all: lint
	$(PYTEST) -m "not cuda"

clean:
	rm -rf $(VENV) $(DEMO) .pytest_cache .ruff_cache *.egg-info
