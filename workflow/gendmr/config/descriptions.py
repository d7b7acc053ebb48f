"""What the entries of a section mean: the text that stands below each in the code.

Pydantic would read it as the class is made, from the source, in every job of a study; only the JSON
schema shows it, and it is read there.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from pathlib import Path


def descriptions_of(section: type) -> dict[str, str]:
    """Return the text below each entry of a class and of the classes that it extends.

    Classes that no file defines have none of their own.

    >>> from gendmr.config.study import Study
    >>> descriptions_of(Study)["seed"]
    'All randomness derives from this number.'
    """
    texts: dict[str, str] = {}
    for base in reversed(section.__mro__):
        classes = _classes(base.__module__)
        if base.__qualname__ in classes:
            texts |= _texts(classes[base.__qualname__])
    return texts


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """Return the classes at the top of a module by name."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not path.endswith(".py"):
        return {}
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _texts(node: ast.ClassDef) -> dict[str, str]:
    """Return the text behind each annotated name of a class."""
    texts = {}
    for entry, text in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(entry, ast.AnnAssign)
            and isinstance(entry.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            texts[entry.target.id] = inspect.cleandoc(text.value.value)
    return texts
