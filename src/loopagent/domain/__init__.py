"""Pure records and rules: ids, events, the session fold, permission decisions, money."""
