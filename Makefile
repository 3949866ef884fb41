# A Python 3.11 or newer is all that has to be there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint types imports generated check screenshot clean

demo: $(INSTALLED)  ## Run a simple and a complex workflow and name the address of the Prefect UI.
	$(BIN)/opsconductor run examples/disk_check.yaml
	$(BIN)/opsconductor run examples/incident_triage.yaml
	$(BIN)/opsconductor status

test: $(INSTALLED)  ## All tests; they start and stop their own servers.
	$(BIN)/pytest -q -n 2 --dist loadgroup

check: lint types imports generated

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

generated: $(INSTALLED)  ## What is generated and committed is what would be generated now.
	$(BIN)/python -m codegen.schema --check
	$(BIN)/python -m tests.golden.update --check

screenshot: $(INSTALLED)  ## The picture in the README, from a real run; needs chromium.
	$(BIN)/python docs/screenshot.py

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $(INSTALLED)

clean:
	rm -rf $(VENV)
