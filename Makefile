# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt
SHARED := $(wildcard ../shared)
ifneq ($(SHARED),)
export HOWFAR_MODELS ?= $(abspath $(SHARED)/models)
endif

.PHONY: demo test check lint bench clean

demo: $(VENV)/demo.done ## detect and range on photographs, or on IMAGE=your.jpg
	$(BIN)/python examples/demo.py --photos $(VENV)/photos/skimage/data $(if $(IMAGE),"$(IMAGE)")

test: lint ## everything: lint, types, layers and all tests
	sh tests/browser/install_chromium.sh
	sh tests/install_rtsp_server.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" -q -n 2 --dist loadfile

check: lint ## before a commit: lint, types, layers and the fast tests
	$(BIN)/python -m pytest -q

lint: $(VENV)/dev.done ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.done ## measure speed and memory; prints tables
	for name in overhead distance side_by_side cold_start memory val_overhead synthetic_rate video_throughput; do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

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
