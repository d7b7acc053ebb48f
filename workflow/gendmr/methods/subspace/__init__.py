"""Histology and expression, each in several subspaces, fused by deformable attention."""
