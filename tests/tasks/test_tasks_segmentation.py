"""Masks of lesions: numbers of a person, conventions of empty masks, files beside predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.outcomes.segmentation import SegmentationOutcome
from gendmr.errors import FoldError, OutcomeError, TrainingError
from gendmr.files.masks import read_mask
from gendmr.tasks import figures_of, task_of
from gendmr.tasks.figure import FigureContext
from gendmr.tasks.measured import LazyOutput
from gendmr.tasks.segmentation.measures import compare
from gendmr.tasks.segmentation.metrics import METRICS
from gendmr.tasks.segmentation.outcome import Masks, SliceMasks

UNKNOWN = np.full(3, np.nan)
MM = np.array([5.0, 0.5, 0.5])
SLICES, SIDE = 4, 12


@pytest.fixture
def task():
    return task_of("tumour", SegmentationOutcome())


class Volumes:
    """Stands for the file: masks (person, slice, row, column), -1 outside of a volume."""

    def __init__(self, masks: np.ndarray, voxel_size: np.ndarray = UNKNOWN) -> None:
        people = len(masks)
        self.variables = {
            "mask": masks.astype(np.int8),
            "voxel_size": np.tile(voxel_size, (people, 1)),
            "affine": np.full((people, 4, 4), np.nan),
            "slice_number": np.where((masks >= 0).any(axis=(2, 3)), 7, -1),
            "image": np.random.default_rng(0).normal(size=(people, masks.shape[1], 2, 6, 6)),
        }

    def array(self, variable: str, index: np.ndarray, columns: Any = None) -> np.ndarray:
        values = self.variables[variable][index]
        return values if columns is None else values[:, columns]


def balls(people: int = 6) -> np.ndarray:
    grid = np.indices((SLICES, SIDE, SIDE))
    centre = np.array([1.5, 6, 6])[:, None, None, None]
    distance = np.sqrt((((grid - centre) * np.array([3, 1, 1])[:, None, None, None]) ** 2).sum(0))
    return np.stack([distance < 2.0 + number / 2 for number in range(people)])


def located(task: Any, masks: np.ndarray, voxel_size: np.ndarray = UNKNOWN) -> Masks:
    sizes = pd.Series((masks == 1).sum(axis=(1, 2, 3)).astype(float))
    outcome = task.read({"voxels": sizes}, "participants.tsv")
    return task.locate(outcome, Volumes(masks, voxel_size))


def logits_of(masks: np.ndarray) -> LazyOutput:
    return LazyOutput(len(masks), lambda person: np.where(masks[person], 6.0, -6.0))


def slow_compare(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The same numbers voxel by voxel, as a reader would count them."""

    def overlap(pairs: list[tuple[bool, bool]]) -> tuple[float, float]:
        overlapping = sum(a and b for a, b in pairs)
        either = sum(a or b for a, b in pairs)
        total = sum(a for a, _ in pairs) + sum(b for _, b in pairs)
        return (2 * overlapping / total if total else 1.0), (
            overlapping / either if either else 1.0
        )

    flat = [
        list(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
        for a, b in zip(predicted, truth, strict=True)
    ]
    dice, iou = overlap([pair for pairs in flat for pair in pairs])
    dice_of_slices = [overlap(pairs)[0] for pairs in flat]
    with_lesion = [
        overlap_of_slice
        for overlap_of_slice, mask in zip(dice_of_slices, truth, strict=True)
        if mask.any()
    ]
    return {
        "dice": dice,
        "iou": iou,
        "slice_dice": sum(dice_of_slices) / len(dice_of_slices),
        "slice_dice_lesion": sum(with_lesion) / len(with_lesion) if with_lesion else np.nan,
        "empty_slices": len(dice_of_slices) - len(with_lesion),
    }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compare__counts_as_a_reader_would(data):
    seed, density = data.draw(st.integers(0, 10**6)), data.draw(st.sampled_from([0, 0.02, 0.3, 1]))
    random = np.random.default_rng(seed)
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)))
    predicted, truth = random.random((2, *shape)) < density
    got = compare(predicted, truth, UNKNOWN)
    for name, value in slow_compare(predicted, truth).items():
        assert got[name] == pytest.approx(value, nan_ok=True), name
    assert got["slices"] == shape[0]
    assert got["intersection"] == (predicted & truth).sum()


def test_compare__distances_are_in_mm_where_the_voxel_size_is_known():
    truth = np.zeros((9, 20, 20), dtype=bool)
    truth[3:6, 5:10, 5:10] = True
    for axis, size in enumerate(MM):
        moved = np.roll(truth, 2, axis=axis)
        got = compare(moved, truth, MM)
        assert (got["hd95"], got["distance_unit"]) == (pytest.approx(2 * size), "mm")
    pixels = compare(np.roll(truth, 2, axis=1), truth, UNKNOWN)
    assert (pixels["hd95"], pixels["distance_unit"]) == (pytest.approx(2.0), "pixel")
    # Slices have no distance where nothing tells it: those that share no lesion say nothing.
    assert np.isnan(compare(np.roll(truth, 4, axis=0), truth, UNKNOWN)["hd95"])
    assert np.isnan(compare(truth & False, truth, MM)["hd95"])


def test_empty_masks_are_one_where_both_are_and_nothing_where_one_is():
    some, none = np.ones((1, 3, 3), dtype=bool), np.zeros((1, 3, 3), dtype=bool)
    for predicted, truth, dice in ((none, none, 1), (some, none, 0), (none, some, 0)):
        got = compare(predicted, truth, UNKNOWN)
        assert (got["dice"], got["iou"], got["slice_dice"]) == (dice, dice, dice)
    assert np.isnan(compare(none, none, UNKNOWN)["slice_dice_lesion"])


def test_metrics__are_means_over_people_and_each_says_its_convention(task):
    rows = pd.DataFrame(
        [
            compare(np.zeros((2, 4, 4), bool), np.zeros((2, 4, 4), bool), UNKNOWN),
            compare(np.ones((2, 4, 4), bool), np.ones((2, 4, 4), bool), UNKNOWN),
            compare(np.tri(4, dtype=bool)[None], np.ones((1, 4, 4), bool), UNKNOWN),
        ]
    )
    half = 2 * 10 / 26
    got = {metric.name: metric.of(rows) for metric in task.metrics}
    assert got["dice"] == pytest.approx((1 + 1 + half) / 3)
    assert got["slice_dice"] == pytest.approx((1 + 1 + half) / 3)
    assert got["slice_dice_lesion"] == pytest.approx((1 + half) / 2)
    assert got["volume_error"] == pytest.approx((0 + 6 / 16) / 2)
    assert got["detection"] == 1.0
    assert task.metrics[0].name == "dice" and task.metrics == METRICS
    mixed = rows.assign(distance_unit=["mm", "mm", "pixel"], hd95=[1.0, 2.0, 3.0])
    assert np.isnan({metric.name: metric.of(mixed) for metric in METRICS}["hd95"])


def test_predictions__compare_each_person_in_the_size_of_the_own_mask(task):
    masks = balls().astype(np.int8)
    masks[2, 3:] = -1  # a person with fewer slices
    masks[4, :, :, 10:] = -1  # and one with fewer columns
    outcome = located(task, masks, MM)
    assert outcome.read(2).shape == (3, SIDE, SIDE) and outcome.read(4).shape == (SLICES, SIDE, 10)
    truths = [outcome.read(person).astype(bool) for person in range(len(masks))]
    rows = task.predictions(
        logits_of(truths), outcome, task.calibrate(None, outcome, None, outcome)
    )
    assert list(rows) == list(task.columns)
    assert rows["dice"].eq(1).all() and rows["hd95"].eq(0).all()
    assert rows["voxels"].tolist() == [int(truth.sum()) for truth in truths]
    # What a network sees is smaller; the mask is not.
    halves = [truth.reshape(len(truth), 6, 2, -1, 2).any(axis=(2, 4)) for truth in truths]
    coarse = task.predictions(logits_of(halves), outcome, {"probability": 0.5})
    assert coarse["voxels"].tolist() == rows["voxels"].tolist()
    assert (coarse["dice"] > 0.4).all() and (coarse["dice"] < 1).any()


def test_predictions__refuse_maps_that_are_not_finite(task):
    outcome = located(task, balls())
    with pytest.raises(TrainingError, match="not finite"):
        task.predictions(
            LazyOutput(1, lambda person: np.full((SLICES, SIDE, SIDE), np.nan)),
            outcome,
            {"probability": 0.5},
        )


def test_loss__with_and_without_torch_is_the_same_and_least_for_the_truth(task):
    import torch

    masks = balls(4)
    outcome = located(task, masks)
    person, place = (axis.ravel() for axis in np.indices((4, SLICES)))
    slices = SliceMasks(outcome, person, place, 6)
    fitted = task.fit(outcome)
    output = np.random.default_rng(1).normal(size=(len(slices), 6, 6))
    target = {name: torch.as_tensor(value) for name, value in fitted.target(slices).items()}
    loss = fitted.loss(torch.as_tensor(output), target, torch.ones(len(slices)))
    np.testing.assert_allclose(loss.numpy(), fitted.losses(output, slices), rtol=1e-5)
    true = np.where(slices.share >= 0.5, 8.0, -8.0)
    assert (fitted.losses(true, slices) < fitted.losses(output, slices)).all()
    extreme = fitted.losses(300 * output, slices)
    assert np.isfinite(extreme).all()
    assert fitted.score(true, slices) == 1.0
    assert fitted.weights(slices).tolist() == [1.0] * len(slices)


def test_slice_masks__are_the_share_of_each_pixel(task):
    masks = balls(3)
    outcome = located(task, masks)
    slices = SliceMasks(outcome, np.array([2, 0, 2]), np.array([1, 1, 2]), 6)
    expected = [masks[2, 1], masks[0, 1], masks[2, 2]]
    for share, mask in zip(slices.share, expected, strict=True):
        np.testing.assert_allclose(share, mask.reshape(6, 2, 6, 2).mean(axis=(1, 3)))
    some = slices.take(np.array([2, 0]))
    np.testing.assert_array_equal(some.share, slices.share[[2, 0]])


def test_parse__who_has_no_mask_has_a_reason(task):
    table = pd.DataFrame({"lesion_voxels": [5.0, np.nan, 0.0]}, index=[4, 5, 6])
    parsed = task.parse(table, "volumes.h5")
    assert parsed.reason.tolist() == ["", "no mask", ""]
    outcome = task.read(parsed.columns, "volumes.h5")
    assert outcome.known.tolist() == [True, False, True]
    assert outcome.take(np.array([2, 0])).value.tolist() == [0.0, 5.0]
    with pytest.raises(OutcomeError, match="do not differ in size"):
        task.parse(table.assign(lesion_voxels=np.nan), "volumes.h5")


def test_check_parts__needs_a_lesion_in_each(task):
    outcome = located(task, np.concatenate([balls(4), np.zeros((2, SLICES, SIDE, SIDE))]))
    part = np.array(["train", "train", "validation", "held-out", "held-out", "train"])
    task.check_parts(outcome, part, "repeat 0, fold 1")
    with pytest.raises(FoldError, match="fold 1: none of its 2 held-out people has a lesion"):
        task.check_parts(outcome, part[[0, 1, 2, 5, 3, 4]], "repeat 0, fold 1")


def test_notes__are_of_people_without_a_lesion(task):
    assert task.notes(located(task, balls(1)), "validation") == []
    (note,) = task.notes(located(task, np.stack([*balls(2), balls(1)[0] & False])), "held-out")
    assert note.startswith("1 of 3 held-out people have no lesion in the mask of tumour")


def test_pool__and_interval_are_of_people(task):
    outcome = located(task, balls())
    rows = task.predictions(
        logits_of(np.roll(balls(), 1, axis=2)), outcome, {"probability": 0.5}
    ).assign(participant_id=list("fedcba"), modalities="slice")
    twice = pd.concat([rows.assign(repeat=0), rows.assign(repeat=1, dice=rows["dice"] / 2)])
    pooled = task.pool(twice)
    assert pooled["participant_id"].tolist() == list("abcdef")
    assert set(task.columns) | {"participant_id", "modalities"} == set(pooled)
    np.testing.assert_allclose(pooled["dice"], 0.75 * rows["dice"].to_numpy()[::-1])
    low, high = task.interval(pooled, np.random.default_rng(0))
    assert low < task.metrics[0].of(pooled) < high


def test_leave__holds_both_masks_and_what_a_picture_needs(task, tmp_path):
    masks = balls().astype(np.int8)
    masks[:, 3:] = -1
    outcome = located(task, masks, MM)
    truths = masks[:, :3] == 1
    names = np.array([f"p{number}" for number in range(6)], dtype=object)
    for path in (tmp_path / "one", tmp_path / "two"):
        path.mkdir()
        task.leave(path, names, logits_of(truths), outcome, {"probability": 0.5})
    stored = read_mask(tmp_path / "one" / "masks.h5", "p3")
    np.testing.assert_array_equal(stored.predicted, truths[3])
    np.testing.assert_array_equal(stored.truth, truths[3])
    assert stored.voxel_size.tolist() == MM.tolist() and stored.picture.shape == (2, 6, 6)
    assert stored.truth[stored.place].sum() == truths[3].sum(axis=(1, 2)).max()
    assert (tmp_path / "one" / "masks.h5").read_bytes() == (
        tmp_path / "two" / "masks.h5"
    ).read_bytes()


@pytest.mark.parametrize("methods", [0, 5])
def test_figures__are_drawn_for_any_number_of_methods(task, tmp_path, methods):
    from PIL import Image

    masks = balls()
    outcome = located(task, masks, MM)
    names = np.array([f"p{number}" for number in range(6)], dtype=object)
    labels = pd.DataFrame({"hospital": ["CS", "HT", "CS", "n/a", "HT", "DU"]}, index=names)
    predictions, folders = {}, {}
    for number in range(methods):
        output = logits_of(np.roll(masks, number % 3, axis=2))
        name = f"method {number}"
        folders[name] = tmp_path / name
        folder = tmp_path / name / "repeat-0" / "fold-0"
        folder.mkdir(parents=True)
        task.leave(folder, names, output, outcome, {"probability": 0.5})
        rows = task.predictions(output, outcome, {"probability": 0.5})
        predictions[name] = rows.assign(participant_id=names, repeat=0, fold=0, modalities="slice")
    context = FigureContext(labels, folders)
    for figure in figures_of(task):
        figure.draw(predictions, tmp_path / f"{figure.name}.png", context)
        assert min(Image.open(tmp_path / f"{figure.name}.png").size) > 100
        assert figure.caption.endswith(".")


def test_the_page_of_outcomes_names_every_metric(task, root):
    page = (root / "docs" / "reference" / "outcomes.md").read_text()
    section = page.split("## `segmentation`")[1].split("\n## ")[0]
    for metric in task.metrics:
        assert f"`{metric.name}`" in section
    primary = next(line for line in section.splitlines() if "**Primary**" in line)
    assert primary.startswith("| `dice`")
