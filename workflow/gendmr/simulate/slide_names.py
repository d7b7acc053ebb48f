"""Which slides a simulated study will have, known from the configuration alone."""

from __future__ import annotations

from pathlib import Path

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError


def slides_of(section: SimulateSection) -> dict[str, list[str]]:
    """Return the slides of each person.

    Examples
    --------
    >>> from gendmr.config.simulate import SimulateSection
    >>> section = SimulateSection.parse({"tumours": {"second_slide": 0.5}})
    >>> list(slides_of(section).items())[:2]
    [('T0001', ['T0001-A', 'T0001-B']), ('T0002', ['T0002-A'])]
    """
    if section.tumours is None:
        raise ConfigurationError(
            "a simulated study with slides, and no section simulate.tumours",
            next_step="add `simulate: tumours: {}`",
        )
    share = section.tumours.second_slide
    slides = {}
    for number in range(section.people):
        person = f"T{number + 1:04d}"
        # Spread evenly: the second slide of every 1 / share-th person.
        two = int((number + 1) * share + 0.5) > int(number * share + 0.5)
        slides[person] = [f"{person}-{letter}" for letter in ("AB" if two else "A")]
    return slides


def planned_slides(section: SimulateSection, table: str) -> list[str]:
    """Return the paths of all features, beside the table of slides."""
    folder = Path(table).parent / "features"
    return [
        str(folder / f"{slide}.h5")
        for person_slides in slides_of(section).values()
        for slide in person_slides
    ]
