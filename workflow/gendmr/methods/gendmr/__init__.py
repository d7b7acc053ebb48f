"""GenDMR."""
