"""Cases and controls."""
