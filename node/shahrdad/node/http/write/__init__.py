"""The write side of `/v1`: sessions, uploads, drafts, approvals, accounts, audit."""
