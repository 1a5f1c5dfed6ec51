# Plimsoll. `make` alone lists the targets.
#
# Every target that needs the environment makes it first, once: a stamp file in .venv (and in node_modules for anvil)
# is newer than the lock files as long as nothing changed.
#
#   PYTHON=...   the interpreter to build .venv with (3.11 or 3.12; otherwise the first that works)
#   JOBS=2       processes of what computes
#   TEST_JOBS=   test processes: one more than there are cores, since some tests wait for a node's next block
#   ARGS=...     more arguments for the command that a target runs: make test ARGS="-k margin"
#   ROW=...      one row of the figures: make figures ROW=name
#   N=... SEED=  cases of `make agree`, and from where they are drawn

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

JOBS ?= 2
TEST_JOBS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
ARGS ?=
ROW ?=

BIN := .venv/bin
PY := $(BIN)/python
VENV := .venv/.installed
PACKAGE := .venv/.package
MAMUSHI := .venv-mamushi/.installed
SYMBOLIC := .venv-symbolic/.installed
MUTMUT := .venv-mutmut/.installed
ANVIL := node_modules/.installed
CONTRACTS := $(sort $(shell find contracts -name '*.vy' -o -name '*.vyi' 2>/dev/null))
COMPILED := .build/.compiled

export PATH := $(CURDIR)/node_modules/.bin:$(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first interpreter that runs, is 3.11 or 3.12 and can make an environment. Found by running it: a name on PATH may
# be a shim with nothing behind it.
define find_python
found=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3.11 python3.12 python3); do \
    if "$$candidate" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
        >/dev/null 2>&1; then found=$$candidate; break; fi; \
done; \
if [ -z "$$found" ]; then \
    echo "make: no working Python 3.11 or 3.12 with venv found (tried $(if $(PYTHON),$(PYTHON),python3.11, python3.12, python3));" \
        "install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
fi
endef

##@ Use

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(PACKAGE) anvil ## make .venv and fetch anvil; the other targets do so by themselves

.PHONY: demo
demo: setup ## the whole loop on a local chain, in the terminal
	$(BIN)/plimsoll demo $(ARGS)

.PHONY: demo-node
demo-node: setup ## keeper, risk nodes and liquidator against a node of their own, through a small crash
	$(BIN)/plimsoll demo-node $(ARGS)

##@ Test

# Under CI=true a test that cannot run fails; elsewhere it is left out, and named at the end.
PYTEST := $(PY) -m pytest -n $(TEST_JOBS) --dist worksteal --durations=10

.PHONY: test
test: setup $(COMPILED) ## every test but the long ones
	PLIMSOLL_PROFILE=ci $(PYTEST) $(ARGS)

.PHONY: test-quick
test-quick: setup $(COMPILED) ## the fast tests, with few examples
	PLIMSOLL_PROFILE=quick $(PYTEST) -m "not slow and not long" $(ARGS)

.PHONY: long
long: setup $(COMPILED) ## every test, with many examples: an hour or more
	PLIMSOLL_PROFILE=long $(PYTEST) -m "" $(ARGS)

FORMAT_VYPER = .venv-mamushi/bin/mamushi --line-length 120 --quiet

.PHONY: lint
lint: $(PACKAGE) $(MAMUSHI) ## ruff, mypy, natrix, mamushi
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(CONTRACTS),$(BIN)/natrix lint contracts)
	@echo mamushi --check contracts
	@$(if $(CONTRACTS),$(FORMAT_VYPER) --check $(CONTRACTS) || { $(FORMAT_VYPER) --diff $(CONTRACTS); exit 1; })

.PHONY: format
format: $(PACKAGE) $(MAMUSHI) ## rewrite what `lint` would complain about, where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@$(if $(CONTRACTS),$(FORMAT_VYPER) $(CONTRACTS))

##@ Audit

.PHONY: audit
audit: setup $(COMPILED) $(SYMBOLIC) $(MUTMUT) ## every check afresh, and a dated report of it: build/audit/audit.html
	$(BIN)/plimsoll audit --jobs $(JOBS) $(ARGS)

.PHONY: agree
agree: setup $(COMPILED) ## drawn cases on bytecode and twin, put on record: N=1000000 SEED=1
	$(PY) -m tests.scale --cases $(or $(N),1000000) $(if $(SEED),--seed $(SEED)) --jobs $(JOBS) --record $(ARGS)

.PHONY: prove
prove: setup ## the lemmas of the arithmetic, by z3
	$(PY) -m tests.proofs $(ARGS)

.PHONY: symbolic
symbolic: setup $(COMPILED) $(SYMBOLIC) ## symbolic checks of the compiled bytecode, by halmos
	$(PY) -m tests.symbolic --jobs $(JOBS) $(ARGS)

.PHONY: searches
searches: setup $(COMPILED) ## books that lose more than their margin, splits that lower one: none is to be found
	$(PY) -m tests.searches $(ARGS)

.PHONY: mutate
mutate: setup $(COMPILED) $(MUTMUT) ## mutants of contracts and twin that no test notices
	$(PY) -m tests.mutation --jobs $(JOBS) $(ARGS)

.PHONY: coverage
coverage: setup $(COMPILED) ## lines and branches of contracts and package that tests reach
	$(PY) -m tests.coverage --jobs $(JOBS) $(ARGS)

.PHONY: snapshots
snapshots: setup $(COMPILED) ## interfaces, selectors, storage layouts and code hashes, against git
	$(PY) -m tests.snapshots $(ARGS)

.PHONY: snapshots-update
snapshots-update: setup $(COMPILED) ## renew them
	$(PY) -m tests.snapshots --update $(ARGS)

.PHONY: verify-build
verify-build: setup $(COMPILED) ## recompile from a clean copy, and compare with what is used
	$(BIN)/plimsoll verify-build --artifacts .build $(ARGS)

##@ Measure

.PHONY: faults
faults: setup $(COMPILED) ## 30 minutes of drawn faults against a running keeper; SEED=7 MINUTES=3 for others
	$(PY) -m plimsoll.simulate.rig.faults --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1) $(ARGS)

.PHONY: bench
bench: setup $(COMPILED) ## gas and bytecode size, against the snapshot in git
	$(PY) -m tests.bench.gas $(ARGS)

.PHONY: bench-update
bench-update: setup $(COMPILED) ## renew that snapshot
	$(PY) -m tests.bench.gas --update $(ARGS)

.PHONY: figures
figures: setup ## the figures of the README; ROW=name for one
	$(PY) -m plimsoll.figures $(ROW) $(ARGS)

.PHONY: figures-long
figures-long: setup ## the figures that take long
	$(PY) -m plimsoll.figures --long $(ROW) $(ARGS)

##@ Keep house

.PHONY: compile
compile: $(COMPILED) ## compile the contracts into .build

.PHONY: lock
lock: .venv-lock/.installed ## renew the hashed lock files from requirements/*.in (ARGS=--upgrade for newer versions)
	for name in build main mamushi symbolic mutmut; do \
	    env -u PIP_FIND_LINKS UV_NO_CONFIG=1 .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	        --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header $(ARGS) \
	        --output-file requirements/$$name.lock requirements/$$name.in; \
	done

.PHONY: clean
clean: ## remove what was built and cached; .venv and node_modules stay
	rm -rf .build build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache offchain/*.egg-info
	find contracts offchain scripts tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	rm -f $(PACKAGE)

.PHONY: distclean
distclean: clean ## remove the environments too
	rm -rf .venv .venv-mamushi .venv-symbolic .venv-mutmut .venv-lock node_modules

# ---------------------------------------------------------------------------------------------------- environments

# The locks are complete, so nothing is left to resolve (--no-deps; `pip check` proves it), and Python compiles a module
# when it is first imported (--no-compile): together they save a third of the time. It must be let keep what it compiled,
# or each process, and there are dozens, would compile all it imports anew: ten seconds of every start.
unexport PYTHONDONTWRITEBYTECODE

PIP_INSTALL = bin/python -m pip install -qq --require-hashes --no-build-isolation --no-deps --no-compile

$(VENV): requirements/build.lock requirements/main.lock
	@$(find_python); echo "make: .venv with $$found ($$("$$found" -c 'import platform; print(platform.python_version())'))"; \
	"$$found" -m venv --clear .venv
	.venv/$(PIP_INSTALL) -r requirements/build.lock
	.venv/$(PIP_INSTALL) -r requirements/main.lock
	$(PY) -m pip check
	@touch $@

# The package itself, editable: its console script and its version.
$(PACKAGE): $(VENV) pyproject.toml requirements/run.in offchain/plimsoll/__init__.py
	$(PY) -m pip install -qq --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(MAMUSHI): requirements/mamushi.lock
	@$(find_python); "$$found" -m venv --clear .venv-mamushi
	.venv-mamushi/$(PIP_INSTALL) -r requirements/mamushi.lock
	@touch $@

$(SYMBOLIC): requirements/symbolic.lock
	@$(find_python); "$$found" -m venv --clear .venv-symbolic
	.venv-symbolic/$(PIP_INSTALL) -r requirements/symbolic.lock
	@touch $@

$(MUTMUT): requirements/mutmut.lock
	@$(find_python); "$$found" -m venv --clear .venv-mutmut
	.venv-mutmut/$(PIP_INSTALL) -r requirements/mutmut.lock
	@touch $@

.venv-lock/.installed:
	@$(find_python); "$$found" -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv==0.13.8
	@touch $@

# anvil is wanted, not needed: without Node.js the tests on it are left out. npm puts a wrapper script into
# node_modules/.bin; the link leads past it to the program, which so gets its signals itself.
.PHONY: anvil
anvil:
	@if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then \
	    echo "make: no Node.js; going on without anvil" >&2; \
	elif ! $(MAKE) --no-print-directory --silent $(ANVIL); then \
	    echo "make: npm could not fetch anvil; going on without" >&2; \
	fi

$(ANVIL): package.json package-lock.json .npmrc
	npm install --no-save --loglevel=error
	ln -sf ../$$(cd node_modules && ls -d @foundry-rs/anvil-*/bin/anvil | head -1) node_modules/.bin/anvil
	node_modules/.bin/anvil --version
	@touch $@

# Before the tests, so that several test processes do not compile the same contract at once; and forced, because ape does
# not see that a contract changed when a module that it imports did. Both at once, for ape's scripts and for the package:
# neither needs more than a core.
$(COMPILED): $(PACKAGE) ape-config.yaml $(CONTRACTS)
	$(if $(CONTRACTS),$(PY) -m plimsoll.chain.artifacts >/dev/null & $(BIN)/ape compile --force && wait $$!)
	@mkdir -p $(@D)
	@touch $@
