# Every target sets up what it needs: a virtual environment in .venv, once.
PYTHON := .venv/bin/python
BASE := python3

.PHONY: demo test test-slow records lint bench quality docs clean

demo: .venv/installed
	@.venv/bin/sparring demo
	@echo "(The commands are in .venv: first type  source .venv/bin/activate)"

test: .venv/dev
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 -m "not slow"

test-slow: .venv/dev
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 -m slow

# Writes what tests hold on record again, after a meant change: look at the diff before committing it.
records: .venv/dev
	PYTHONPATH=.:tests $(PYTHON) tests/zoo/test_goldens.py
	PYTHONPATH=.:tests $(PYTHON) tests/zoo/test_defaults.py
	PYTHONPATH=.:tests $(PYTHON) tests/unit/networks/test_architectures.py

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/dev
	$(PYTHON) -m benchmarks step_time
	$(PYTHON) -m benchmarks costs

quality: .venv/dev
	$(PYTHON) -m benchmarks systems
	$(PYTHON) -m benchmarks conditions
	$(PYTHON) -m benchmarks stabilisers
	$(PYTHON) -m benchmarks captioned_digits short long
	$(PYTHON) -m benchmarks captioned_emoji
	$(PYTHON) -m benchmarks translation digits emoji
	$(PYTHON) -m benchmarks day_dusk
	$(PYTHON) -m benchmarks label_maps
	$(PYTHON) -m benchmarks single_image
	$(PYTHON) -m benchmarks photos

docs: .venv/docs
	$(PYTHON) tools/reference.py
	.venv/bin/zensical build --config-file mkdocs.yml --strict

clean:
	rm -rf .venv site .pytest_cache .ruff_cache .mypy_cache

.venv/bin/python:
	@echo "Making a virtual environment in .venv ..."
	@$(BASE) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sparring needs Python 3.11 or later: make BASE=python3.12")'
	@$(BASE) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing sparring and what it needs into .venv (PyTorch is large: this takes a minute or two) ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	@echo "Installing sparring and its development tools into .venv (this takes a few minutes) ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@ .venv/installed

.venv/docs: pyproject.toml | .venv/bin/python
	@echo "Installing the documentation tools into .venv ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@ .venv/installed
