"""Values and pure functions: no files, no networks, no backends."""
