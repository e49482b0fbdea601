"""Grants, and the proxy that trades a grant for the real key."""
