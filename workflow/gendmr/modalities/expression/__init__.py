"""Expression of genes."""
