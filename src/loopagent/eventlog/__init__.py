"""The numbered log of every session: append and follow."""
