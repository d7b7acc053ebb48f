"""Masks of lesions: an output is a map of log-odds, judged against the mask in its own size.

What asks for a number per person (strata, associations) reads the size of the lesion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.outcomes.segmentation import MASKS, SegmentationOutcome
from gendmr.errors import FoldError, OutcomeError, TrainingError
from gendmr.files.tables import Kind
from gendmr.statistics.intervals import percentile_interval, resample_counts
from gendmr.tasks.base import ParsedOutcome
from gendmr.tasks.measured import LazyOutput, OutcomeReader
from gendmr.tasks.pooling import pool_people
from gendmr.tasks.quantitative.task import PARTS, QuantitativeTask
from gendmr.tasks.segmentation.measures import compare, dice
from gendmr.tasks.segmentation.outcome import Masks, SliceMasks

if TYPE_CHECKING:
    import torch

VOXELS = "lesion_voxels"  # of `gendmr.modalities.base.Listing.outcomes`
LESION = 0.5  # probability, and share of a pixel, from which on it counts as lesion
OBSERVED: dict[str, Kind] = {
    "slices": "integer",
    "empty_slices": "integer",
    "voxels": "integer",
}
PREDICTED: dict[str, Kind] = {
    "predicted_voxels": "integer",
    "intersection": "integer",
    "dice": "number",
    "iou": "number",
    "slice_dice": "number",
    "slice_dice_lesion": "number",
    "hd95": "number",
}
COLUMNS: dict[str, Kind] = {**OBSERVED, **PREDICTED, "distance_unit": "text"}


def build(name: str, section: SegmentationOutcome) -> SegmentationTask:
    """Return the task of masks of lesions."""
    return SegmentationTask(name, section)


@dataclass
class SegmentationTask(QuantitativeTask):
    """See `gendmr.tasks.base.Task` and `gendmr.tasks.measured.MeasuredTask`.

    Parameters
    ----------
    name : str
    section : SegmentationOutcome
    scale : (float, float), optional
        Mean and standard deviation of the sizes of lesions of training people, after `fit`.
    """

    section: SegmentationOutcome  # type: ignore[assignment]

    kind = "segmentation"
    n_outputs = 0
    effect = None  # type: ignore[assignment]
    modality = "slice"
    measured = (VOXELS,)

    def __post_init__(self) -> None:
        self.label = self.section.label or self.name
        self.stored: Mapping[str, Kind] = {"voxels": "number"}
        self.columns: Mapping[str, Kind] = dict(COLUMNS)

    # -- who has it --------------------------------------------------------------------------------

    def wanted(self) -> tuple[str, ...]:
        """Return nothing: masks stand in no table of the user."""
        return ()

    def parse(self, table: pd.DataFrame, where: str) -> ParsedOutcome:
        """Return the sizes of lesions, voxels; without a mask is a reason."""
        voxels = table[VOXELS].astype(np.float64)
        if voxels.nunique() < 2:
            raise OutcomeError(
                f"{where}: {int(voxels.notna().sum())} people of participants.tsv have a mask of"
                f" {self.name}, and their lesions do not differ in size",
                cause="masks of other people, or masks that are all empty",
                next_step="compare participants.tsv with the quality table of the masks",
            )
        reason = pd.Series("", index=table.index, dtype=object).mask(voxels.isna(), "no mask")
        return ParsedOutcome(pd.DataFrame({"voxels": voxels}), reason)

    def read(self, columns: Mapping[str, pd.Series], where: str) -> Masks:
        """Return the sizes of lesions; masks themselves after `locate`."""
        sizes = super().read({"": columns["voxels"]}, where)
        return Masks(sizes.value, np.arange(len(sizes)))

    def locate(self, outcome: Masks, reader: OutcomeReader) -> Masks:
        """Return the masks of the people of a reader, in its order."""
        return Masks(outcome.value, np.arange(len(outcome)), reader)

    def describe(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the meaning of the column."""
        meaning = f"size of {self.label}; its mask is in slice.nc"
        return {"voxels": {"Description": meaning, "Units": "voxels"}}

    def check_parts(self, outcome: Any, part: np.ndarray, where: str) -> None:
        """Refuse a part in which nobody has a lesion."""
        for name in PARTS:
            inside = (part == name) & outcome.known
            if not (outcome.value[inside] > 0).any():
                raise FoldError(
                    f"{where}: none of its {int(inside.sum())} {name} people has a lesion in the"
                    f" mask of {self.name}",
                    cause="few people, or most masks are empty",
                    next_step="fewer cohort.folds, or a larger cohort.inner_validation",
                )

    # -- a fold ------------------------------------------------------------------------------------

    def target(self, outcome: Any) -> Mapping[str, np.ndarray]:
        """Return the share of lesion of each pixel (slice, row, column); or sizes of people."""
        if isinstance(outcome, SliceMasks):
            return {"share": outcome.share}
        return super().target(outcome)

    def weights(self, outcome: Any) -> np.ndarray:
        """Return 1; 0 where the mask is unknown."""
        return np.asarray(outcome.known, dtype=np.float64)

    def loss(
        self, output: torch.Tensor, target: Mapping[str, torch.Tensor], weight: torch.Tensor
    ) -> torch.Tensor:
        """Return Dice loss plus cross-entropy of each slice (MONAI), of maps of log-odds.

        One pixel is added to numerator and denominator of Dice, so that empty slices teach.

        Parameters
        ----------
        output : Tensor (slice, row, column)
        target : dict of Tensor
            `share` (slice, row, column), 0 to 1.
        weight : Tensor (slice,)
        """
        from monai.losses.dice import DiceLoss
        from torch.nn.functional import binary_cross_entropy_with_logits

        share = target["share"][:, None]  # (slice, 1, row, column)
        overlap = DiceLoss(sigmoid=True, reduction="none", smooth_nr=1.0, smooth_dr=1.0)
        entropy = binary_cross_entropy_with_logits(output[:, None], share, reduction="none")
        dice_loss: torch.Tensor = overlap(output[:, None], share)[:, 0, 0, 0]  # (slice,)
        return dice_loss + entropy.mean(dim=(1, 2, 3))

    def losses(self, output: np.ndarray, outcome: Any) -> np.ndarray:
        """Return the same in float64, without torch."""
        logit, share = output.astype(np.float64), outcome.share.astype(np.float64)
        probability = np.exp(-np.logaddexp(0, -logit))
        axes = (1, 2)
        overlap = (probability * share).sum(axis=axes)
        sizes = probability.sum(axis=axes) + share.sum(axis=axes)
        entropy = (np.logaddexp(0, logit) - share * logit).mean(axis=axes)
        return np.asarray(1 - (2 * overlap + 1) / (sizes + 1) + entropy)

    def score(self, output: np.ndarray, outcome: Any) -> float:
        """Return the mean Dice of people, of masks of the size that the network reads."""
        predicted, truth = output > 0, outcome.share >= LESION
        axes = (1, 2)
        counts = np.stack(
            [mask.sum(axis=axes) for mask in (predicted & truth, predicted, truth)]
        )  # (3, slice)
        people = np.unique(outcome.person, return_inverse=True)[1]
        sums = np.stack([np.bincount(people, weights=by_slice) for by_slice in counts])
        return float(dice(*sums).mean()) if sums.size else float("nan")

    def calibrate(
        self, output: Any, outcome: Any, train_output: Any, train_outcome: Any
    ) -> Mapping[str, Any]:
        """Return the probability from which on a voxel is called lesion: it is not fitted."""
        return {"probability": LESION}

    def finite(self, output: Any) -> np.ndarray:
        """Return everybody: `predictions` computes outputs, and refuses those not finite."""
        return np.ones(len(output), dtype=bool)

    def predictions(
        self, output: Any, outcome: Any, calibration: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Return what compares predicted with true masks, a row for each person."""
        rows = [
            compare(predicted, truth, outcome.array("voxel_size", person))
            for person, predicted, truth in self._masks(output, outcome, calibration)
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
            {name: "int64" for name, kind in COLUMNS.items() if kind == "integer"}
        )

    def _masks(self, output: LazyOutput, outcome: Masks, calibration: Mapping[str, Any]) -> Any:
        """Give person, predicted and true mask, bool (slice, row, column), one after the other."""
        probability = calibration["probability"]
        cut = float(np.log(probability / (1 - probability)))
        for person in range(len(output)):
            truth = outcome.read(person).astype(bool)
            logits = output[person]
            if not np.isfinite(logits).all():
                raise TrainingError(
                    f"a map of {self.name} that is not finite",
                    cause="training diverged, or intensities of extreme size",
                    next_step="lower training.optimisation.learning_rate",
                )
            yield person, enlarge(logits, truth.shape[1:]) > cut, truth

    def notes(self, outcome: Any, role: str) -> list[str]:
        """Return a note on people without a lesion."""
        empty = int((outcome.value == 0).sum())
        if not empty:
            return []
        return [
            f"{empty} of {len(outcome)} {role} people have no lesion in the mask of {self.name}:"
            " their Dice is 1 where nothing is predicted, and 0 otherwise."
        ]

    def contrast(self, output: np.ndarray) -> np.ndarray:
        """Return 1: attributions are of the sum of the output."""
        return np.ones_like(output)

    def leave(
        self,
        folder: Path,
        participants: np.ndarray,
        output: LazyOutput,
        outcome: Masks,
        calibration: Mapping[str, Any],
    ) -> None:
        """Write masks.h5: predicted and true masks of held-out people, with affine and a slice."""
        from gendmr.files.masks import PredictedMask, write_masks

        def masks() -> Any:
            for person, predicted, truth in self._masks(output, outcome, calibration):
                shown = truth if truth.any() else predicted
                place = int(shown.sum(axis=(1, 2)).argmax())
                numbers = outcome.array("slice_number", person)
                yield PredictedMask(
                    str(participants[person]),
                    predicted,
                    truth,
                    numbers[numbers >= 0],
                    outcome.array("voxel_size", person),
                    outcome.array("affine", person),
                    place,
                    outcome.array("image", person, np.array([place]))[0],
                )

        write_masks(folder / MASKS, masks())

    # -- pooled over people ------------------------------------------------------------------------

    def pool(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return numbers averaged over repeats."""
        return pool_people(rows, [*OBSERVED, "distance_unit"], PREDICTED)

    def interval(self, rows: pd.DataFrame, random: np.random.Generator) -> tuple[float, float]:
        """Return the bootstrap interval of the mean Dice over people."""
        counts = resample_counts(random, np.zeros(len(rows)))  # (draw, person)
        means = counts @ rows["dice"].to_numpy(float) / counts.sum(axis=1)
        return percentile_interval(means)


def enlarge(logits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return maps of log-odds in the size of the mask, float32 (slice, row, column): bilinear."""
    import torch
    from torch.nn import functional

    if logits.shape[1:] == shape:
        return logits
    maps = torch.from_numpy(np.ascontiguousarray(logits, dtype=np.float32))[:, None]
    larger = functional.interpolate(maps, size=shape, mode="bilinear", align_corners=False)
    return np.asarray(larger[:, 0].numpy())
