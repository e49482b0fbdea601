"""The ordered steps that make the schema."""
