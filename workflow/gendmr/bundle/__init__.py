"""What to attach to a bug report: configuration, versions and logs, no data."""
