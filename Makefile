# `make demo` and `make test` do all the set-up on a machine with Python 3.11 and pip.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= --for 60s
PLANT ?= compressors

.PHONY: proof demo test lint bench accuracy servers-bundle demo-bundle tables clean

demo: $(VENV)/.demo  ## the agent on a simulated plant, in this terminal
	$(BIN)/edge-agent demo $(DEMO)

# Two runs beside each other, for two cores: what waits for brokers, and what computes.
test: $(VENV)/.dev lint  ## everything: architecture, style, types, tests, each benchmark once
	$(BIN)/python -m pytest tests/kernels tests/export bench & computing=$$!; \
	$(BIN)/python -m pytest -p no:cacheprovider tests/agent tests/test_architecture.py; agent=$$?; \
	wait $$computing && exit $$agent

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: $(VENV)/.dev  ## time bench/
	$(BIN)/python -m pytest --benchmark

accuracy: $(VENV)/.dev  ## every accuracy table (hours; may be ended and begun again; needs the recordings)
	PYTHONPATH=bench $(BIN)/python -m accuracy.run

servers-bundle: $(VENV)/.dev  ## train the bundle of configs/servers.yaml again (needs the recordings)
	$(BIN)/edge-export train --family lstm-ae --data asd --out configs/bundles/servers --no-torchscript --no-report

proof: $(VENV)/.dev  ## kill, cut, fill, jump and mutate everything, at full length: bench/results/proof.md (15 minutes)
	PYTHONPATH=bench:tests $(BIN)/python -m proof

demo-bundle: $(VENV)/.dev  ## train the demo's bundles again, or one: make demo-bundle PLANT=compressors
	$(BIN)/python -m edge_export.shipped $(PLANT)

tables: $(VENV)/.dev  ## write every table of bench/results again (an hour; a quiet machine)
	$(BIN)/python bench/lstm_ae_table.py
	$(BIN)/python bench/gevae_table.py
	$(BIN)/python bench/round_robin.py
	$(BIN)/python bench/gateway_table.py
	PYTHONPATH=tests $(BIN)/python bench/ingest_table.py
	$(BIN)/python bench/kernel_table.py
	$(BIN)/python bench/cold_start.py
	$(BIN)/python bench/servers_accuracy.py
	$(BIN)/python bench/plant_accuracy.py
	$(BIN)/python bench/vus_ranks.py
	$(BIN)/python bench/power_accuracy.py
	$(BIN)/python bench/usad_table.py
	$(BIN)/python bench/bearing_accuracy.py
	$(BIN)/python bench/bearing_accuracy.py --shipped
	$(BIN)/python bench/vae_table.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The gateway and what the demo needs: no torch.
$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet -e '.[demo]'
	touch $@

# The rest: training, peers, tools.
$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet -e '.[dev]'
	$(BIN)/pip install --quiet --no-deps -r bench/aeon.txt
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
