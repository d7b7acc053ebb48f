"""Mutations and copy numbers."""
