"""Which images a simulated study of lesions will have, known from the configuration alone."""

from __future__ import annotations

from gendmr.config.lesions import CHANNEL, PERSON, LesionsSection
from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError

SIMULATED_CHANNEL = "flair"
IMAGES = "images/{participant}_{channel}.nii.gz"
MASKS = "masks/{participant}.nii.gz"


def lesion_people(section: SimulateSection) -> list[str]:
    """Return the labels of the people.

    Examples
    --------
    >>> lesion_people(SimulateSection.parse({"people": 40, "images": 40, "lesions": {}}))[:2]
    ['L0001', 'L0002']
    """
    if section.lesions is None:
        raise ConfigurationError(
            "a simulated study with lesions, and no section simulate.lesions",
            next_step="add `simulate: lesions: {}`",
        )
    return [f"L{number + 1:04d}" for number in range(section.people)]


def simulated_path(pattern: str, participant: str) -> str:
    """Return the path of one person's image or mask."""
    return pattern.replace(PERSON, participant).replace(CHANNEL, SIMULATED_CHANNEL)


def planned_lesions(section: SimulateSection, folder: str) -> list[str]:
    """Return the paths of all images and masks below the folder of the cohort."""
    return [
        f"{folder}/{simulated_path(pattern, person)}"
        for person in lesion_people(section)
        for pattern in (IMAGES, MASKS)
    ]


def refuse_other_lesions(lesions: LesionsSection, folder: str) -> None:
    """Refuse a section `lesions` that reads other files than the simulated ones.

    Raises
    ------
    ConfigurationError
    """
    expected = {
        "nifti": f"{folder}/{IMAGES}",
        "masks": f"{folder}/{MASKS}",
        "channels": (SIMULATED_CHANNEL,),
    }
    wrong = [name for name, value in expected.items() if getattr(lesions, name) != value]
    if wrong:
        name = wrong[0]
        value = expected[name] if name != "channels" else f"[{SIMULATED_CHANNEL}]"
        raise ConfigurationError(
            f"lesions.{name}: {getattr(lesions, name)}, and the study simulates its images",
            cause="the section lesions of another study",
            next_step=f"set `lesions: {name}: {value}`, or delete the section simulate",
        )
