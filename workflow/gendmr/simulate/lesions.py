"""People with a lesion: factors that expression and images share, one of them hidden at will."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from gendmr.config.simulate import SimulateSection
from gendmr.config.simulated_lesions import SimulatedLesionsSection
from gendmr.errors import ConfigurationError
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table
from gendmr.seeds import generator
from gendmr.simulate.lesion_names import IMAGES, MASKS, lesion_people, simulated_path
from gendmr.simulate.levels import draw_levels
from gendmr.simulate.nifti import SCANNER, write_nifti

FACTORS = ("size", "brightness", "depth", "necrosis", "margin")
SHARE = 0.18  # of all genes, for each factor
FIELD = 192.0  # mm, the edge of a slice
DISTANCE = 5.0  # mm between slices
RADIUS = 0.11  # of a core of mean size, over the edge of a slice
MARGIN = 0.5  # mean width of the margin, over that radius
DEPTH, DEEPEST = 0.3, 0.6  # mean and largest distance from the middle, over half axes of the brain
NECROSIS, LARGEST_NECROSIS = 0.4, 0.8  # mean and largest radius of the dark centre, over the core's
TISSUE, NOISE = 400.0, 25.0  # intensity of the brain, SD of a pixel
UNEVEN = 0.5  # SD of what is bright and dark in a healthy brain, over that of a pixel
FAINT = 0.5  # contrast of a rim, and of the dark centre below tissue, over that of a mean core
HEAD = (0.44, 0.36)  # half axes of the brain, over the edge: along rows, along columns


@dataclass(frozen=True)
class LesionShape:
    """Where a lesion lies and how far its parts reach, balls about one centre.

    Parameters
    ----------
    centre_mm : tuple of float
        From the middle of the volume, along slices, rows and columns.
    necrosis_mm, core_mm : float
        Radius of the dark centre, and of the bright core around it.
    margin_mm : float
        How far the mask reaches beyond the core.
    contrast : float
        Of the core above tissue, in SDs of a pixel.
    """

    centre_mm: tuple[float, float, float]
    necrosis_mm: float
    core_mm: float
    margin_mm: float
    contrast: float


def simulate_lesions(section: SimulateSection, seed: int, output: Path | str) -> None:
    """Write participants.tsv, expression.tsv, images, masks and what is true.

    The truth is ``truth.json``: planted genes, the factors that expression carries, those that
    the lesions have (``lesion_factors``), which are other ones under `null_mode`, and the shapes of
    the lesions that follow from the latter (``shapes``, a `LesionShape` for each person).

    Parameters
    ----------
    section : SimulateSection
        With `lesions`.
    seed : int
        The study's.
    output : Path or str

    Raises
    ------
    ConfigurationError
        The section has no `lesions`.
    """
    people = lesion_people(section)
    if section.lesions is None:
        raise ConfigurationError("simulate has no section lesions")
    output, options = Path(output), section.lesions
    random = generator(seed, "lesions")
    factors = random.normal(size=(len(people), len(FACTORS)))
    lesion = random.normal(size=factors.shape) if section.null_mode else factors
    share = options.expression_reads
    noisy_factors = np.sqrt(share) * factors + np.sqrt(1 - share) * random.normal(
        size=factors.shape
    )
    hospital = random.permutation(len(people)) % section.sites
    matrix = draw_levels(
        people,
        dict(zip(FACTORS, noisy_factors.T, strict=True)),
        hospital,
        genes=options.genes,
        shares=dict.fromkeys(FACTORS, SHARE),
        planted=options.planted,
        loading=options.loading,
        hospital_batch=options.hospital_batch,
        random=random,
    )
    write_table(output / "expression.tsv", matrix.levels)
    write_table(
        output / "participants.tsv",
        pd.DataFrame(
            {
                "participant_id": people,
                "age": random.normal(50, 12, len(people)).clip(18, 90).round(1),
                "sex": random.choice(["F", "M"], len(people)),
                "site": [f"site-{number + 1}" for number in hospital],
            }
        ),
    )
    gain, grain = np.exp(options.hospital_intensity * random.normal(size=(2, section.sites)))
    pixel = FIELD / options.side
    affine = np.diag([pixel, pixel, DISTANCE, 1.0])
    shapes: list[dict[str, Any]] = []
    for person, person_factors, site in zip(people, lesion, hospital, strict=True):
        own_random = generator(seed, "lesion", person)
        shape = shape_of(person_factors, options, own_random)
        shapes.append(asdict(shape))
        image, mask = draw_lesion(shape, options, own_random, grain[site])
        for pattern, values in ((IMAGES, image * gain[site]), (MASKS, mask)):
            path = output / simulated_path(pattern, person)
            path.parent.mkdir(parents=True, exist_ok=True)
            # From (slice, row, column) to (column, row, slice), as the files are read.
            write_nifti(path, np.rint(values).transpose(2, 1, 0), affine, SCANNER)
    write_json(
        output / "truth.json",
        {
            "null": section.null_mode,
            "seed": seed,
            "margin": options.margin,
            "genes": matrix.planted,
            "participants": people,
            "factors": _by_name(factors),
            "lesion_factors": _by_name(lesion),
            "shapes": shapes,
        },
    )


def _by_name(factors: np.ndarray) -> dict[str, list[float]]:
    return {name: values.round(6).tolist() for name, values in zip(FACTORS, factors.T, strict=True)}


def shape_of(
    factors: np.ndarray, options: SimulatedLesionsSection, random: np.random.Generator
) -> LesionShape:
    """Return the lesion of a person.

    Parameters
    ----------
    factors : float (5,)
        `FACTORS`, in SDs.
    options : SimulatedLesionsSection
    random : Generator
        For what no factor says: the direction in which the lesion lies from the middle.
    """
    size, brightness, depth, necrosis, margin = factors.tolist()
    angle = random.uniform(0, 2 * np.pi)
    reach = float(np.clip(DEPTH + options.depth_spread * depth, 0.0, DEEPEST))
    core = RADIUS * FIELD * np.exp(options.size_spread * size)
    dark = np.clip(NECROSIS + options.necrosis_spread * necrosis, 0.0, LARGEST_NECROSIS)
    width = np.clip(MARGIN + options.margin_spread * margin, 0.0, 2 * MARGIN)
    return LesionShape(
        centre_mm=(
            random.uniform(-0.5, 0.5) * DISTANCE,
            HEAD[0] * FIELD * reach * np.sin(angle),
            HEAD[1] * FIELD * reach * np.cos(angle),
        ),
        necrosis_mm=float(dark * core),
        core_mm=float(core),
        margin_mm=float(RADIUS * FIELD * width),
        contrast=float(options.contrast * np.exp(options.brightness_spread * brightness)),
    )


def draw_lesion(
    shape: LesionShape,
    options: SimulatedLesionsSection,
    random: np.random.Generator,
    grain: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return image and mask (slice, row, column) of one person.

    The brain is an ellipse of uneven brightness. The lesion is a bright ball with a dark centre;
    the mask a larger ball around it, cut where the brain ends.

    Parameters
    ----------
    shape : LesionShape
    options : SimulatedLesionsSection
    random : Generator
    grain : float
        What the noise is multiplied with.
    """
    sizes = (options.slices, options.side, options.side)
    places = places_of(options)
    brain = (places[1] / HEAD[0]) ** 2 + (places[2] / HEAD[1]) ** 2 < FIELD**2
    uneven = gaussian_filter(random.normal(size=sizes), (1.0, options.side / 12, options.side / 12))
    image = TISSUE + UNEVEN * NOISE * uneven / uneven.std()
    distance = np.sqrt(((places - np.reshape(shape.centre_mm, (3, 1, 1, 1))) ** 2).sum(axis=0))
    core, dark = distance <= shape.core_mm, distance <= shape.necrosis_mm
    faint = FAINT * options.contrast * NOISE
    image += shape.contrast * NOISE * (core & ~dark) - faint * dark
    mask = brain & (distance <= shape.core_mm + shape.margin_mm)
    if options.margin == "rim":
        image += faint * (mask & ~core)
    image = np.where(brain, image + NOISE * grain * random.normal(size=sizes), 0.0)
    return image.clip(0.0), mask.astype(np.uint8)


def places_of(options: SimulatedLesionsSection) -> np.ndarray:
    """Return where pixels lie, mm from the middle along slices, rows and columns.

    Returns
    -------
    float64 (3, slice, row, column)
    """
    across = (np.arange(options.side) / (options.side - 1) - 0.5) * FIELD
    along = (np.arange(options.slices) - (options.slices - 1) / 2) * DISTANCE
    return np.stack(np.meshgrid(along, across, across, indexing="ij"))
