"""Genome, connectome and brain structure, fused by stepwise attention."""
