"""Registration parameters as data: `testing`, `fast` and `precise`."""

from __future__ import annotations

from pathlib import Path

from gendmr.config.imaging import Preset


def load_preset(name: str) -> Preset:
    """Return one preset.

    Raises
    ------
    ConfigurationError
        There is no such preset, or its file is malformed.
    """
    return Preset.parse(Path(__file__).with_name(f"{name}.yaml"))
