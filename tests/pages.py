"""The how-to pages as files: what they tell a reader to write."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(root: Path, *pages: str) -> dict[str, str]:
    """Return the Python files that some pages write, by path."""
    return {
        path: body
        for page in pages
        for path, body in BLOCK.findall((root / f"docs/how-to/add-a-{page}.md").read_text())
    }
