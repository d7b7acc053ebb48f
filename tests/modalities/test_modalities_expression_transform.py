"""Expression in a fold: no single value makes a scale; transformations, filter, platforms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.cohort.view import FoldView
from gendmr.config.modalities.expression import ExpressionModalitySection
from gendmr.files.tables import write_table
from gendmr.modalities.expression.transform import ExpressionTransform
from gendmr.modalities.store import write_modality

GENES = 6


@pytest.fixture(scope="module")
def opened(
    cohort: Path, tmp_path_factory: pytest.TempPathFactory, open_view: Callable[..., FoldView]
) -> Callable[..., FoldView]:
    """``opened(values)`` is a fold in which everybody has expression (person, gene)."""

    def made(values: np.ndarray, linear: bool = False, platform: np.ndarray | None = None) -> Any:
        folder = tmp_path_factory.mktemp("expression")
        for name in ("participants.json", "splits.tsv"):
            (folder / name).write_bytes((cohort / name).read_bytes())
        table = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
        table["has_expression"] = "True"
        write_table(folder / "participants.tsv", table)
        people = table["participant_id"].to_numpy(dtype=object)
        dataset = xr.Dataset(
            {
                "level": (("participant", "expression"), values.astype(np.float32)),
                "logarithmic": ("participant", np.full(len(people), 1 - linear, dtype=np.int8)),
                "platform": (
                    "participant",
                    np.full(len(people), "one", dtype=object) if platform is None else platform,
                ),
            },
            coords={
                "participant": people,
                "expression": np.array([f"G{number}" for number in range(GENES)], dtype=object),
                "groups": ("expression", np.full(GENES, "", dtype=object)),
                "place": ("expression", np.full(GENES, -1)),
            },
        )
        write_modality(folder / "expression.nc", dataset, "expression")
        return open_view(folder, modalities=("expression",))

    return made


def values_of(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, np.arange(1, GENES + 1), size=(80, GENES))


def fit(view: FoldView, **options: Any) -> ExpressionTransform:
    return ExpressionTransform.fit(
        view.train, ExpressionModalitySection(**options), np.zeros((len(view.train), 0))
    )


def test_training_people_get_mean_0_and_sd_1(opened: Callable[..., FoldView]) -> None:
    view = opened(values_of())
    scaled = fit(view, clip=None).apply(view.train)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-5)


def test_one_enormous_value_does_not_make_the_scale(opened: Callable[..., FoldView]) -> None:
    values = values_of()
    clean, spoiled = opened(values), values.copy()
    who = clean.train.participants[0]
    table = pd.read_csv(clean.folder / "participants.tsv", sep="\t", dtype=str)
    people = table["participant_id"].tolist()
    spoiled[people.index(who), 0] = 3515
    view = opened(spoiled)
    first, second = fit(clean), fit(view)
    assert second.scale[0] < 1.6 * first.scale[0]
    unclipped = fit(view, clip=None)
    assert unclipped.scale[0] > 50 * first.scale[0]
    assert np.abs(second.apply(view.train)[:, 0]).max() < 8


def test_linear_numbers_become_logarithms(opened: Callable[..., FoldView]) -> None:
    values = np.abs(values_of())
    first = opened(np.log2(values.astype(np.float32).astype(float) + 1))
    second = opened(values, linear=True)
    np.testing.assert_allclose(
        fit(first).apply(first.train), fit(second).apply(second.train), atol=1e-4
    )
    raw = fit(second, transformation="none", clip=None)
    level = second.train.array("expression", "level").astype(np.float64)
    np.testing.assert_allclose(raw.mean, level.mean(axis=0))


def test_the_filter_keeps_the_genes_that_vary_most(opened: Callable[..., FoldView]) -> None:
    view = opened(values_of())
    transform = fit(view, variance=0.5)
    assert transform.instances["expression"].tolist() == ["G3", "G4", "G5"]
    assert transform.columns.tolist() == [3, 4, 5]
    assert transform.apply(view.train).shape == (len(view.train), 3)


def test_platforms_may_have_scales_of_their_own(opened: Callable[..., FoldView]) -> None:
    platform = np.where(np.arange(80) % 2, "a", "b").astype(object)
    values = values_of() + np.where(platform == "a", 100.0, 0.0)[:, None]
    view = opened(values, platform=platform)
    scaled = fit(view, by_platform=True, clip=None).apply(view.train)
    platforms = view.train.array("expression", "platform")
    for name in "ab":
        np.testing.assert_allclose(scaled[platforms == name].mean(axis=0), 0, atol=1e-4)
