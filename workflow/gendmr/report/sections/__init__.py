"""Chapters that only some studies have: each reads what a stage or a kind of method leaves."""
