"""All remedies that errors print, read from the code, and those that tests carry out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workflow/gendmr"
CHANGING = re.compile(
    r"(?<![\w/.`-])(plink1\.9 -|plink2 -|bcftools |awk '|mv \{|rm \{|sed -i|gunzip -c|gunzip \{"
    r"|unzip -d|iconv -f)"
)


class Remedy(NamedTuple):
    """The next step of an error: its module, line and text, with `{…}` for what is filled in."""

    module: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.module}:{self.line}"


def rendered(node: ast.expr, constants: Mapping[str, str] | None = None) -> str:
    """Return the text of an expression as far as it stands in the code.

    Parameters
    ----------
    node : expr
    constants : mapping of str to str, optional
        Texts that the module gives names to.
    """
    value_of = constants or {}
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(rendered(value, value_of) for value in node.values)
        case ast.BinOp():
            return rendered(node.left, value_of) + rendered(node.right, value_of)
        case ast.IfExp():
            return f"{rendered(node.body, value_of)} || {rendered(node.orelse, value_of)}"
        case _:
            inner = node.value if isinstance(node, ast.FormattedValue) else node
            if isinstance(inner, ast.Name) and inner.id in value_of:
                return value_of[inner.id]
            return "{" + re.sub(r"[{}]", "", ast.unparse(inner)) + "}"


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Return the modules of the package, by their path below it."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return tuple(
        (str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8")))
        for path in paths
    )


@cache
def within(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a module, which is walked once."""
    return tuple(ast.walk(tree))


def next_steps(tree: ast.Module, places: Mapping[str, int]) -> Iterator[ast.expr]:
    """Give what a module hands to functions and errors as `next_step`, by name or by place."""
    callable_names = {node.name for node in within(tree) if isinstance(node, ast.FunctionDef)}
    callable_names |= {name for _, name in imported(tree)}
    for node in within(tree):
        if isinstance(node, ast.Call):
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "next_step")
            name = getattr(node.func, "id", "")
            if name in callable_names and len(node.args) > places.get(name, len(node.args)):
                yield node.args[places[name]]


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Give module, below the package, and name of what a module imports from the package."""
    for node in within(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gendmr."):
            module = str(node.module).removeprefix("gendmr.").replace(".", "/") + ".py"
            yield from ((module, alias.name) for alias in node.names)


def texts_of(tree: ast.Module) -> dict[str, str]:
    """Return the texts that a module gives names to."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


@cache
def remedies() -> tuple[Remedy, ...]:
    """Return all remedies of the package: next steps, and constants that hold commands."""
    places = {
        node.name: [argument.arg for argument in node.args.args].index("next_step")
        for _, tree in modules()
        for node in within(tree)
        if isinstance(node, ast.FunctionDef)
        and "next_step" in [argument.arg for argument in node.args.args]
    }
    named = {module: texts_of(tree) for module, tree in modules()}
    listed = []
    for module, tree in modules():
        constants = named[module] | {
            name: named[source][name]
            for source, name in imported(tree)
            if name in named.get(source, {})
        }
        listed += [
            Remedy(module, node.lineno, rendered(node, constants))
            for node in next_steps(tree, places)
        ]
        parts = {
            part
            for node in within(tree)
            if isinstance(node, ast.JoinedStr | ast.Expr)
            for part in ast.walk(node)
            if part is not node
        }
        listed += [
            Remedy(module, node.lineno, rendered(node))
            for node in within(tree)
            if isinstance(node, ast.Constant | ast.JoinedStr)
            and node not in parts
            and CHANGING.search(rendered(node))
        ]
    return tuple(listed)


def single_remedies() -> Iterator[Remedy]:
    """Give each remedy of those of which one is printed, as the case may be."""
    for remedy in remedies():
        for text in remedy.text.split(" || "):
            if text.strip():
                yield remedy._replace(text=text)


@cache
def carried_out() -> tuple[tuple[str, str, str], ...]:
    """Return module and text of the remedies that `mended` and `row` name, and the test's file."""
    listed = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "from remedies import" not in source:
            continue
        tree = ast.parse(source)
        constants = list(_constants(tree))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ("mended", "row") and len(node.args) > 1:
                module, text = (_value(argument, constants) for argument in node.args[:2])
                if module and text:
                    listed.append((module, text, path.name))
    return tuple(listed)


def _value(node: ast.expr, constants: list[tuple[int, str, str]]) -> str:
    """Return the text of an argument: its own, or that of the name that was assigned last."""
    if not isinstance(node, ast.Name):
        return _text(node)
    lines = [(line, text) for line, name, text in constants if name == node.id]
    return max((line for line in lines if line[0] <= node.lineno), default=(0, ""))[1]


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _constants(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Give line, name and text of each assignment, in functions too: `words = "set it to any"`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    yield node.lineno, name.id, _text(value)
