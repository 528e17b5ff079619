"""`sonnys verify`. Belongs here: parsing, calling, printing; the work is done in the room `revisit/`."""
