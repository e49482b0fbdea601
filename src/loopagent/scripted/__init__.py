"""The built-in scripted model: a Messages API on loopback."""
