# The verbs of the workspace. `make` alone lists them. Each builds .venv first where it is missing or out of date,
# so `make demo` and `make test` work on a fresh machine that has python3 (3.11 or newer) and make.

SHELL := /bin/sh
BIN := .venv/bin
# Tests mostly wait for servers: four at once keep two cores busy. JOBS=0 runs them one after another.
JOBS := 4
# JOBS= of a bench is another thing; said on the command line only.
BENCH_JOBS = $(if $(filter command,$(firstword $(origin JOBS))),--jobs $(JOBS))
# STAMP: all of requirements.lock and requirements-dev.lock is installed; RUNTIME: at least the first.
STAMP := .venv/.installed
SITE := build/site-env
RUNTIME := .venv/.installed-runtime
# With PHOTO=, a detector finds the face: 21 MB that nothing else of the demo needs.
FACES := .venv/.installed-faces
LOCKED := --no-header --no-emit-index-url --no-annotate --universal --generate-hashes --python-version 3.11
PACKAGES := producer workers gateway simulator
EDITABLE := $(addprefix -e ./,$(PACKAGES))

# Where make was called from, for PHOTO=; the shell of a recipe only knows where the Makefile is.
export CALLED_FROM := $(PWD)
export PHOTO KEEP

.PHONY: dist help install demo test test-pythons check audit test-s3 format docs site screenshots chaos simulate lock clean
.PHONY: bench bench-startup bench-in-flight bench-board bench-enqueue bench-line bench-polling
.PHONY: bench-observers bench-memory bench-soak bench-latency bench-scaling bench-round-trips

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(RUNTIME) ## Build .venv from requirements.lock, with our packages in it (uv is used where it is found)

demo: $(if $(PHOTO),$(FACES))

demo: $(RUNTIME) ## Take photographs through the whole system (PHOTO=my.jpg for your own, KEEP=1 keeps it up)
	@case "$$PHOTO" in ''|/*) ;; *) [ -e "$$PHOTO" ] || PHOTO="$$CALLED_FROM/$$PHOTO" ;; esac; \
	case "$$KEEP" in 0|no|false) KEEP= ;; esac; \
	exec $(BIN)/swapline demo $${PHOTO:+--photo "$$PHOTO"} $${KEEP:+--keep}

test: $(STAMP) ## Run the tests: unit, conformance, integration, acceptance, architecture, a minute of chaos, a few simulated worlds
	@# The longest first. Hundreds of processes load the same modules: what is compiled is kept, in __pycache__.
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(JOBS) --dist worksteal --durations 20 tests/chaos tests/simulation tests/acceptance tests/integration tests/conformance tests/architecture tests/unit

test-pythons: $(STAMP) ## Run unit tests and the tests of installed wheels on each Python from 3.11 to 3.14 that is found (PYTHONS="3.12 3.13")
	$(BIN)/python ops/pythons.py $(PYTHONS)

simulate: $(STAMP) ## Simulate whole installations, every call a crash point (SEED=, JOBS=, POINTS=, HOURS=; STORY=1: one world; MUTANTS=1)
	PYTHONPATH=tests $(BIN)/python -m simulation.run $(if $(SEED),--seed $(SEED)) $(BENCH_JOBS) $(if $(POINTS),--points $(POINTS)) \
		$(if $(HOURS),--hours $(HOURS)) $(if $(STORY),--story) $(if $(MUTANTS),--mutants) $(ARGS)

chaos: $(STAMP) ## Kill, stop and break everything, and check that nothing is lost (KILLS=200 writes docs/chaos-report.md; SEED=, SECONDS=, ARGS="--pieces FILE --streams 3")
	PYTHONPATH=tests $(BIN)/python -m chaos.run $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

check: $(STAMP) ## Lint, format, types, directions of imports; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

format: $(STAMP) ## Format, and mend what the linter can mend itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: $(STAMP) ## Look for unpinned packages, known vulnerabilities and secrets; write build/sbom.cdx.json (AUDIT_STRICT=1: for a release)
	$(BIN)/python ops/audit.py

test-s3: $(STAMP) ## Run the tests of storage and retention against a real S3 server (CEPH=1, or S3_TEST_ENDPOINT=, S3_TEST_KEY=, S3_TEST_SECRET=)
	@[ -n "$(CEPH)" ] || : $${S3_TEST_ENDPOINT:?say where the S3 server is, or CEPH=1 to start one} $${S3_TEST_KEY:?} $${S3_TEST_SECRET:?}
	$(if $(CEPH),env -u S3_TEST_ENDPOINT S3_TEST_CEPH=1 )$(BIN)/pytest tests/conformance/test_storage.py \
		tests/integration/store/test_janitor.py tests/integration/store/test_purge.py tests/integration/store/test_canaries.py

docs: $(STAMP) ## Draw the pages that are facts of the code
	$(BIN)/python docs/draw.py

site: $(SITE)/.installed ## Build the documentation as a site: build/site/html (needs npm, which has what draws diagrams)
	$(SITE)/bin/python docs/site/build.py

screenshots: $(STAMP) ## Draw the pictures of the board and Flower in docs/images again, from a system at work (needs Chromium)
	$(BIN)/python docs/screenshots.py

bench: $(STAMP) ## Compare what a job costs here with a script, taskiq, dramatiq and Celery, in pairs (ARGS="--pairs 2 --jobs 100")
	$(BIN)/python bench/compare.py --json docs/speed.json --plot docs/speed.png $(ARGS)

bench-in-flight: $(STAMP) ## Fill thousands of slots: lag of polls, memory, shares of two workers (ARGS="--slots 5000")
	$(BIN)/python bench/in_flight.py $(ARGS)

bench-enqueue: $(STAMP) ## Measure what a backend waits for one job, by URL and with a photograph, and the rate of a bulk (JOBS=20000)
	$(BIN)/python bench/enqueue.py $(BENCH_JOBS) $(ARGS)

bench-startup: $(STAMP) ## Measure how long commands take to start and what an import costs (ARGS="--rounds 20 --against OTHER/.venv/bin")
	$(BIN)/python bench/startup.py $(ARGS)

bench-latency: $(STAMP) ## Measure the time from the poll that finds a result to its webhook (ARGS="--slots 3,32")
	$(BIN)/python bench/latency.py $(BENCH_JOBS) $(ARGS)

bench-memory: $(STAMP) ## Measure all memory with 500 in flight and large results, one worker and two (ARGS="--slots 500")
	$(BIN)/python bench/memory.py $(BENCH_JOBS) $(ARGS)

bench-soak: $(STAMP) ## See whether anything grows over many jobs; plots docs/soak.png (JOBS=20000)
	$(BIN)/python bench/soak.py $(BENCH_JOBS) $(ARGS)

bench-scaling: $(STAMP) ## Workers, jobs in flight, sizes of results; plots docs/scaling.png (ARGS="--only workers|in-flight|size")
	$(BIN)/python bench/scaling.py $(BENCH_JOBS) $(ARGS)

bench-round-trips: $(STAMP) ## Count messages, moves, round trips and flushes of a job, on the server
	$(BIN)/python bench/round_trips.py $(BENCH_JOBS) $(ARGS)

bench-observers: $(STAMP) ## Measure what a step costs more where a program observes Celery's tasks (JOBS=2000)
	$(BIN)/python bench/observers.py $(BENCH_JOBS)

bench-gateway: $(STAMP) ## Measure the gateway: latency at a rate, requests beside a bare endpoint, memory (ARGS="--listeners 500")
	$(BIN)/python bench/gateway.py $(ARGS)

bench-line: $(STAMP) ## Measure what a waiting job costs, from a thousand to a million of them (SIZES=1000,10000,100000)
	$(BIN)/python bench/waiting_line.py $(if $(SIZES),--sizes $(SIZES))

bench-board: $(STAMP) ## Ask the board over a large ledger how long its pages take (ARGS="--jobs 200000")
	$(BIN)/python bench/board.py $(ARGS)

bench-pictures: $(STAMP) ## Measure preparing, faces, variants and marks (ARGS="--rounds 9")
	$(BIN)/python bench/pictures.py $(ARGS)

bench-polling: $(STAMP) ## Compare schedules of looks: table and plot into docs/ (LIVE="--jobs 200": the whole system instead)
	$(BIN)/python $(if $(LIVE),bench/polling_live.py $(LIVE),bench/polling.py)

dist: $(STAMP) ## Build the wheels and sdists of all packages into dist/, the same bytes for the same commit, and check them
	$(BIN)/python ops/dist.py

lock: ## Resolve requirements.lock (demo and workers), -faces (a detector) and -dev (what tools need besides) again (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv; nothing else does." >&2; exit 1; }
	uv pip compile -q $(LOCKED) --extra local --extra otel --extra ed25519 $(addsuffix /pyproject.toml,$(PACKAGES)) --group build \
		$(addprefix --no-emit-package swapline-,$(PACKAGES)) -o requirements.lock
	uv pip compile -q $(LOCKED) --extra local --extra otel --extra ed25519 --extra pictures --extra c2pa $(addsuffix /pyproject.toml,$(PACKAGES)) --group bench --group dev \
		--constraints requirements.lock $(addprefix --no-emit-package swapline-,$(PACKAGES)) \
		$$(sed -n 's/^\([a-z0-9-]*\)==[^;]*$$/--no-emit-package \1/p' requirements.lock) -o requirements-dev.lock
	uv pip compile -q $(LOCKED) --extra faces simulator/pyproject.toml --constraints requirements-dev.lock \
		$$(sed -n 's/^\([a-z0-9-]*\)==[^;]*$$/--no-emit-package \1/p' requirements.lock) -o requirements-faces.lock
	uv pip compile -q $(LOCKED) --group site -o requirements-site.lock

clean: ## Remove what the verbs made: .venv, .demo, caches
	rm -rf .venv .demo dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(PACKAGES) tests bench ops -name __pycache__ -type d -prune -exec rm -rf {} +

# The site's tools have an environment of their own: they need none of our packages, and ours none of them.
$(SITE)/.installed: requirements-site.lock
	@python3 -m venv $(SITE)
	@$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-site.lock
	@touch $@

$(RUNTIME): requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(call build_environment,requirements.lock)
	@touch $(RUNTIME)

$(FACES): requirements-faces.lock $(RUNTIME)
	@if command -v uv >/dev/null; then uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-faces.lock; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-faces.lock; fi \
	&& touch $(FACES) || echo "The detector of faces cannot be installed here; the demo does without." >&2

$(STAMP): requirements.lock requirements-dev.lock pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(call build_environment,requirements.lock requirements-dev.lock)
	@touch $(RUNTIME) $(STAMP)

# PYTHON=... on the command line is tried first. A .venv of another Python is built anew: the two would mix. A lock lists
# every package with its hash, so that nothing is resolved; our packages are installed as links to their folders.
define build_environment
for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 ''; do \
	[ -n "$$python" ] || { echo "Swapline needs Python 3.11 or newer as python3; install it, or run make PYTHON=/path/to/python3." >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
done; \
set -e; \
echo "Building .venv from $(1); the first time takes a minute."; \
which='import sys; print(sys.base_prefix, sys.version)'; \
mode=; \
[ "$$($(BIN)/python -c "$$which" 2>&1)" = "$$("$$python" -c "$$which")" ] || mode=--clear; \
if command -v uv >/dev/null; then \
	uv venv --quiet $${mode:---allow-existing} --python "$$python" .venv; \
	uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes $(addprefix -r ,$(1)); \
	uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE); \
else \
	"$$python" -m venv $$mode .venv || { echo "python3 cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv." >&2; exit 1; }; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(addprefix -r ,$(1)); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLE); \
fi
endef
