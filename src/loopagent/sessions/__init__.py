"""The verbs of a session, and the supervisor that starts, recovers and ends runners."""
