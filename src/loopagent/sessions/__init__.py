"""The verbs of a session, and the supervisor that runs them."""
