"""The publisher's desk, `/publish`: hand a file in, mend it, submit, approve."""
