"""People with a tumour: two latent factors in expression, in slides and in outcomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.simulate import SimulateSection
from gendmr.config.tumours import TumoursSection
from gendmr.errors import ConfigurationError
from gendmr.files.atomic import atomic_path, write_json
from gendmr.files.tables import write_table
from gendmr.seeds import generator
from gendmr.simulate.levels import draw_levels
from gendmr.simulate.slide_names import slides_of

FACTORS = ("tumour", "environment")
FAMILIES = {
    "tumour": ("Oncogenes", "Tumor Suppressor Genes"),
    "environment": ("Cytokines and Growth Factors", "Cell Differentiation Markers"),
}
SHARES = {"tumour": 0.2, "environment": 0.4}  # of all genes
MEDIAN = 30.0  # months to the event of a person of mean hazard
SHAPE = 1.3  # of the Weibull distribution of times
PATCH_PIXELS = 256
CLASSES = ("low-low", "low-high", "high-low", "high-high")


def simulate_tumours(section: SimulateSection, seed: int, output: Path | str) -> None:
    """Write participants.tsv, expression.tsv, groups.tsv, slides.tsv, features and what is true.

    The truth is ``truth.json`` (planted genes, factors of each person) and
    ``planted_patches.tsv`` (patches of neighbourhoods by slide, x and y).

    Parameters
    ----------
    section : SimulateSection
        With `tumours`.
    seed : int
        The study's.
    output : Path or str

    Raises
    ------
    ConfigurationError
        The section has no `tumours`.
    """
    if section.tumours is None:
        raise ConfigurationError(
            "simulate has no section tumours", next_step="add `simulate: tumours: {}`"
        )
    output, options = Path(output), section.tumours
    slides = slides_of(section)
    people = list(slides)
    random = generator(seed, "tumours")
    factors = random.normal(size=(len(people), 2))
    drivers = random.normal(size=factors.shape) if section.null_mode else factors
    hospital = _hospitals(drivers, section.sites, options.hospital_confounding, random)
    table = _outcomes(people, drivers, hospital, options, random)
    write_table(output / "participants.tsv", table)
    noisy_factors = {
        name: np.sqrt(share) * factors + np.sqrt(1 - share) * random.normal(size=factors.shape)
        for name, share in (
            ("expression", options.expression_reads),
            ("slides", options.slides_read),
        )
    }
    matrix = draw_levels(
        people,
        dict(zip(FACTORS, noisy_factors["expression"].T, strict=True)),
        hospital,
        genes=options.genes,
        shares=SHARES,
        planted=options.planted,
        loading=options.loading,
        hospital_batch=options.hospital_batch,
        random=random,
    )
    write_table(output / "expression.tsv", matrix.levels)
    families = [
        (gene, FAMILIES[name][number % 2])
        for name, members in matrix.members.items()
        for number, gene in enumerate(members)
    ]
    write_table(output / "groups.tsv", pd.DataFrame(families, columns=["gene", "group"]))
    owner = random.permutation(len(people)) if options.shuffled else np.arange(len(people))
    stain = options.hospital_stain * random.normal(size=(section.sites, options.features))
    directions = _directions(options, random)
    rows, planted = [], []
    for place, (person, person_slides) in enumerate(slides.items()):
        for slide in person_slides:
            rows.append((person, slide, f"features/{slide}.h5"))
            features, cells, factor = draw_slide(
                noisy_factors["slides"][owner[place]],
                directions,
                stain[hospital[place]],
                options,
                generator(seed, "slide", slide),
            )
            _write_features(output / "features" / f"{slide}.h5", features, cells)
            for number, name in enumerate(FACTORS):
                planted += [(slide, int(x), int(y), name) for x, y in cells[factor == number]]
    write_table(
        output / "slides.tsv", pd.DataFrame(rows, columns=["participant_id", "slide_id", "file"])
    )
    write_table(
        output / "planted_patches.tsv",
        pd.DataFrame(planted, columns=["slide_id", "x", "y", "factor"]),
    )
    factor_table = pd.DataFrame(factors.round(6), columns=list(FACTORS))
    write_json(
        output / "truth.json",
        {
            "genes": matrix.planted,
            "null_mode": section.null_mode,
            "factors": {name: factor_table[name].tolist() for name in FACTORS},
            "participants": people,
        },
    )


def _hospitals(
    drivers: np.ndarray, sites: int, confounding: float, random: np.random.Generator
) -> np.ndarray:
    """Return the hospital of each person: later ones for bad outcomes, where so configured."""
    score = confounding * drivers.sum(axis=1) + random.normal(size=len(drivers))
    order = np.argsort(np.argsort(score))
    return np.asarray(order * sites // len(drivers))


def _outcomes(
    people: list[str],
    drivers: np.ndarray,
    hospital: np.ndarray,
    options: TumoursSection,
    random: np.random.Generator,
) -> pd.DataFrame:
    noise = random.normal(size=drivers.shape) / np.sqrt(options.clarity)
    high = drivers + noise > 0
    total = drivers.sum(axis=1) / np.sqrt(2)
    graded = total + random.normal(size=len(total)) / np.sqrt(options.clarity)
    grade = np.searchsorted(np.quantile(graded, [1 / 3, 2 / 3]), graded)
    rate = np.exp(options.effect * total)
    onset = MEDIAN * (random.exponential(size=len(total)) / np.log(2) / rate) ** (1 / SHAPE)
    # A rate of leaving at which the wanted share leaves before the event.
    leaving = random.exponential(size=len(total))
    scale = np.quantile(onset / leaving, 1 - options.censoring) if options.censoring else np.inf
    censoring_time = leaving * scale
    return pd.DataFrame(
        {
            "participant_id": people,
            "age": random.normal(55, 12, len(people)).clip(18, 90).round(1),
            "sex": random.choice(["F", "M"], len(people)),
            "site": [f"site-{number + 1}" for number in hospital],
            "diagnosis": [CLASSES[2 * int(first) + int(second)] for first, second in high],
            "grade": [f"G{number + 2}" for number in grade],
            "months": np.minimum(onset, censoring_time).clip(0.1, 600).round(2),
            "died": (onset <= censoring_time).astype(int),
        }
    )


def _directions(options: TumoursSection, random: np.random.Generator) -> np.ndarray:
    """Return unit vectors (factor, 2, feature): where a neighbourhood lies, and what it tells."""
    matrix = random.normal(size=(options.features, 4))
    columns, _ = np.linalg.qr(matrix)
    return np.asarray(columns.T.reshape(2, 2, options.features) * np.sqrt(options.features / 8))


def draw_slide(
    factors: np.ndarray,
    directions: np.ndarray,
    stain: np.ndarray,
    options: TumoursSection,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, places in pixels, and of which factor's neighbourhood each patch is.

    Tissue is a disc of patches; neighbourhoods are smaller discs in it, which do not meet.

    Parameters
    ----------
    factors : float (2,)
        What the slide sees of each.
    directions : float (2, 2, feature)
    stain : float (feature,)
        What the hospital adds.
    options : TumoursSection
    random : Generator

    Returns
    -------
    features : float32 (patch, feature)
    places : int32 (patch, 2)
        x and y.
    factor : int (patch,)
        0 or 1; -1 elsewhere.
    """
    count = int(random.integers(options.patches[0], options.patches[1] + 1))
    side = int(np.ceil(np.sqrt(count * 1.6))) + 1
    rows, columns = np.divmod(np.arange(side * side), side)
    distance = np.hypot(rows - (side - 1) / 2, columns - (side - 1) / 2)
    inside = np.sort(np.argsort(distance, kind="stable")[:count])
    cell = np.stack([columns[inside], rows[inside]], axis=1)
    factor = np.full(count, -1)
    size = max(round(options.neighbourhood * count), 1)
    for number in range(2):
        free = np.flatnonzero(factor < 0)
        centre = cell[random.choice(free)]
        near = np.argsort(np.hypot(*(cell[free] - centre).T), kind="stable")
        factor[free[near[:size]]] = number
    features = random.normal(size=(count, options.features))
    features += options.slide_noise * random.normal(size=options.features)
    for number in range(2):
        where = factor == number
        base, tells = options.contrast * directions[number]
        features[where] += base + tells * factors[number] * 0.7
    features = features + stain
    # As after a rectifier: no feature of a network of that kind is negative.
    features = np.log1p(np.exp(features))
    return features.astype(np.float32), (cell * PATCH_PIXELS).astype(np.int32), factor


def _write_features(path: Path, features: np.ndarray, places: np.ndarray) -> None:
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as stored:
        stored.create_dataset("features", data=features, track_times=False)
        coords = stored.create_dataset("coords", data=places, track_times=False)
        coords.attrs["patch_size_level0"] = PATCH_PIXELS
