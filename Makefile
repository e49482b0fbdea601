.PHONY: format
format:
	.venv/bin/ruff format
	.venv/bin/ruff check --fix
