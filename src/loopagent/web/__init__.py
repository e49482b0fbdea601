"""The HTTP side: the app, its security, its errors."""
