"""T1-weighted scans become grey-matter volumes of regions."""
