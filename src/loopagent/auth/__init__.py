"""Users, tokens and roles: who is asking."""
