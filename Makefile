# make run    install simnet into .venv, run the quickstart, say where its figures are
# make test   the same environment with the test tools: ruff, mypy, pytest
# make notebooks   install what notebooks need, too, and run all of them from top to bottom
# make docs   write what README.md and docs/algorithms.md say of the algorithms
# make clean  remove what these two made; other results in runs/ stay
#
# PYTHON names the interpreter that makes .venv: make run PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PACKAGING := setup.cfg pyproject.toml constraints.txt

.DELETE_ON_ERROR:
.PHONY: run test notebooks docs clean

run: $(VENV)/.installed
	$(BIN)/simnet run scenarios/quickstart.yaml --out runs/quickstart

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

notebooks: $(VENV)/.installed-notebooks
	$(BIN)/python notebooks/run.py

docs: $(VENV)/.installed
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) runs/quickstart build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# Each stamp is touched last, so that an interrupted step is done again.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "simnet needs Python 3.11 or later, but $(PYTHON) is $$($(PYTHON) --version 2>&1 || true);" \
	    "install one and name it, for example: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created $(PACKAGING)
	@echo "Installing simnet into $(VENV); the first time takes a few minutes ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-notebooks: $(VENV)/.installed
	@echo "Installing what notebooks need into $(VENV) ..."
	@$(INSTALL) -e '.[notebooks]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing the test tools into $(VENV) ..."
	@$(INSTALL) -e '.[test]'
	@touch $@
