# Every target sets up what it needs: a virtual environment in .venv, once.
PYTHON := .venv/bin/python
BASE := python3

.PHONY: demo test test-slow lint bench quality docs clean

demo: .venv/installed
	@.venv/bin/sparring demo
	@echo "(The commands are in .venv: first type  source .venv/bin/activate)"

test: .venv/dev
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 -m "not slow"

test-slow: .venv/dev
	OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 -m slow

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/dev
	$(PYTHON) benchmarks/speed.py
	$(PYTHON) benchmarks/costs.py

quality: .venv/dev
	$(PYTHON) benchmarks/quality.py
	$(PYTHON) benchmarks/control.py
	$(PYTHON) benchmarks/promises.py
	$(PYTHON) benchmarks/words.py short long
	$(PYTHON) benchmarks/emoji.py
	$(PYTHON) benchmarks/translation.py digits emoji
	$(PYTHON) benchmarks/dusk.py
	$(PYTHON) benchmarks/painting.py
	$(PYTHON) benchmarks/one_image.py

docs: .venv/docs
	.venv/bin/zensical build --config-file mkdocs.yml

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
