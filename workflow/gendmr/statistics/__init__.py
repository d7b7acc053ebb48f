"""Pure statistics on arrays: no file, no configuration, no person's name."""
