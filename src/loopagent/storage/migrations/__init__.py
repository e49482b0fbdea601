"""Migrations: ordered, forward only, each in one transaction."""
