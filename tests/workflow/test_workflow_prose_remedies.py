"""Remedies in words: values that they name are accepted, and tests do what they say.

`mended` and `row` of the tests name the module and words of each remedy that they carry out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gendmr.config.study import Study
from remedy_inventory import CHANGING, Remedy, carried_out, remedies, single_remedies
from remedy_reasons import BY_HAND, CARRIED_OUT_ELSEWHERE, MADE_AGAIN

TESTS = Path(__file__).resolve().parents[1]
SCHEMA = Study.model_json_schema()
# A remedy that is handed on: its words stand where the function is called.
HANDED_ON = re.compile(r"\{[^{}]*(\{[^{}]*\}[^{}]*)*\}")
VALUE = r"(\[[^\]]*\]|-?\d+(?:\.\d+)?|[a-z][a-z_0-9]*(?:\.[a-z]+)?)"
SEVERAL = re.compile(rf":?`?(?:, for example)? to {VALUE}((?:(?:, | or ){VALUE})*)")
ENGLISH = {"the", "be", "what", "those", "at", "a", "and", "or", "pooled", "no", "which"}


def branches(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a node of the schema, or the members of the union that it is."""
    if "$ref" in node:
        yield from branches(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
        return
    members = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
    for member in members:
        yield from branches(member)
    if not members:
        yield node


def below(nodes: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return what may stand at a key of some nodes, or of the items of lists."""
    items = [branch for node in nodes if "items" in node for branch in branches(node["items"])]
    inner = [
        node["properties"][key] for node in [*nodes, *items] if key in node.get("properties", {})
    ]
    return [branch for node in inner for branch in branches(node)]


def accepts(node: dict[str, Any], value: Any) -> bool:
    """Return whether a node of the schema accepts a plain value."""
    if "enum" in node or "const" in node:
        return value in node.get("enum", [node.get("const")])
    if node.get("type") == "array":
        item_schemas = [
            branch
            for item in node.get("prefixItems", [node.get("items", {})])
            for branch in branches(item)
        ]
        return isinstance(value, list) and all(
            any(accepts(schema, item) for schema in item_schemas) for item in value
        )
    if node.get("type") in ("number", "integer"):
        fits = isinstance(value, int if node["type"] == "integer" else int | float)
        fits = fits and not isinstance(value, bool)
        return fits and (
            node.get("minimum", value) <= value <= node.get("maximum", value)
            and not value <= node.get("exclusiveMinimum", value - 1)
            and not value >= node.get("exclusiveMaximum", value + 1)
        )
    kinds = {"boolean": bool, "string": str, "null": type(None), "object": dict}
    return isinstance(value, kinds[node["type"]]) if node.get("type") in kinds else True


def named_values(text: str) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Give key, the nodes of its place, and a value that a remedy names for it."""
    for start in re.finditer(r"(?<![\w/.<-])[a-z_]+(?=[.:])", text):
        nodes, position = below([SCHEMA], start[0]), start.end()
        place = start[0]
        while nodes:
            step = re.match(r"(?:\.|: )([a-z_0-9]+)", text[position:])
            inner = below(nodes, step[1]) if step else []
            if not step or not inner:
                break
            nodes, position, place = inner, position + step.end(), f"{place}.{step[1]}"
        if not nodes or any("properties" in node for node in nodes):
            continue
        remainder = text[position:]
        if single := re.match(rf": {VALUE}", remainder):
            yield place, nodes, single[1]
        elif several := re.match(
            rf":?`?(?:, for example)? to {VALUE}((?:(?:, | or ){VALUE})*)", remainder
        ):
            more = re.findall(rf"(?:, | or ){VALUE}", several[2])
            yield from ((place, nodes, value) for value in (several[1], *more))


def test_values_that_remedies_name_for_a_key_are_accepted_there():
    named, wrong = set(), []
    for remedy in remedies():
        for place, nodes, text in named_values(remedy.text):
            if text in ENGLISH:
                continue
            named.add(f"{place}: {text}")
            if not any(accepts(node, yaml.safe_load(text)) for node in nodes):
                wrong.append((remedy.place, place, text))
    assert wrong == []
    assert {"annotation.format: glist", "histology.tiles.size: 224", "cohort.require: any"} <= named
    assert len(named) > 15, sorted(named)


def test_values_that_remedies_name_for_a_key_alone_are_accepted_by_one_of_that_name():
    top = SCHEMA["properties"]
    named: dict[str, list[dict[str, Any]]] = {}
    for model in SCHEMA["$defs"].values():
        for key, node in model.get("properties", {}).items():
            named.setdefault(key, []).extend(branches(node))
    pairs = [
        (remedy.place, key, text)
        for remedy in remedies()
        for key, text in re.findall(rf"`([a-z_]+): {VALUE}`", remedy.text)
        if key not in top
    ]
    assert len(pairs) > 2
    assert [
        (place, key, text)
        for place, key, text in pairs
        if not any(accepts(node, yaml.safe_load(text)) for node in named.get(key, ()))
    ] == []


def test_the_check_of_values_can_fail():
    ((place, nodes, text),) = named_values("set connectivity.values to z")
    assert (place, text) == ("connectivity.values", "z")
    assert not any(accepts(node, text) for node in nodes)
    ((_, nodes, text),) = named_values("set `histology: tiles: size: 5`")
    assert not any(accepts(node, yaml.safe_load(text)) for node in nodes)


def covered(remedy: Remedy) -> bool:
    """Return whether tests carry a remedy out, or a reason says why none does."""
    module_texts = [text for module, text, _ in carried_out() if module == remedy.module]
    elsewhere = [text for module, text in CARRIED_OUT_ELSEWHERE if module == remedy.module]
    return (
        any(text in remedy.text for text in (*module_texts, *elsewhere))
        # Commands are carried out by the tests that `test_workflow_remedies` names.
        or CHANGING.search(remedy.text) is not None
        or any(re.fullmatch(form, remedy.text, re.DOTALL) for form in (*MADE_AGAIN, *BY_HAND))
    )


def test_each_remedy_in_words_is_carried_out_or_has_a_reason():
    """Carry a new remedy out with `mended` of tests/remedies.py, beside the tests of its stage."""
    assert [
        (remedy.place, remedy.text) for remedy in single_remedies() if not covered(remedy)
    ] == []


def test_what_tests_say_they_carry_out_is_a_remedy():
    """A remedy that was worded anew is carried out in its new words."""
    all_remedies = list(single_remedies())
    handed_on = {remedy.module for remedy in all_remedies if HANDED_ON.fullmatch(remedy.text)}
    unknown = [
        (module, text, path)
        for module, text, path in carried_out()
        if module not in handed_on
        and not any(remedy.module == module and text in remedy.text for remedy in all_remedies)
    ]
    assert unknown == []
    assert len(set(carried_out())) > 300


def test_reasons_and_tests_elsewhere_are_of_remedies_that_there_are():
    all_remedies = list(single_remedies())
    assert [
        key
        for key in CARRIED_OUT_ELSEWHERE
        if not any(remedy.module == key[0] and key[1] in remedy.text for remedy in all_remedies)
    ] == []
    texts = [remedy.text for remedy in all_remedies]
    assert [
        form
        for form in (*MADE_AGAIN, *BY_HAND)
        if not any(re.fullmatch(form, text, re.DOTALL) for text in texts)
    ] == []
    # Reasons are for kinds that no test can carry out: most are carried out.
    executed = {(module, text) for module, text, _ in carried_out()} | set(CARRIED_OUT_ELSEWHERE)
    by_hand = [
        remedy
        for remedy in all_remedies
        if any(re.fullmatch(form, remedy.text, re.DOTALL) for form in BY_HAND)
        and not any(remedy.module == module and text in remedy.text for module, text in executed)
    ]
    assert len(by_hand) < 130


@pytest.mark.parametrize("name", sorted(set(CARRIED_OUT_ELSEWHERE.values())))
def test_the_tests_elsewhere_exist(name):
    path, _, function = name.partition("::")
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
