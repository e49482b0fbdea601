"""The wire API under /v1 and the short API under /api."""
