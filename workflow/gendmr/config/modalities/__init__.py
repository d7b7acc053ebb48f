"""Sections of modalities, one module for each; found by listing this folder.

The name of the module is the name of the modality: key of the configuration, stem of its file in
`cohort/`, column `has_<name>` of participants.tsv, dimension of its instances.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, create_model

from gendmr.config.base import Section
from gendmr.config.members import sections_in
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import first_few

SECTIONS: dict[str, type[ModalitySection]] = sections_in(__name__, __path__, ModalitySection)


def _by_name(value: Any) -> Any:
    """Give each entry of a mapping the type that its key asks for, in the order of studies.

    JSON on the command line is sorted by key: the order of modalities must not depend on that.
    """
    if not isinstance(value, dict):
        return value
    unknown = sorted(set(value) - set(SECTIONS))
    if unknown:
        raise ValueError(f"no such modality: {first_few(unknown)}; there are {first_few(SECTIONS)}")
    return {
        name: entry
        if isinstance(entry, ModalitySection)
        else SECTIONS[name].model_validate_json(json.dumps(entry), strict=True)
        for name, entry in sorted(
            value.items(), key=lambda item: (SECTIONS[item[0]].place, item[0])
        )
    }


NamedModalities = Annotated[dict[str, SerializeAsAny[ModalitySection]], BeforeValidator(_by_name)]
"""Sections of some modalities by name: what a job is given."""


class _SomeModalities(Section):
    """Sections of modalities alone: what a job is given."""

    modalities: NamedModalities


def in_order(sections: Mapping[str, ModalitySection]) -> dict[str, ModalitySection]:
    """Return sections of modalities in the order of tables and texts."""
    return dict(sorted(sections.items(), key=lambda item: (item[1].place, item[0])))


def parse_modalities(text: str) -> dict[str, ModalitySection]:
    """Return the sections of some modalities from their JSON, in the order of tables and texts.

    Raises
    ------
    ConfigurationError
        See `Section.parse`.
    """
    return in_order(_SomeModalities.parse(f'{{"modalities": {text}}}').modalities)


if TYPE_CHECKING:

    class ModalitiesSection(Section):
        """The section `modalities`: an entry for each modality."""

else:
    ModalitiesSection = create_model(
        "ModalitiesSection",
        __base__=Section,
        __doc__="The section `modalities`: an entry for each modality.",
        **{name: (section | None, None) for name, section in SECTIONS.items()},
    )
