"""The `loop-agent` command: thin verbs over the session service or a server's API."""
