"""A hash of the code that a rule runs, blind to comments, docstrings and file times.

Snakemake sees no change inside a package that a `shell:` calls. The fingerprint is a parameter of
the rule instead: an edit that could change a result reruns it, a touched or reformatted file does
not.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def fingerprint(*modules: str) -> str:
    """Return 12 hexadecimal digits for modules of the package and all they import from it.

    Parameters
    ----------
    *modules : str
        Names below the package, e.g. ``"genotypes.filters"``.

    Raises
    ------
    ModuleNotFoundError
        A name is not a module of the package.
    """
    closure = sorted(set().union(*(_closure(f"gendmr.{name}") for name in modules)))
    digest = hashlib.sha256()
    for name in closure:
        digest.update(f"{name}\0{_code(name)}\0".encode())
    return digest.hexdigest()[:12]


def imports(module: str) -> set[str]:
    """Return the modules of the package that `module` imports itself, inside functions too."""
    return set(_imports(module))


def _path(module: str) -> Path:
    relative = Path(*module.split(".")[1:])
    for path in (PACKAGE / relative.with_suffix(".py"), PACKAGE / relative / "__init__.py"):
        if path.is_file():
            return path
    raise ModuleNotFoundError(module)


@cache
def _code(module: str) -> str:
    return _parsed(_path(module))[0]


@cache
def _parsed(path: Path) -> tuple[str, tuple[ast.Import | ast.ImportFrom, ...]]:
    """Return the code without comments and docstrings, and its import statements."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            statements.append(node)
        body = getattr(node, "body", None)
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            del body[0]
    return ast.dump(tree), tuple(statements)


@cache
def _imports(module: str) -> frozenset[str]:
    found: set[str] = set()
    for node in _parsed(_path(module))[1]:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("gendmr.")}
        elif (node.module or "").split(".")[0] == "gendmr":
            source = str(node.module)
            for alias in node.names:
                deeper = f"{source}.{alias.name}"
                try:
                    _path(deeper)
                    found.add(deeper)
                except ModuleNotFoundError:
                    found.add(source)
    return frozenset(name for name in found if name != "gendmr")


@cache
def _closure(module: str) -> frozenset[str]:
    _path(module)
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(_imports(name) - seen)
    return frozenset(seen)
