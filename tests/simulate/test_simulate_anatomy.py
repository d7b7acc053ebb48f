"""Deformations: nothing folds, regions lose what they should, neighbours do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from gendmr.simulate.anatomy import (
    LEAST_JACOBIAN,
    Lattice,
    jacobian,
    random_field,
    sample,
    shrinking_fields,
    warp,
)
from gendmr.simulate.images import _Template as Template
from gendmr.simulate.images import prepare

REGIONS = ("hippocampus_L", "hippocampus_R", "precuneus_L")


@pytest.fixture(scope="module")
def template(atlas: tuple[Path, Path]) -> Template:
    return prepare(*atlas, REGIONS)


def test_sampling_agrees_with_scipy() -> None:
    random = np.random.default_rng(1)
    field = random.normal(size=(4, 7, 9, 8))
    index = random.uniform(-1, 9, (3, 50, 11))
    slow = [ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in field]
    assert sample(field, index) == pytest.approx(np.stack(slow), abs=1e-5)


def test_the_jacobian_of_a_linear_map_is_its_determinant() -> None:
    lattice = Lattice((6, 7, 8), np.array([-10.0, 3.0, 5.0]))
    matrix = np.array([[0.1, 0.2, 0.0], [-0.1, 0.05, 0.3], [0.0, 0.1, -0.2]])
    displacement = np.tensordot(matrix, lattice.points(), axes=1)
    expected = np.linalg.det(np.eye(3) + matrix)
    assert jacobian(displacement) == pytest.approx(np.full((6, 7, 8), expected))


def test_a_ball_shrinks_alone() -> None:
    # No divergence around it: the flow outwards through any sphere is the same.
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -60
    places = np.indices((60, 60, 60)) * 2.0 - 60
    labels = (np.linalg.norm(places, axis=0) < 15).astype(int)
    lattice = Lattice.around(labels.shape, affine)
    field = shrinking_fields(labels, affine, {"ball": 1}, lattice)["ball"]
    volume = labels.sum() * 8
    flows = []
    directions = np.random.default_rng(0).normal(size=(3, 500))
    directions /= np.linalg.norm(directions, axis=0)
    for radius in (22, 30, 38):
        outwards = (sample(field, lattice.index(radius * directions)) * directions).sum(axis=0)
        flow = outwards.mean() * 4 * np.pi * radius**2
        # The box is periodic: what flows out comes back in evenly.
        box = np.prod(lattice.shape) * 125.0
        flows.append(flow / volume / (1 - 4 / 3 * np.pi * radius**3 / box))
    # More than one: a divergence of one on average inside needs what the blur puts just outside.
    assert 1 < np.mean(flows) < 1.5
    assert flows == pytest.approx([np.mean(flows)] * 3, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_folds_even_with_the_largest_losses(template: Template, seed: int) -> None:
    random = np.random.default_rng(seed)
    loss = dict.fromkeys(REGIONS, 0.4)
    displacement = warp(template.lattice, template.shrinking, loss, random)
    assert jacobian(displacement).min() > LEAST_JACOBIAN


def test_wild_anatomy_is_tamed(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gendmr.simulate.anatomy.SCALES", ((12.0, 12.0),))
    wild = random_field(template.lattice, np.random.default_rng(0))
    assert jacobian(wild).min() < 0
    tamed = warp(template.lattice, template.shrinking, {}, np.random.default_rng(0))
    assert jacobian(tamed).min() > LEAST_JACOBIAN


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_a_region_loses_its_share_and_the_others_nothing(template: Template, loss: float) -> None:
    names = ["hippocampus_L", "hippocampus_R", "precuneus_L"]
    axes = (np.arange(low, high, 1.5) for low, high in template.box)
    fine = np.stack(np.meshgrid(*axes, indexing="ij"))

    def volumes(shares: dict[str, float]) -> np.ndarray:
        random = np.random.default_rng(4)
        displacement = warp(template.lattice, template.shrinking, shares, random)
        origin = fine + sample(displacement, template.lattice.index(fine))
        shift = template.atlas_affine[:3, 3].reshape(3, 1, 1, 1)
        index = (origin - shift) / template.atlas_affine[0, 0]
        return np.array(
            [ndimage.map_coordinates(mask, index, order=1).sum() for mask in template.masks]
        )

    ratio = volumes({"hippocampus_L": loss}) / volumes({})
    change = dict(zip(names, 1 - ratio, strict=True))
    assert change["hippocampus_L"] == pytest.approx(loss, rel=0.15)
    assert abs(change["hippocampus_R"]) < 0.02 * loss + 0.002
    assert abs(change["precuneus_L"]) < 0.02 * loss + 0.002
