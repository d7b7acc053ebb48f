"""One name for each chromosome, whatever way a file writes it."""

from __future__ import annotations

_NAMES = {"23": "X", "24": "Y", "25": "XY", "26": "MT", "M": "MT"}


def chromosome_name(code: str) -> str:
    """Return `1` to `22`, `X`, `Y`, `XY` or `MT`; other names in capitals, without `chr`.

    Examples
    --------
    >>> [chromosome_name(code) for code in ("chr1", "01", "23", "chrX", "M")]
    ['1', '1', 'X', 'X', 'MT']
    """
    name = code[3:] if code[:3].lower() == "chr" else code
    name = name.upper().lstrip("0") or "0"
    return _NAMES.get(name, name)
