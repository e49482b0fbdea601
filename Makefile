# One word each. Everything is installed into .venv from the hashed requirements files; a second
# run installs nothing. `make serve` passes HOST, PORT and all other settings through untouched.
.DEFAULT_GOAL := help
.PHONY: help serve test check typescript bench screenshots format requirements install install-dev

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

serve: install ## start Loop Agent on this machine
	@exec .venv/bin/loop-agent serve

test: install-dev ## all checks and all tests, with coverage
	@scripts/check
	@scripts/test

check: install-dev ## format, lint, types, layers and the fast tests, in under a minute
	@scripts/check
	@.venv/bin/pytest -q -m "not (slow or browser or postgres or bubblewrap or landlock)"

typescript: install-dev ## check the types of the browser's sources
	@.venv/bin/python hatch_build.py types

bench: install-dev ## measure the server against the bare SDK
	@.venv/bin/python -m bench

format: install-dev ## format, and mend what can be mended
	@.venv/bin/ruff check --fix --exit-zero --quiet
	@.venv/bin/ruff format

screenshots: install-dev ## make the pictures of the README and the docs anew
	@.venv/bin/python scripts/screenshots

requirements: install-dev ## write the hashed requirements files anew
	@scripts/requirements

install: ## install what serving needs, and build the dashboard if it changed
	@scripts/install serve
	@.venv/bin/python hatch_build.py

install-dev: ## install what developing needs, too
	@scripts/install dev
	@.venv/bin/python hatch_build.py
