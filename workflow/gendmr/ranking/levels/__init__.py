"""What the attributions of each modality become: one module for each, found by its name.

`gendmr.ranking.levels.<modality>` holds ``LEVEL``, a `gendmr.ranking.levels.base.Level`: genes, LD
blocks and SNPs of genotypes, regions of images. A modality without a module of its own is ranked by
`gendmr.ranking.levels.generic`: one table of its instances. Nothing else of the ranking knows a
modality by name.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendmr.ranking.levels.base import Level

OWN = ("base", "generic")  # modules of this package that are no modality's


def module_of(modality: str) -> str:
    """Return the module of a modality's level, below `gendmr`: its own, or the generic one."""
    has_module = (
        modality not in OWN and importlib.util.find_spec(f"{__name__}.{modality}") is not None
    )
    return f"ranking.levels.{modality if has_module else 'generic'}"


def level_of(modality: str) -> type[Level]:
    """Return the level of a modality."""
    module = importlib.import_module(f"gendmr.{module_of(modality)}")
    level: type[Level] = module.LEVEL
    return level
