"""Amplitudes of the signals of regions."""
