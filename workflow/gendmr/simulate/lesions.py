"""People with a lesion: factors that expression and images share, one of them hidden at will."""

from __future__ import annotations

from pathlib import Path

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

FACTORS = ("size", "brightness", "margin")
SHARE = 0.25  # of all genes, for each factor
FIELD = 192.0  # mm, the edge of a slice
DISTANCE = 5.0  # mm between slices
RADIUS = 0.11  # of a core of mean size, over the edge of a slice
MARGIN = 0.5  # mean width of the margin, over that radius
TISSUE, NOISE = 400.0, 40.0  # intensity of the brain, SD of a pixel
HEAD = (0.44, 0.36)  # half axes of the brain, over the edge: along rows, along columns


def simulate_lesions(section: SimulateSection, seed: int, output: Path | str) -> None:
    """Write participants.tsv, expression.tsv, images, masks and what is true.

    The truth is ``truth.json``: planted genes, the factors that expression carries and those that
    the lesions have (``lesion_factors``), which are other ones under `null_mode`.

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
    seen = np.sqrt(share) * factors + np.sqrt(1 - share) * random.normal(size=factors.shape)
    hospital = random.permutation(len(people)) % section.sites
    matrix = draw_levels(
        people,
        dict(zip(FACTORS, seen.T, strict=True)),
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
    for person, own, site in zip(people, lesion, hospital, strict=True):
        image, mask = draw_lesion(own, options, generator(seed, "lesion", person), grain[site])
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
        },
    )


def _by_name(factors: np.ndarray) -> dict[str, list[float]]:
    return {name: values.round(6).tolist() for name, values in zip(FACTORS, factors.T, strict=True)}


def draw_lesion(
    factors: np.ndarray,
    options: SimulatedLesionsSection,
    random: np.random.Generator,
    grain: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return image and mask (slice, row, column) of one person.

    The brain is an ellipse of uneven brightness; the core of the lesion a ball in it, the mask a
    larger ball around it, cut where the brain ends.

    Parameters
    ----------
    factors : float (3,)
        `FACTORS`, in SDs.
    options : SimulatedLesionsSection
    random : Generator
    grain : float
        What the noise is multiplied with.
    """
    shape = (options.slices, options.side, options.side)
    places = np.meshgrid(
        (np.arange(options.slices) - (options.slices - 1) / 2) * DISTANCE,
        *[(np.arange(options.side) / (options.side - 1) - 0.5) * FIELD] * 2,
        indexing="ij",
    )  # mm from the middle: along slices, rows, columns
    brain = (places[1] / HEAD[0]) ** 2 + (places[2] / HEAD[1]) ** 2 < FIELD**2
    uneven = gaussian_filter(random.normal(size=shape), (1.0, options.side / 12, options.side / 12))
    image = TISSUE + NOISE * uneven / uneven.std()
    # Anywhere in the inner half of the brain, about the middle slice.
    angle, reach = random.uniform(0, 2 * np.pi), 0.5 * np.sqrt(random.uniform())
    centre = (
        random.uniform(-0.5, 0.5) * DISTANCE,
        HEAD[0] * FIELD * reach * np.sin(angle),
        HEAD[1] * FIELD * reach * np.cos(angle),
    )
    distance = np.sqrt(sum((axis - at) ** 2 for axis, at in zip(places, centre, strict=True)))
    size, brightness, margin = factors
    core = RADIUS * FIELD * np.exp(options.size_spread * size)
    width = RADIUS * FIELD * np.clip(MARGIN + options.margin_spread * margin, 0.0, 2 * MARGIN)
    contrast = options.contrast * NOISE * np.exp(options.brightness_spread * brightness)
    image += contrast * (distance <= core)
    mask = brain & (distance <= core + width)
    if options.margin == "rim":
        image += contrast / 2 * ((distance > core) & mask)
    image = np.where(brain, image + NOISE * grain * random.normal(size=shape), 0.0)
    return image.clip(0.0), mask.astype(np.uint8)
