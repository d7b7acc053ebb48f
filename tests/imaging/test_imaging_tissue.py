"""Tissues told from the intensities of one brain."""

from __future__ import annotations

import numpy as np

from gendmr.imaging.tissue import fit_tissues
from gendmr.seeds import generator

PARTS = {"fluid": 0.03, "grey": 0.35, "white": 0.33, "grey and white": 0.2, "fluid and grey": 0.12}


def test_fluid_of_a_tight_mask_takes_no_grey_matter() -> None:
    """A mask that ends at the cortex leaves little fluid, beside grey matter of broad intensity."""
    random = generator(1, "tight mask")
    count = {name: int(200_000 * share) for name, share in PARTS.items()}
    share_grey = random.random(count["fluid and grey"])
    share_white = random.random(count["grey and white"])
    values = np.concatenate(
        [
            random.normal(330, 130, count["fluid"]),
            random.normal(960, 200, count["grey"]),
            random.normal(1690, 55, count["white"]),
            random.normal(960 + share_white * 730, 60),
            random.normal(330 + share_grey * 630, 150),
        ]
    )
    values = np.abs(values)
    true = (PARTS["fluid"] + PARTS["fluid and grey"] / 2) / sum(PARTS.values())

    model = fit_tissues(values)
    fluid, _, white = model.fractions[model.level_of(values)].mean(axis=0)

    assert abs(fluid - true) < 0.03  # 0.055 too much where fluid may be as broad as it likes
    assert abs(white - (0.33 + 0.1) / sum(PARTS.values())) < 0.02
