# make demo: the whole crossing on this machine.  make test: every check and test.
# Both make their own environment in .venv; nothing has to be installed before but Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench soak docs dist clean format

demo: $(VENV)/.runtime
	$(BIN)/airferry demo $(DEMO_FLAGS)

test: check docs-check
	$(BIN)/pytest -n auto -m "not soak"

# The fast part: format, lint, types and import contracts.
check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

.PHONY: docs-check
docs-check: $(STAMP)
	$(BIN)/python docs/reference/generate.py --check

docs: $(STAMP)
	$(BIN)/python docs/reference/generate.py

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m bench

# Fuzzing guided by coverage needs atheris, a compiled program that has no wheel for every Python and machine.
soak: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris --editable '.[dev,fuzz]' \
		|| echo "atheris cannot be installed here: the fuzzing that coverage guides is left out"
	$(BIN)/pytest -m soak -rsP --timeout 3600

# What travels: a wheel, one static file, one folder. The distribution's own Python, for reasons told in the script.
DIST_PYTHON ?= /usr/bin/python3
dist:
	PYTHON=$(DIST_PYTHON) packaging/build.sh dist

# The program alone, for the demo; the developer's tools come on top for everything else.
$(VENV)/.runtime: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(STAMP): $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist
