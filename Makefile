# Each command first installs what it needs into .venv; see scripts/bootstrap.py.
#
#   make run            the site at http://127.0.0.1:8000/ (another port: make run PORT=8123)
#   make example        a bicycle shop whose customers ask an assistant with tools, at the same address
#   make cluster        the same site as two processes behind nginx, with Redis and PostgreSQL
#   make test           the tests of the app, in less than five minutes
#   make test-sites     sites in processes of their own: kills, cuts and outages at a twentieth of real time, in ten minutes
#   make test-existing  sites with Wagtail, gunicorn, MariaDB, Bootstrap and others, in three minutes
#   make test-browser   all tests of the page in a browser, in ten minutes
#   make test-browsers  the page in Chromium, Firefox and WebKit, in about four minutes
#   make test-faults    the fault tests again, in real time and with all their rounds, in half an hour
#   make coverage       how much of the app the tests cover, in about ten minutes
#   make soak           a whole site for half an hour, a fault every 20 s (longer: make soak MINUTES=120)
#   make fuzz           render hostile texts, each in a separate process, for a minute (longer: make fuzz SECONDS=600)
#   make lint types     the checks of the code; those of scripts and styles where node is installed
#   make bench          this project beside others, in 40 minutes on a quiet machine; writes docs/performance.md
#   make bench-quick    the cost of a turn and of a delta, in less than a minute
#   make bench-shared   the same with streams that two processes share
#   make bench-opening  the time to open a long conversation compared with a shorter one
#   make bench-page     the cost of a long answer in the browser, in a minute
#   make messages       update the catalogues of translations from the code and the templates (needs GNU gettext)
#   make clean          remove everything that was generated, except the database and the secret key

PORT ?= 8000
MINUTES ?= 30
SECONDS ?= 60
# A Python 3.11 or later that works: a version manager's shim may exist and only say that Python is not installed.
PYTHON ?= $(or $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$python"; break; }; \
	done),python3)
BOOTSTRAP = $(PYTHON) scripts/bootstrap.py

.PHONY: run example cluster test test-sites test-existing test-browser test-browsers test-faults coverage soak fuzz setup lint types bench bench-quick bench-shared bench-opening bench-page messages clean

run:
	@$(BOOTSTRAP) run $(PORT)

example:
	@$(BOOTSTRAP) example $(PORT)

cluster:
	@$(BOOTSTRAP) cluster $(PORT)

test:
	@$(BOOTSTRAP) test

test-sites:
	@$(BOOTSTRAP) test-sites

test-existing:
	@$(BOOTSTRAP) test-existing

test-browser:
	@$(BOOTSTRAP) test-browser

test-browsers:
	@$(BOOTSTRAP) test-browsers

test-faults:
	@$(BOOTSTRAP) test-faults

coverage:
	@$(BOOTSTRAP) coverage

soak: setup
	@.venv/bin/python -m tests.faults.soak --minutes $(MINUTES)

fuzz: setup
	@.venv/bin/python -m tests.html.markdown.fuzz --seconds $(SECONDS)

setup:
	@$(BOOTSTRAP) setup

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/typos
	@.venv/bin/python scripts/docstrings.py
	@.venv/bin/python scripts/lint_page.py

types: setup
	@.venv/bin/mypy chat chatproject
	@.venv/bin/mypy --config-file example/mypy.ini example

bench: setup
	@.venv/bin/python -m benchmarks

bench-shared: setup
	@.venv/bin/python -m benchmarks.shared

bench-opening:
	@$(BOOTSTRAP) bench opening

bench-quick: setup
	@.venv/bin/python -m benchmarks.quick

bench-page:
	@$(BOOTSTRAP) bench page

messages: setup
	@.venv/bin/python scripts/messages.py

clean:
	rm -rf .venv .venv-existing build dist .coverage .coverage.* .hypothesis .mypy_cache .nox .pytest_cache .ruff_cache test-results node_modules tests/npm/node_modules tests/existing/node_modules benchmarks/node/node_modules
