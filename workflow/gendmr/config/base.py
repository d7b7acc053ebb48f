"""What every section of the configuration has in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gendmr.errors import ConfigurationError
from gendmr.files.text import read_text_file


class Section(BaseModel):
    """A part of the configuration: frozen, unknown keys refused, values never converted by guess.

    A number written as text (``--config 'lr: 0.5'`` makes it so) is refused too.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )

    @classmethod
    def parse(cls, value: str | Path | dict[str, Any], *, where: str = "") -> Self:
        """Validate a mapping, a JSON text, or the path of a YAML file.

        Raises
        ------
        ConfigurationError
            Names each wrong key, its value, what is allowed, and the fix.
        """
        if isinstance(value, dict):
            mapping = value
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            mapping = cls._load(json.loads, value, where or "--options")
        else:
            path = Path(value)
            if not path.is_file():
                raise ConfigurationError(
                    f"{path}: no such configuration file", next_step="check --configfile"
                )
            where = where or str(path)
            mapping = cls._load(yaml.safe_load, read_text_file(path), where)
        try:
            # JSON mode: lists may become tuples, but text never becomes a number.
            return cls.model_validate_json(json.dumps(mapping), strict=True)
        except ValidationError as error:
            raise ConfigurationError(
                explain(error, where or cls.__name__),
                cause="a misspelt key, or a value given as text"
                if "extra_forbidden" in str(error) or "type" in str(error)
                else "a value out of its range",
                next_step="edit the file; numbers on the command line need a --configfile,"
                " since --config passes them as text",
            ) from error

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


def explain(error: ValidationError, where: str) -> str:
    """Turn pydantic's report into one line per wrong key."""
    lines = [f"{where}: {error.error_count()} wrong entries"]
    for item in error.errors():
        key = ".".join(map(str, item["loc"])) or "(top level)"
        if item["type"] == "extra_forbidden":
            lines.append(f"  {key}: unknown key")
        else:
            lines.append(f"  {key} = {item['input']!r}: {item['msg']}")
    return "\n".join(lines)
