"""Launchers that start a program with less than our own rights."""
