# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt
SHARED := $(wildcard ../shared)
ifneq ($(SHARED),)
export HOWFAR_MODELS ?= $(abspath $(SHARED)/models)
endif

.PHONY: demo test check bench clean

demo: $(VENV)/demo.done ## detect and range on photographs, or on IMAGE=your.jpg
	$(BIN)/python examples/demo.py --photos $(VENV)/photos/skimage/data $(IMAGE)

test: $(VENV)/dev.done check ## everything: checks and all tests
	$(BIN)/python -m pytest -m "" -q

check: $(VENV)/dev.done ## lint, format, types, layers, fast tests' collection
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.done ## measure speed and memory; prints tables
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.done: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

$(VENV)/demo.done: $(VENV)/core.done
	$(PIP) --no-deps --target $(VENV)/photos --upgrade scikit-image
	touch $@

$(VENV)/dev.done: $(VENV)/core.done
	$(PIP) -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
