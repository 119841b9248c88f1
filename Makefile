# Everything runs in .venv; a target that needs it makes it.
PY := .venv/bin/python
# Tests are compiled once, not by every process of every run.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait for half of their time: two workers for each processor.
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))
CHECK := .venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy
# At first one process compiles the tests, before the workers would, each for itself.
COMPILED := [ -d tests/wire/__pycache__ ] || $(PY) -m pytest --collect-only -qq >/dev/null
# Tests write 50,000 files and flush many to the disk: in memory, where there is plenty.
IN_MEMORY := df -Pk /dev/shm 2>/dev/null | awk 'END {exit $$4 < 4000000}' && \
	PYTEST_DEBUG_TEMPROOT=$$(mktemp -d /dev/shm/XXXXXX) && \
	export PYTEST_DEBUG_TEMPROOT && trap 'rm -rf "$$PYTEST_DEBUG_TEMPROOT"' EXIT
SUITE := $(PY) -m pytest -n $(WORKERS) --dist worksteal || $(PY) -m pytest --last-failed

# What the tests import is compiled when they do: of ten thousand files that is a tenth.
.venv/made: pyproject.toml
	python3 -m venv .venv && $(PY) -m pip install -q --no-compile --disable-pip-version-check -e '.[dev]'
	@touch $@

# The program alone, for who only wants to try it.
.venv/program: pyproject.toml
	python3 -m venv .venv && $(PY) -m pip install --disable-pip-version-check -e .
	@touch $@

.PHONY: try test nightly mutants check manual screen messages bench others cover clean

## try: set up and send the first request to the built-in sandbox (no key, no network)
try: $(or $(wildcard .venv/made),.venv/program)
	.venv/bin/apiyi --profile sandbox chat "Say hello to $$(uname -s)"

## test: set up, check and run everything; what fails is run once more alone, because some tests
## measure rates and silences, which a machine that is busy otherwise can spoil
test: .venv/made
	@($(CHECK)) & checked=$$!; $(COMPILED); $(IN_MEMORY); $(SUITE); tested=$$?; \
	wait $$checked || { echo "make check has failed: its messages are above"; exit 1; }; exit $$tested

## nightly: the tests that take long: every byte at which a batch can be killed, and chaos
nightly: .venv/made
	$(PY) -m pytest -n auto -m nightly
	$(MAKE) --no-print-directory mutants cover

## mutants: change lines that decide on money, time and answers; the tests must notice each
mutants: .venv/made
	$(PY) -m tests.mutants.run

## check: formatting, lint, types
check: .venv/made
	$(CHECK)

## manual: generate man/, completions/ and the compiled Chinese messages
manual: .venv/made
	$(PY) -m tests.generate

## screen: take the README's pictures of a terminal and of the page again, from real runs
screen: .venv/made
	$(PY) -m tests.screen && $(PY) -m tests.playground.screenshot

## messages: bring the Chinese messages up to date and say what lacks a translation
messages: .venv/made
	$(PY) -m tests.messages

## bench: speed and memory as ratios against references of the same run; PARTS="start token" runs
## these alone
bench: .venv/made
	$(PY) -m tests.bench.run $(PARTS)

## others: install the tools that `make bench` compares batches with; it does without them
others: .venv/made
	for name in lm-deluge bespokelabs-curator; do python3 -m venv .venv/others/$$name && \
	.venv/others/$$name/bin/pip install -q --disable-pip-version-check $$name; done

## cover: run everything that `make test` runs, say what it covered and what each file lacks; not
## part of `make test`, because measuring takes three times as long, and tests that wait for no
## longer than a user would fail then
cover: .venv/made
	-$(PY) -m pytest -n $(WORKERS) --dist worksteal --cov=apiyi_cli --cov-branch --cov-report=
	$(PY) -m coverage report && $(PY) -m tests.covered

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
