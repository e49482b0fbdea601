"""The folders that sessions work in."""
