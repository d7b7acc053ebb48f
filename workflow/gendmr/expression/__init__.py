"""Expression matrices: checked against their declared unit, joined into one order of genes."""
