"""A hash of the code that a rule runs, blind to comments, docstrings and file times.

Snakemake sees no change inside a package that a `shell:` calls. The fingerprint is a parameter of
the rule instead: an edit that could change a result reruns it, a touched or reformatted file does
not.

Data files (templates, presets) count with the modules beside them: those in the folder of a module,
or below it in folders that are no packages, belong to the hash of each rule that runs the module,
byte by byte. Nobody declares them, because a file that is not declared would change results
unseen; the price is that a rule may rerun for the data of a neighbouring module.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
from functools import cache
from pathlib import Path

from gendmr.errors import OutputError
from gendmr.files.atomic import write_text

# Class variables of sections that say what jobs take, not what they do.
NO_RESULT = {"rates", "resources"}
PACKAGE = Path(__file__).resolve().parents[1]
DATA_SUFFIXES = (".css", ".html", ".j2", ".js", ".tsv", ".yaml", ".bib")
# Of a source, by the SHA-256 of its bytes: a digest of its code; what it imports, with names.
Parsed = tuple[str, list[tuple[str, list[str]]]]
_parsed_by_digest: dict[str, Parsed] = {}


def persist_cache(path: Path) -> None:
    """Keep between processes what parsing has told: it is a third of each start of Snakemake.

    A file that cannot be read, or written at the end, only costs the time again.

    Parameters
    ----------
    path : Path
        A JSON file; made where it is not there.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        cached = json.loads(path.read_text(encoding="utf-8"))
        _parsed_by_digest.update(
            {key: (code, [(m, n) for m, n in imports]) for key, (code, imports) in cached.items()}
        )
    n_before = len(_parsed_by_digest)

    def save() -> None:
        if len(_parsed_by_digest) > n_before:
            with contextlib.suppress(OSError, OutputError):
                write_text(path, json.dumps(_parsed_by_digest))

    atexit.register(save)


@cache
def fingerprint(*modules: str) -> str:
    """Return 12 hexadecimal digits for modules of the package, all they import from it, their data.

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
    for folder in sorted({_path(name).parent for name in closure}):
        for relative, checksum in _data(folder):
            digest.update(f"{relative}\0{checksum}\0".encode())
    return digest.hexdigest()[:12]


def imports(module: str) -> set[str]:
    """Return the modules of the package that `module` imports itself, inside functions too."""
    return set(_imports(module))


def _path(module: str) -> Path:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(module)
    return path


@cache
def _file(module: str) -> Path | None:
    """Return the source of a module, or None for a name that is no module."""
    relative = Path(*module.split(".")[1:])
    for path in (PACKAGE / relative.with_suffix(".py"), PACKAGE / relative / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _data(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return path and checksum of the data files of a package, without those of its subpackages."""
    checksums: list[tuple[str, str]] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").exists():
            checksums += _data(path)
        elif path.suffix in DATA_SUFFIXES:
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            checksums.append((path.relative_to(PACKAGE).as_posix(), checksum))
    return tuple(checksums)


@cache
def _code(module: str) -> str:
    return _parsed(_path(module))[0]


@cache
def _parsed(path: Path) -> Parsed:
    """Return a digest of the code without comments and docstrings, and its imports."""
    source = path.read_bytes()
    key = hashlib.sha256(source).hexdigest()
    if key not in _parsed_by_digest:
        _parsed_by_digest[key] = _parse(source)
    return _parsed_by_digest[key]


def _parse(source: bytes) -> Parsed:
    tree = ast.parse(source)
    imports: list[tuple[str, list[str]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append((node.module or "", [alias.name for alias in node.names]))
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _says_nothing(statement)]
    ours = [entry for entry in imports if entry[0].split(".")[0] == "gendmr"]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), ours


def _says_nothing(statement: ast.stmt) -> bool:
    """Return whether no result depends on a statement: a docstring, or what a job may ask for."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    return (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.target.id in NO_RESULT
    )


@cache
def _imports(module: str) -> frozenset[str]:
    modules: set[str] = set()
    for source, names in _parsed(_path(module))[1]:
        if not names:
            modules.add(source)
        for name in names:
            deeper = f"{source}.{name}"
            modules.add(source if _file(deeper) is None else deeper)
    return frozenset(name for name in modules if name != "gendmr")


@cache
def _closure(module: str) -> frozenset[str]:
    _path(module)
    visited: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in visited:
            visited.add(name)
            waiting.extend(_imports(name) - visited)
    return frozenset(visited)
