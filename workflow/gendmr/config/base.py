"""What every section of the configuration has in common."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from gendmr.config.descriptions import descriptions_of
from gendmr.errors import ConfigurationError, GendmrError, Problems, did_you_mean, first_few
from gendmr.files.text import read_text_file

SHOWN = 100  # characters of a wrong value
# Type of pydantic's error for entries that do not go together.
CONTRADICTION = "contradiction"
# Name of entries with errors of their own among what passes; see `passes`.
REFUSED = "refused"


class RefusedEntry(ValueError):
    """What a validator raises for entries that have errors of their own, with a next step each."""

    def __init__(self, errors: Sequence[GendmrError]) -> None:
        super().__init__("; ".join(error.what for error in errors))
        self.errors = tuple(errors)


class Section(BaseModel):
    """A part of the configuration: frozen, unknown keys refused, values never converted by guess.

    A number written as text (``--config 'lr: 0.5'`` makes it so) is refused too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON schema, in which each entry has the text below it as description."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in descriptions_of(cls).items():
            properties.get(name, {}).setdefault("description", text)
        return schema

    def fill_in(self) -> None:
        """Set entries whose defaults depend on other entries; by default there are none."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together, each in a text of its own."""
        yield from ()

    @model_validator(mode="after")
    def _goes_together(self, info: ValidationInfo) -> Self:
        self.fill_in()
        name = type(self).__name__
        texts = [] if passes(name, info) else list(self.contradictions())
        if texts:
            raise PydanticCustomError(
                CONTRADICTION, "{texts}", {"texts": "\n".join(texts), "section": name}
            )
        return self

    @classmethod
    def parse(cls, value: str | Path | dict[str, Any], *, where: str = "") -> Self:
        """Validate a mapping, a JSON text, or the path of a YAML file.

        Raises
        ------
        ConfigurationError
            Names each wrong key, its value, what is allowed, and the fix.
        """
        mapping, where = cls.read_mapping(value, where)
        problems = Problems()
        try:
            section = cls.validate_mapping(plain(mapping, problems))
        except ValidationError as error:
            for entry_error in errors_of(error, where or cls.__name__, schema_of(cls)):
                problems.add(entry_error)
            problems.refuse()
            raise
        problems.refuse()
        return section

    @classmethod
    def read_mapping(
        cls, value: str | Path | dict[str, Any], where: str = ""
    ) -> tuple[dict[str, Any], str]:
        """Return the mapping in what `parse` is given, and where it stands.

        Raises
        ------
        ConfigurationError
            There is no such file, or it holds something else.
        """
        if isinstance(value, dict):
            return value, where
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return cls._load(json.loads, value, where or "--options"), where
        path = Path(value)
        if not path.is_file():
            raise ConfigurationError(
                f"{path}: no such configuration file", next_step="check --configfile"
            )
        where = where or str(path)
        return cls._load(yaml.safe_load, read_text_file(path), where), where

    @classmethod
    def validate_mapping(cls, mapping: dict[str, Any], passing: Collection[str] = ()) -> Self:
        """Return the section that a mapping makes.

        Parameters
        ----------
        mapping : dict
            As `plain` returns it.
        passing : collection of str
            Classes whose entries need not go together, and `REFUSED`: the rest can be read then.

        Raises
        ------
        ValidationError
        """
        # JSON mode: lists may become tuples, but text never becomes a number.
        text = json.dumps(mapping)
        return cls.model_validate_json(text, strict=True, context={"passing": passing})

    @staticmethod
    def _load(loads: Callable[[str], Any], text: str, where: str) -> dict[str, Any]:
        """Return the mapping in a text; only plain values are made of it, whatever it asks for."""
        try:
            mapping = loads(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"{where}: not readable ({error})",
                cause="a missing quotation mark or bracket, a tab in place of spaces, or a tag that"
                " asks for more than plain values",
                next_step="mend the line that is named; config/config.yaml is an example",
            ) from error
        if mapping is None:
            return {}
        if not isinstance(mapping, dict):
            raise ConfigurationError(
                f"{where}: holds a {type(mapping).__name__}, not keys and values",
                cause="another file than a configuration",
                next_step="config/config.yaml is an example",
            )
        return mapping

    def dump(self) -> str:
        """Return the section as JSON: what rules pass to the command line."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def plain(mapping: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Return a mapping of text, numbers, lists and mappings; a key `null` is text, as it looks.

    Parameters
    ----------
    mapping : dict
        As YAML reads it.
    problems : Problems
        Receives entries that YAML took for something else, a date say; they become text.
    """

    def as_text(value: Any) -> str:
        problems.add(_no_plain(value))
        return str(value)

    texts: dict[str, Any] = json.loads(json.dumps(mapping, default=as_text))
    return texts


@cache
def schema_of(section: type[Section]) -> dict[str, Any]:
    """Return the JSON schema of a section."""
    return section.model_json_schema()


def _no_plain(value: Any) -> ConfigurationError:
    """Return the error for what is no text, number, list or mapping."""
    return ConfigurationError(
        f"{value!s}: read as a {type(value).__name__}",
        cause="YAML takes 2024-01-31 for a date",
        next_step=f'write it in quotation marks: "{value!s}"',
    )


def passes(name: str, info: ValidationInfo) -> bool:
    """Return whether a validation lets pass what a class, or `REFUSED`, would refuse."""
    return name in (info.context or {}).get("passing", ())


def errors_of(
    error: ValidationError, where: str, schema: dict[str, Any]
) -> list[ConfigurationError | GendmrError]:
    """Return pydantic's report as errors: one that lists wrong entries, and those of validators.

    Parameters
    ----------
    error, where, schema
        See `explain`.
    """
    return listed_errors([dict(item) for item in error.errors()], where, schema)


def listed_errors(
    items: Sequence[dict[str, Any]], where: str, schema: dict[str, Any]
) -> list[GendmrError]:
    """Return the same of the items of several reports."""
    wrong_items = [item for item in items if not is_refused(item)]
    errors = [
        refusal for item in items if is_refused(item) for refusal in item["ctx"]["error"].errors
    ]
    if wrong_items:
        types = " ".join(item["type"] for item in wrong_items)
        errors.insert(
            0,
            ConfigurationError(
                explain(wrong_items, where, schema),
                cause="a misspelt key, or a value given as text"
                if "extra_forbidden" in types or "type" in types
                else "a value out of its range",
                next_step="edit the lines that are named; numbers on the command line need a"
                " --configfile, since --config passes them as text",
            ),
        )
    return errors


def is_refused(item: dict[str, Any]) -> bool:
    """Return whether an item of pydantic's report has errors of its own."""
    return isinstance(item.get("ctx", {}).get("error"), RefusedEntry)


def explain(
    items: Sequence[dict[str, Any]], where: str, schema: dict[str, Any] | None = None
) -> str:
    """Turn items of pydantic's report into one line per wrong key.

    Parameters
    ----------
    items : sequence of dict
        As `ValidationError.errors` gives them.
    where : str
        The file.
    schema : dict, optional
        JSON schema of what was validated: a misspelt key is compared with the keys of its place.
    """
    lines = []
    for item in items:
        key = ".".join(map(str, item["loc"])) or "(top level)"
        if item["type"] == "extra_forbidden":
            *place, name = item["loc"]
            near = did_you_mean([str(name)], keys_of(schema or {}, place))
            lines.append(f"  {key}: unknown key{near}")
        elif item["type"] == "missing":
            lines.append(f"  {key}: missing, and it has no default")
        elif item["type"] == "union_tag_not_found":
            keys = [str(name) for name in item["input"]] if isinstance(item["input"], dict) else []
            near = did_you_mean([name for name in keys if len(name) > 2], ["kind"])
            lines.append(f"  {key}: needs a key kind{near}")
        elif item["type"] == "union_tag_invalid":
            kinds = re.findall(r"'([^']+)'", item["ctx"]["expected_tags"])
            near = did_you_mean([str(item["ctx"]["tag"])], kinds)
            lines.append(
                f"  {key}.kind = {item['ctx']['tag']!r}: no such kind{near}; there are"
                f" {first_few(kinds, 20)}"
            )
        elif item["type"] == CONTRADICTION:
            lines += [f"  {key}: {text}" for text in item["ctx"]["texts"].split("\n")]
        else:
            entry = f"  {key} = {_short(item['input'])}: {item['msg']}"
            lines.append(entry + as_written(item["type"], item["input"]))
    count = "1 wrong entry" if len(lines) == 1 else f"{len(lines)} wrong entries"
    return "\n".join([f"{where}: {count}", *lines])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def as_written(expected: str, value: Any) -> str:
    """Return how a value must be written that YAML took for another type; mostly nothing.

    >>> as_written("float_type", "1e-5")
    '; YAML takes 1e-5 for text: write 1.0e-5'
    >>> as_written("string_type", 2)
    '; write "2" in quotation marks'
    """
    if expected == "string_type" and isinstance(value, bool):
        return "; YAML takes yes, no, on and off for true and false: write it in quotation marks"
    if expected == "string_type" and isinstance(value, int | float):
        return f'; write "{value}" in quotation marks'
    if expected not in ("float_type", "int_type") or not isinstance(value, str):
        return ""
    number = re.fullmatch(r"\s*([+-]?\d*)(?:[.,](\d*))?(?:[eE]([+-]?\d+))?\s*", value)
    if number is None or not (number[1].strip("+-") or number[2]):
        return ""
    integer, decimals, power = number[1] or "0", number[2] or "", number[3]
    if expected == "int_type":
        return "" if decimals.strip("0") or power else f"; write {integer} without quotation marks"
    sign = "" if (power or "").startswith(("+", "-")) or not power else "+"
    exponent = f"e{sign}{power}" if power else ""
    reason = f"; YAML takes {value} for text:" if power or "," in value else ";"
    return f"{reason} write {integer}.{decimals or '0'}{exponent}" + (
        "" if power or "," in value else " without quotation marks"
    )


def keys_of(schema: dict[str, Any], place: Sequence[int | str]) -> list[str]:
    """Return the keys that may stand at a place of a configuration.

    Parameters
    ----------
    schema : dict
        JSON schema of the whole.
    place : sequence of str or int
        As pydantic writes it: keys, numbers in lists, names of members of a union.
    """
    nodes = _branches(schema, schema)
    for step in place:
        inner = [
            node[key] for node in nodes for key in ("items", "additionalProperties") if key in node
        ]
        properties = [
            node["properties"][step] for node in nodes if step in node.get("properties", {})
        ]
        below = [
            branch
            for node in (properties or inner)
            if isinstance(node, dict)
            for branch in _branches(schema, node)
        ]
        # The name of a member of a union is a step of its own: the nodes stay.
        of_kind = [node for node in nodes if _kind(node) == step]
        nodes = of_kind or below or nodes
    return sorted({key for node in nodes for key in node.get("properties", {})})


def _kind(node: dict[str, Any]) -> str | None:
    kind: str | None = node.get("properties", {}).get("kind", {}).get("const")
    return kind


def _branches(schema: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a node, or the members of the union that it is."""
    if "$ref" in node:
        return _branches(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    members = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
    return (
        [branch for member in members for branch in _branches(schema, member)]
        if members
        else [node]
    )
