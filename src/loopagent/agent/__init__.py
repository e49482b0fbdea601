"""Runs one session with the Claude Agent SDK; the only room that imports it."""
