"""The whole workflow from one command, wherever the package was installed."""
