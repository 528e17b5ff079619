"""The revisions of the ledger's schema, oldest first; each says what it adds."""
