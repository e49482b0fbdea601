"""The dashboard: pages complete from the server, kept live by fragments."""
