"""Statistics of single instances."""
