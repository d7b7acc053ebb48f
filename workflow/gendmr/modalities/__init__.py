"""Modalities: what is measured of a person. One package each, found by name.

`gendmr.modalities.<name>` belongs to the section `gendmr.config.modalities.<name>` and holds

- `modality`: ``MODALITY``, the declaration (`gendmr.modalities.base.Modality`);
- `source`: ``SOURCE``, who is measured in the study's files, and the cohort's file of them;
- `transform`: ``TRANSFORM``, what is fitted on training people and applied to the others;
- `alignment`, where names of instances do not say all: ``ALIGN``, which finds those of a model in
  another cohort (`gendmr.modalities.alignment.align_names` elsewhere).

Nothing else knows their names.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendmr.modalities.alignment import FoundInstances
    from gendmr.modalities.base import Modality, Source, Transform


def names() -> list[str]:
    """Return the modalities that there are, by listing the folder."""
    return sorted(member.name for member in pkgutil.iter_modules(__path__) if member.ispkg)


def modality_of(name: str) -> Modality:
    """Return the declaration of a modality."""
    module = importlib.import_module(f"gendmr.modalities.{name}.modality")
    declared: Modality = module.MODALITY
    return declared


def source_of(name: str) -> Source:
    """Return what reads a modality from the files of a study."""
    module = importlib.import_module(f"gendmr.modalities.{name}.source")
    source: Source = module.SOURCE
    return source


def transform_of(name: str) -> type[Transform]:
    """Return what prepares a modality within a fold."""
    module = importlib.import_module(f"gendmr.modalities.{name}.transform")
    transform: type[Transform] = module.TRANSFORM
    return transform


def aligner_of(name: str) -> Callable[..., FoundInstances]:
    """Return what finds the instances of a model in another cohort."""
    module = f"gendmr.modalities.{name}.alignment"
    if importlib.util.find_spec(module) is None:
        module = "gendmr.modalities.alignment"
        align: Callable[..., FoundInstances] = importlib.import_module(module).align_names
    else:
        align = importlib.import_module(module).ALIGN
    return align
