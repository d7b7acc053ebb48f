"""Attention over a bag of patches, guided by genes where there are some: what fusion must beat."""
