"""The publisher's desk: files handed in, drafts, approvals, deliveries."""
