"""Gradient-boosted trees for survival."""
