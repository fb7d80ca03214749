"""Who may do what on a node: accounts, roles, tokens, sessions, and the audit."""
