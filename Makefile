# The words of this project; `make` alone lists them. Each makes .venv and builds the extension modules first where
# that is needed, and only then: see tools/bootstrap.py. To be set on the command line or in the environment:
#
#   PYTHON=python3.12          the interpreter that .venv is made with
#   ACD_BUILD=debug            another build of the extension modules: see setup.py
#   ARGS="..."                 handed on by run, test, bench, coverage and sanitize
#   PORT=7500 METRICS_PORT=    other ports for `make run`
#   JOBS=2                     how many tests run at a time

PYTHON ?= python3
JOBS ?= 2
SEED ?= 1
STEPS ?= 100000
MINUTES ?= 30
AGENTS ?= 60
RATE ?= 3
WAITING ?= 100 500 1000

# setup.py is not among them: its base classes have no types.
TYPED := $(sort $(dir $(wildcard */*.py)))
CYTHON := $(wildcard acd_core/*.pyx acd_protocol/*.pyx acd_sim/*/*.pyx bench/*.pyx server/*.pyx)
STUBS := $(wildcard $(CYTHON:.pyx=.pyi))
RUN := .venv/bin/python -m

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test test-monitoring test-asterisk soak-asterisk bench-asterisk check build bench goals peers instructions safety performance cost coverage sanitize annotate docs lock sbom vulnerabilities wheel lockstep oracles quality sim faults fuzz ci format clean distclean

help: ## list these words
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' Makefile | expand -t 16

run: build ## start the server and a simulated contact centre, live in the terminal (PORT=, METRICS_PORT=, ARGS=)
ifdef PORT
run: export ACD_PORT := $(PORT)
endif
ifdef METRICS_PORT
run: export ACD_METRICS_PORT := $(METRICS_PORT)
endif
run:
	@exec $(RUN) server demo $(ARGS)

test: build ## run the tests (ARGS="-k name")
	@$(RUN) pytest -n $(JOBS) $(ARGS)

test-monitoring: build ## a real Prometheus: a simulated day, a staged incident, rules and their tests; installs it if missing
	@tools/install_prometheus.sh
	@$(RUN) pytest -n $(JOBS) --dist loadfile --timeout=240 --reruns 1 tests/monitoring/check_*.py $(ARGS)

# They wait more than they compute, so twice as many run at a time.
test-asterisk: build ## a real Asterisk with SIPp's callers and agents: calls, failures, restarts; installs both if missing
	@tools/install_asterisk.sh
	@$(RUN) pytest -n $(if $(filter auto logical,$(JOBS)),$(JOBS),$$((2 * $(JOBS)))) --dist worksteal --timeout=240 --reruns 1 tests/asterisk/check_*.py $(ARGS)

soak-asterisk: build ## SIP calls for MINUTES=30 to AGENTS=60 while adapter, engine and Asterisk are killed at random (RATE=3)
	@tools/install_asterisk.sh
	@$(RUN) tests.asterisk.soak --minutes $(MINUTES) --agents $(AGENTS) --rate $(RATE) $(ARGS)

bench-asterisk: build ## an agent's call ends, his phone rings next: how long, beside app_queue; into docs/asterisk.md (WAITING=)
	@tools/install_asterisk.sh
	@$(RUN) tests.asterisk.gap --waiting $(WAITING) $(if $(ARGS),$(ARGS),--page)

check: build ## lint, formatting, types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy $(TYPED)
	@$(RUN) mypy.stubtest --mypy-config-file pyproject.toml $(subst /,.,$(basename $(STUBS)))
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(RUN) cython_lint.cython_lint $(foreach file,$(CYTHON) $(wildcard $(CYTHON:.pyx=.pxd)),"$(CURDIR)"/$(file))

build: ## make .venv and build the extension modules, where anything has changed (ACD_BUILD=debug)
	@command -v "$(PYTHON)" >/dev/null || \
	{ echo "There is no $(PYTHON): on Debian and Ubuntu install the package python3." >&2; exit 2; }
	@"$(PYTHON)" tools/bootstrap.py

# What is measured is what is handed out: modules laid out by a profile.
bench goals peers safety cost: export ACD_BUILD := $(or $(ACD_BUILD),tuned)

bench: build ## measure; prints a table and writes build/bench.json
	@mkdir -p build
	@$(RUN) pytest bench --benchmark-enable --benchmark-json=build/bench.json --timeout=1200 $(ARGS)

goals: build ## measure the goals of the engine, five minutes; status 1 when a must is missed (ARGS="--only latency --json")
	@tools/install_peers.sh redis-server postgresql perf
	@$(RUN) bench.goals $(ARGS)

peers: build ## the engine beside C, C++, Python, Redis, PostgreSQL and Asterisk's app_queue, five minutes; installs them
	@tools/install_peers.sh redis-server postgresql
	@tools/install_asterisk.sh || true
	@$(RUN) bench.peers $(ARGS)

instructions: build ## count instructions, and fail when work takes more than is kept (ARGS=--keep); installs valgrind
	@tools/install_peers.sh valgrind
	@$(RUN) bench.instructions $(ARGS)

safety: build ## measure what safety costs: guards, TLS, the disk and the journal's chain beside a bare server, one minute
	@$(RUN) bench.safety $(ARGS)

performance: build ## write docs/performance.md and its pictures from what `make goals`, `make peers` measured last
	@$(RUN) bench.page $(ARGS)

cost: build ## measure what dear features of the routing cost, and write it into docs/routing.md (ARGS="--only reserve")
	@$(RUN) bench.cost $(ARGS)

coverage: export ACD_BUILD := coverage
coverage: build ## which lines the tests reach, compiled ones too; pages in build/coverage/html
	@rm -rf build/coverage/data* build/coverage/html
	@status=0; $(RUN) coverage run -m pytest --timeout=1200 $(ARGS) || status=$$?; \
	$(RUN) coverage combine --quiet && $(RUN) coverage html --quiet && $(RUN) coverage report && exit $$status

# The C++ library comes along for packages that throw exceptions, which AddressSanitizer must know from the beginning.
sanitize: export ACD_BUILD := sanitize
sanitize: build ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@LD_PRELOAD="$$($${CC:-gcc} -print-file-name=libasan.so) libstdc++.so.6" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc ACD_PATIENCE=10 \
	$(RUN) pytest --timeout=1200 -m "not slow" $(ARGS)

annotate: build ## show what Cython made of each line, in build/annotate
	@mkdir -p build/annotate
	@for file in $(CYTHON); do \
	$(RUN) cython -3 --annotate -o "build/annotate/$$(echo $${file%.pyx} | tr / .).c" $$file || exit 1; done
	@ls build/annotate/*.html

docs: build ## write the pages on protocol, permissions, settings and metrics, and the dashboards, from their declarations
	@$(RUN) acd_protocol.docs docs/protocol.md
	@$(RUN) acd_protocol.permissions_page docs/permissions.md
	@$(RUN) server.settings_page docs/settings.md
	@$(RUN) server.metrics_page docs/metrics.md
	@$(RUN) tools.dashboards

lock: build ## write the lock files of the container anew, with the hash of every file (needs PyPI)
	@$(RUN) tools.supply lock

sbom: build ## write build/sbom.cdx.json: what the server is made of, in CycloneDX (needs PyPI the first time)
	@$(RUN) tools.supply bom

vulnerabilities: build ## ask the public database for known holes in that; ARGS=--strict fails when it cannot be reached
	@$(RUN) tools.supply vulnerabilities $(ARGS)

wheel: build ## build the wheel, install it into an empty environment and try it there
	@$(RUN) tools.wheel

lockstep: build ## drive the readable model and the engine side by side (SEED=1 STEPS=100000)
	@$(RUN) tests.lockstep --seed $(SEED) --steps $(STEPS)

oracles: build ## the routing against exact results: a table, all within or status 1; ten minutes (ARGS="--only Erlang")
	@$(RUN) acd_sim.oracles $(ARGS)

quality: build ## measure what better routing is worth, lever by lever, and write docs/routing-quality.md; ten minutes
	@$(RUN) acd_sim.routing_quality docs/routing-quality.md $(ARGS)

sim: build ## simulate the whole server under faults, by seed (SEEDS=2000 SECONDS=240, or SEED=7 for one and its text)
	@$(RUN) tests.simulation $(if $(filter-out file,$(origin SEED)),--seed $(SEED)) \
	$(if $(SEEDS),--seeds $(SEEDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

faults: build ## real kills, stops, failing and full disks, damaged files, crowds: all that the tests do in a short form
	@ACD_FAULTS=full $(RUN) pytest -q tests/test_faults.py tests/test_crowds.py $(ARGS)

# On Pythons for which it has a wheel; it is no part of the environment, since others would have to build it with clang.
fuzz: build ## bad input that follows coverage (SECONDS=60, ARGS="machine session", ARGS=--keep)
	@.venv/bin/python -c "import atheris" 2>build/fuzz.log || $(RUN) pip --disable-pip-version-check --quiet install "atheris>=3,<4"
	@$(RUN) tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

ci: check test wheel ## all that must be green

format: build ## put the sources into their form
	@$(RUN) ruff check --select I --fix --quiet .
	@$(RUN) ruff format .

clean: ## remove what was built; .venv stays
	@rm -rf build .benchmarks .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	@rm -f $(CYTHON:.pyx=.c)
	@find acd_* bench server -name '*.so' -delete
	@find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove .venv and the downloaded packages too
	@rm -rf .venv .wheels
