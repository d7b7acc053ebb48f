"""Which image of a person counts: `imaging.select`."""

from __future__ import annotations

import json
from typing import Any

from pydantic import field_validator

from gendmr.config.base import Section
from gendmr.errors import ConfigurationError, first_few
from gendmr.files.text import read_text_file

Labels = str | int | tuple[str | int, ...] | None
# Entities of BIDS: ours, and pybids's where that differs, to how they stand in file names.
ENTITIES = {
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "run": "run",
    "part": "part",
    "space": "space",
    "description": "desc",
}
ALIASES = {"desc": "description"}
# Keys of filter files that say what is looked for in any case.
FIXED = {"datatype": "anat", "suffix": "T1w"}


class SelectSection(Section):
    """The image that counts, by entities of its file name. What is not named here may be anything.

    A label (`session: pre`), or several: then the first that a person has counts
    (`session: [pre, post]`). An empty list asks for images without the entity (`acquisition: []`).
    Runs and other numbers are the same with and without leading zeros. A person none of whose
    images is asked for is listed, and has no regions.
    """

    session: Labels = None
    """`ses-`; absent: images without a session before those with one, then sessions in natural
    order."""
    acquisition: Labels = None
    """`acq-`."""
    ceagent: Labels = None
    """`ce-`, a contrast agent."""
    reconstruction: Labels = None
    """`rec-`."""
    run: Labels = None
    """`run-`; absent: the first."""
    part: Labels = None
    """`part-`; absent: `mag`, or none."""
    space: Labels = None
    """`space-`; absent: none, as such images were resampled to a template."""
    description: Labels = None
    """`desc-`; absent: none, as such images are derivatives."""
    filter: str | None = None
    """A filter file in the form of pybids, as fMRIPrep reads it: JSON whose key `t1w` holds
    entities, `null` standing for without. What is named beside it counts more."""

    @field_validator(*ENTITIES)
    @classmethod
    def _are_labels(cls, value: Labels) -> Labels:
        for label in value if isinstance(value, tuple) else (value,):
            if label is not None and not str(label).isalnum():
                raise ValueError(
                    f"{label!r} is no label of BIDS: letters and digits, without the entity's name"
                )
        return value

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Return labels by the entity as file names write it; an empty tuple: without the entity.

        Raises
        ------
        ConfigurationError
            The filter file is none.
        """
        labels_of = {} if self.filter is None else _of_filter(self.filter)
        for name, entity in ENTITIES.items():
            labels = getattr(self, name)
            if labels is not None:
                labels_of[entity] = _texts(labels)
        return labels_of


def _texts(labels: Any) -> tuple[str, ...]:
    listed = labels if isinstance(labels, (list, tuple)) else (labels,)
    return tuple(str(label) for label in listed)


def _of_filter(path: str) -> dict[str, tuple[str, ...]]:
    try:
        content = json.loads(read_text_file(path, setting="`imaging: select: filter:`"))
    except ValueError as error:
        raise ConfigurationError(
            f"{path}: not JSON ({error})",
            cause="a filter file that was edited by hand",
            next_step=f"python -m json.tool {path}",
        ) from error
    entries = content.get("t1w") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise ConfigurationError(
            f"{path}: no key t1w with entities",
            cause="a filter file for other images",
            next_step='write {"t1w": {"session": "01"}}',
        )
    labels_of, unknown = {}, []
    for key, labels in entries.items():
        name = ALIASES.get(key, key)
        if FIXED.get(key) == labels:
            continue
        if name in ENTITIES:
            labels_of[ENTITIES[name]] = () if labels is None else _texts(labels)
        else:
            unknown.append(f"{key}: {labels}")
    if unknown:
        raise ConfigurationError(
            f"{path}: t1w asks for {first_few(unknown)}; known are"
            f" {first_few([*ENTITIES, *FIXED], 9)}",
            cause="an entity that tells no T1w images apart here",
            next_step="take it out of the filter file",
        )
    return labels_of
