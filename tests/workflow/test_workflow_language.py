"""The language of the package: names of classes, lengths of files, shapes of tensors.

The exceptions below may only shrink: who mends one strikes it off, and a test asks for that.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

LONGEST = 400  # lines of a file

# Classes of these names exist so many times.
SAME_CLASS_NAME: dict[str, int] = {}

# Files of workflow/gendmr that are longer, with as many lines as they may have.
LONGER: dict[str, int] = {}

# Names that say how a value came about, not what it is: `scans`, not `found`.
NOT_WHAT_IT_HOLDS = {"found", "here", "kept", "made", "told", "there", "given"}

# `(person, snp, width)`, `(snp,)`, `(B, 3, 32)`, `(..., width)`
SHAPE = re.compile(r"\((?:\.\.\.|[A-Za-z_]\w*|\d{1,3})(?:,\s*(?:[A-Za-z_]\w*|\d{1,3}))*,?\)")


def package(root: Path) -> Path:
    return root / "workflow" / "gendmr"


def sources(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path below the package and text of every module."""
    for path in sorted(package(root).rglob("*.py")):
        yield path.relative_to(package(root)).as_posix(), path.read_text(encoding="utf-8")


def class_names(text: str) -> Iterator[str]:
    """Yield the names of all classes of a module, nested ones too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            yield node.name


def states_shape(text: str, function: ast.FunctionDef) -> bool:
    """Return whether the docstring or a comment of a function holds the shape of a tensor."""
    lines = text.splitlines()[function.lineno - 1 : function.end_lineno]
    source = "\n".join(line[function.col_offset :] for line in lines) + "\n"
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    words = "\n".join([ast.get_docstring(function) or "", *comments])
    return any("," in shape for shape in SHAPE.findall(words))


def forwards_without_shape(text: str) -> Iterator[int]:
    """Yield the first line of each method `forward` that states no shape."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                is_forward = isinstance(method, ast.FunctionDef) and method.name == "forward"
                if is_forward and not states_shape(text, method):
                    yield method.lineno


def names_bound(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of what a module assigns: variables, loops, parameters, functions.

    Fields of a class are left out, because they are keys of the files that it is written to.
    """
    tree = ast.parse(text)
    fields = {
        line.target
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in fields:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def test_a_name_says_what_it_holds(root):
    wrong = [
        f"{path}:{line} {name}"
        for path, text in sources(root)
        for line, name in names_bound(text)
        if name in NOT_WHAT_IT_HOLDS
    ]
    assert wrong == [], "name it after what it holds"


def test_a_class_name_is_unique_in_the_package(root):
    count = Counter(name for _, text in sources(root) for name in class_names(text))
    assert count
    repeated = {name: n for name, n in count.items() if n > SAME_CLASS_NAME.get(name, 1)}
    assert repeated == {}, "name it after what only it is"


def test_no_file_is_longer_than_400_lines(root):
    lines = {name: len(text.splitlines()) for name, text in sources(root)}
    assert lines
    too_long = {name: n for name, n in lines.items() if n > LONGER.get(name, LONGEST)}
    assert too_long == {}, "split it"


def test_every_forward_states_shapes(root):
    wrong = [
        f"{name}:{line}" for name, text in sources(root) for line in forwards_without_shape(text)
    ]
    assert wrong == [], "say shapes where they change: # (person, snp, width)"


def test_exceptions_only_shrink(root):
    count = Counter(name for _, text in sources(root) for name in class_names(text))
    lines = {name: len(text.splitlines()) for name, text in sources(root)}
    unneeded = [name for name, n in SAME_CLASS_NAME.items() if count[name] < n]
    unneeded += [name for name in LONGER if lines.get(name, 0) <= LONGEST]
    assert unneeded == [], "strike them off"


@pytest.mark.parametrize(
    ("body", "states"),
    [
        ('"""Return the logit."""', False),
        ('"""Return the logit (person,)."""', True),
        ('"""Mix (Ilse et al. 2018) the context."""', False),
        ('"""Mix."""\n        x = x.sum(1)  # (person, width)', True),
        ('"""Mix."""\n        x = f(person, width)', False),
        ('"""Mix."""\n        # (..., width)', True),
    ],
)
def test_states_shape__reads_docstrings_and_comments_only(body, states):
    text = f"class Net:\n    def forward(self, x):\n        {body}\n        return x\n"
    assert list(forwards_without_shape(text)) == ([] if states else [2])


def test_class_names__include_nested_ones():
    text = "class A:\n    class B: ...\ndef f():\n    class C: ...\n"
    assert sorted(class_names(text)) == ["A", "B", "C"]


@pytest.mark.parametrize(
    "text",
    [
        "found = 1",
        "found: int = 1",
        "found += 1",
        "a, (found, *b) = c",
        "for found in a: ...",
        "[found for found in a]",
        "with a as found: ...",
        "if found := a: ...",
        "def f(found): ...",
        "def f(*found): ...",
        "def f(**found): ...",
        "f = lambda found: 1",
        "def found(): ...",
    ],
)
def test_names_bound__are_all_that_a_module_assigns(text):
    assert "found" in {name for _, name in names_bound(text)}


@pytest.mark.parametrize("text", ["found", "a.found = 1", "f(found=1)", "class A:\n    found: int"])
def test_names_bound__are_no_uses_keywords_or_fields(text):
    assert "found" not in {name for _, name in names_bound(text)}
