"""Members of the three wings (modalities, tasks, methods), found by listing a folder.

A new member is a new file: nothing that lists members is edited, and no fingerprint of another
member changes, since what is found by listing is not imported by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from pydantic import BaseModel

S = TypeVar("S", bound=BaseModel)


def sections_in(package: str, path: Iterable[str], base: type[S]) -> dict[str, type[S]]:
    """Return the section of each member of a package of the configuration, by the member's name.

    Parameters
    ----------
    package : str
        Such as `gendmr.config.methods`.
    path : iterable of str
        Its `__path__`.
    base : type
        Each module but `base` defines exactly one class that derives from it and is not imported.

    Raises
    ------
    ImportError
        A module defines none, or several.
    """
    sections: dict[str, type[S]] = {}
    for member in sorted(pkgutil.iter_modules(path), key=lambda module: module.name):
        if member.name == "base":
            continue
        module = importlib.import_module(f"{package}.{member.name}")
        defined = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, base)
            and value.__module__ == module.__name__
        ]
        leaves = [
            candidate
            for candidate in defined
            if not any(candidate in derived.__bases__ for derived in defined)
        ]
        if len(leaves) != 1:
            raise ImportError(f"{module.__name__}: needs exactly one section, has {len(leaves)}")
        sections[member.name] = leaves[0]
    return sections


def union_of(sections: dict[str, type[S]]) -> Any:
    """Return the union of some sections as a type, for pydantic."""
    return reduce(or_, sections.values())
