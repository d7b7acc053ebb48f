"""What every section of the configuration has in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gendmr.errors import ConfigurationError


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
            mapping = json.loads(value)
        else:
            path = Path(value)
            if not path.is_file():
                raise ConfigurationError(
                    f"{path}: no such configuration file", next_step="check --configfile"
                )
            mapping = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            where = where or str(path)
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
