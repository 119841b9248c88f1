# Everything runs in .venv; a target that needs it makes it.
PY := .venv/bin/python

.venv/made: pyproject.toml
	python3 -m venv .venv && $(PY) -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

.PHONY: try test check manual bench cover clean

## try: set up and send the first request to the built-in sandbox (no key, no network)
try: .venv/made
	.venv/bin/apiyi --profile sandbox chat "Say hello to $$(uname -s)"

## test: set up and run everything
test: .venv/made check
	$(PY) -m pytest -n auto

## check: formatting, lint, types
check: .venv/made
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

## manual: generate man/ and completions/ from the option table
manual: .venv/made
	$(PY) -m apiyi_cli.cli.generate

## bench: speed and memory as ratios against references of the same run
bench: .venv/made
	$(PY) tests/bench/run.py

## cover: the suite with branch coverage
cover: .venv/made
	$(PY) -m pytest -n auto --cov=apiyi_cli --cov-branch --cov-report=term

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
