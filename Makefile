# A Python 3.11 or newer is all that has to be there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPING := $(VENV)/.developing

.PHONY: demo test lint types imports generated check screenshot constraints clean

demo: $(INSTALLED)  ## Run a simple and a complex workflow and name the address of the Prefect UI.
	$(BIN)/opsconductor run examples/disk_check.yaml
	$(BIN)/opsconductor run examples/incident_triage.yaml
	$(BIN)/opsconductor status

test: $(DEVELOPING)  ## All tests; they start and stop their own servers.
	$(BIN)/pytest -q -n 2 --dist loadgroup

check: lint types imports generated

lint: $(DEVELOPING)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(DEVELOPING)
	$(BIN)/mypy

imports: $(DEVELOPING)
	$(BIN)/lint-imports

generated: $(DEVELOPING)  ## What is generated and committed is what would be generated now.
	$(BIN)/python -m codegen.schema --check
	$(BIN)/python -m codegen.engine_table --check
	$(BIN)/python -m tests.golden.update --check
	$(BIN)/python -m tests.chaos.faults --check

screenshot: $(DEVELOPING)  ## The picture in the README, from a real run; needs chromium.
	$(BIN)/python docs/screenshot.py

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --constraint constraints.txt
	touch $(INSTALLED)

$(DEVELOPING): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	touch $(DEVELOPING)

constraints:  ## The newest versions that the ranges allow, as the new tested set.
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet '.[dev]'
	echo "# The versions that were tested together; \`make constraints\` takes the newest ones." > constraints.txt
	build/constraints/bin/python -m pip freeze --exclude opsconductor >> constraints.txt

clean:
	rm -rf $(VENV) build
