"""Objects as safetensors and JSON, to be made anew elsewhere: no pickle, which would run code.

What is written: numbers, text, lists, mappings, arrays, tables, sections of the configuration and
dataclasses of this package, one inside the other. An object that holds more than others need
offers ``portable()``, which returns what is written in its place, and that offers ``restored()``,
which returns the object.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

PACKAGE = "gendmr."
PREFIX = "state."


class Packed:
    """Arrays of objects that were packed.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        That are stored anyway: equal ones are not stored again.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        self._names = {_digest(array): name for name, array in sorted(self.arrays.items())}

    def pack(self, value: Any) -> Any:
        """Return an object as what JSON holds; its arrays go to `arrays`.

        Raises
        ------
        TypeError
            An object of another kind.
        """
        if hasattr(value, "portable"):
            value = value.portable()
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | str | int):
            return value
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, list):
            return [self.pack(item) for item in value]
        return self._tagged(value)

    def _tagged(self, value: Any) -> dict[str, Any]:
        """Return what JSON has no kind for: a mapping whose first key says what it was."""
        if isinstance(value, tuple):
            tagged: dict[str, Any] = {"tuple": [self.pack(item) for item in value]}
        elif isinstance(value, Mapping):
            tagged = {"mapping": [[self.pack(key), self.pack(item)] for key, item in value.items()]}
        elif isinstance(value, np.ndarray):
            tagged = self._array(value)
        elif isinstance(value, pd.DataFrame):
            columns = [[name, self.pack(value[name].to_numpy())] for name in value.columns]
            tagged = {"table": columns, "rows": len(value)}
        elif isinstance(value, BaseModel):
            tagged = {"section": _name(type(value)), "values": value.model_dump(mode="json")}
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.init]
            fields = {name: self.pack(getattr(value, name)) for name in names}
            tagged = {"object": _name(type(value)), "fields": fields}
        elif type(value).__module__.partition(".")[0] == "torch":
            tagged = {"tensor": self._array(value.detach().cpu().numpy())}
        else:
            raise TypeError(f"{type(value).__name__} cannot be packed")
        return tagged

    def _array(self, value: np.ndarray) -> dict[str, Any]:
        if value.dtype.kind in "OUT":
            return {"text": value.reshape(-1).tolist(), "shape": list(value.shape)}
        value = np.asarray(value, order="C")
        digest = _digest(value)
        if digest not in self._names:
            name = f"{PREFIX}{len(self._names)}"
            self._names[digest] = name
            self.arrays[name] = value
        return {"array": self._names[digest]}


def unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the object that `Packed.pack` made into `value`.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError, ImportError
        It is of another version of this package, or damaged.
    """
    if isinstance(value, list):
        return [unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    for kind, restore in KINDS.items():
        if kind in value:
            return restore(value, arrays)
    raise ValueError(f"nothing that was packed: {sorted(value)[:3]}")


Arrays = Mapping[str, np.ndarray]
Tagged = Mapping[str, Any]


def _tuple(value: Tagged, arrays: Arrays) -> tuple[Any, ...]:
    return tuple(unpack(item, arrays) for item in value["tuple"])


def _mapping(value: Tagged, arrays: Arrays) -> dict[Any, Any]:
    return {unpack(key, arrays): unpack(item, arrays) for key, item in value["mapping"]}


def _text(value: Tagged, arrays: Arrays) -> np.ndarray:
    text = np.empty(len(value["text"]), dtype=object)
    text[:] = value["text"]
    return text.reshape(value["shape"])


def _tensor(value: Tagged, arrays: Arrays) -> Any:
    import torch

    return torch.from_numpy(unpack(value["tensor"], arrays))


def _table(value: Tagged, arrays: Arrays) -> pd.DataFrame:
    columns = {name: unpack(column, arrays) for name, column in value["table"]}
    return pd.DataFrame(columns, index=pd.RangeIndex(value["rows"]))


def _object(value: Tagged, arrays: Arrays) -> Any:
    fields = {name: unpack(field, arrays) for name, field in value["fields"].items()}
    instance = _class(value["object"])(**fields)
    return instance.restored() if hasattr(instance, "restored") else instance


KINDS: dict[str, Callable[[Tagged, Arrays], Any]] = {
    "float": lambda value, arrays: float(value["float"]),
    "tuple": _tuple,
    "mapping": _mapping,
    "text": _text,
    "array": lambda value, arrays: np.array(arrays[value["array"]]),
    "tensor": _tensor,
    "table": _table,
    "section": lambda value, arrays: _class(value["section"]).model_validate_json(
        json.dumps(value["values"])
    ),
    "object": _object,
}


def _name(kind: type) -> str:
    if not kind.__module__.startswith(PACKAGE):
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is not of this package")
    return f"{kind.__module__}:{kind.__qualname__}"


def _class(name: str) -> Any:
    """Return a class of this package that holds data; a file cannot name another."""
    module, _, qualified = name.partition(":")
    if not module.startswith(PACKAGE):
        raise ValueError(f"{name} is not of this package")
    kind = getattr(importlib.import_module(module), qualified)
    holds_data = isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel)
    )
    if not holds_data:
        raise ValueError(f"{name} holds no data")
    return kind


def _digest(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    content = hashlib.sha256(np.asarray(array, order="C").tobytes()).digest()
    return array.dtype.str, array.shape, content
