"""Correlations between regions of the brain."""
