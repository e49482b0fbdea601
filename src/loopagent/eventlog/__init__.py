"""The numbered log of each session: append, and follow live."""
