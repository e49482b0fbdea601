"""The database: connections, schema and queries."""
