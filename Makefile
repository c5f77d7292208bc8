# Needs Python 3.11 or newer and make; everything else goes into .venv. `make help` lists the targets.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=
OUT ?= runs/savings-quick

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
CODE := savings_gym agents experiments tests docs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup savings test check format build wheel docs clean

help: ## list the targets
	@echo "make TARGET [PYTHON=python3.11] [ARGS='...']"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '%-10s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## create .venv and install the project with its development tools

# The stamp is touched last, so an interrupted set-up resumes the next time.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "savings_gym needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		  echo "Name another interpreter, for example: make setup PYTHON=python3.11"; exit 1; } >&2
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet -c constraints.txt hatchling editables setuptools  # setuptools builds moviepy
	$(PY) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

# The report is a command of its own, after the run: whatever becomes of it, the run is whole. Its table was shown.
savings: $(STAMP) ## run the four-phase experiment at its quick length, in OUT, and write its report: a few minutes
	@$(if $(findstring --out,$(ARGS)),$(error name the folder with OUT=..., not in ARGS))
	$(PY) -m experiments.savings --preset quick --out $(OUT) $(ARGS)
	@$(PY) -m experiments.report $(OUT) > /dev/null

# One computing thread per worker: the workers share the cores.
# They take whole files, the long ones first. Bytecode is kept, since many tests start commands.
test: $(STAMP) ## run the tests (WORKERS=1 for a single process; ARGS='-m "not slow"' for the quick ones)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
		$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMP) ## check style, formatting, types and the direction of imports
	$(PY) -m ruff check $(CODE)
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache --no-logo

format: $(STAMP) ## fix what the linter can fix, and format
	$(PY) -m ruff check --fix $(CODE)
	$(PY) -m ruff format $(CODE)

build: $(STAMP) ## build sdist and wheel, then install and try the wheel outside the checkout
	rm -rf dist
	$(PY) -m build --no-isolation
	$(PY) tests/smoke_wheel.py dist

wheel: ## build the wheel and try it in empty environments, with nothing but PYTHON (no set-up needed)
	rm -rf dist build/wheel
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet -c constraints.txt build
	build/wheel/bin/python -m build
	build/wheel/bin/python tests/smoke_wheel.py dist

# -E: pages are also made from READMEs and docstrings, whose changes Sphinx does not see. Notebooks run if they changed.
docs: $(STAMP) ## build the documentation into docs/_build/html (ARGS='-D nb_execution_mode=off' runs no notebook)
	$(PY) -m sphinx -E -q -W --keep-going $(ARGS) docs docs/_build/html

clean: ## remove the environment, builds and caches; results in runs/ stay
	rm -rf $(VENV) dist build docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
