"""The threshold of one channel that gives training people the best masks; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gendmr.config.methods.threshold import ThresholdMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.base import Attribution, FitInputs, Progress, SequentialFits
from gendmr.methods.slices import SliceRows, slices_of, with_slices
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.tasks.measured import LazyOutput
from gendmr.tasks.segmentation.measures import dice

GRID = np.linspace(-3.0, 5.0, 161)  # thresholds that are tried, SDs of the volume
BELOW = -20.0  # log-odds where the channel says nothing


def build(options: MethodOptions) -> Threshold:
    """Return the method for its options."""
    if not isinstance(options.method, ThresholdMethod):
        raise TypeError(f"a section {type(options.method).__name__}, not ThresholdMethod")
    return Threshold(options.method.channel)


@dataclass
class FittedThreshold:
    """A threshold; see `gendmr.methods.base.Fitted`.

    Parameters
    ----------
    preparation : Preparation
    channel : int
        Place among those that are read.
    threshold : float
        SDs of the volume.
    history : list of dict
    """

    preparation: Preparation
    channel: int
    threshold: float
    history: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    best_epoch: int = 1
    device: str = "cpu"
    packages: tuple[str, ...] = ("numpy",)

    def portable(self) -> FittedThreshold:
        """Return what a model file holds of it: no history."""
        return replace(self, history=[])

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The threshold, and the channel it is of."""
        return {"threshold": np.array([self.threshold]), "channel": np.array([self.channel])}

    @property
    def terms(self) -> dict[str, np.ndarray]:
        """Nothing: the output is no sum of terms."""
        return {}

    def predict(self, people: PreparedSubset) -> LazyOutput:
        """Return the channel less the threshold (slice, side, side), of each person when asked."""
        slices = slices_of(people)

        def of(person: int) -> np.ndarray:
            images = slices.read_slices(person, np.arange(slices.counts[person]))
            if not slices.known[person, self.channel]:
                return np.full(images[:, 0].shape, BELOW, dtype=np.float32)
            return np.asarray(images[:, self.channel] - self.threshold, dtype=np.float32)

        return LazyOutput(len(people), of)

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return nothing."""
        return {}


class Threshold(SequentialFits):
    """Tries all thresholds of a grid.

    Parameters
    ----------
    channel : str or None
    """

    def __init__(self, channel: str | None) -> None:
        self.channel = channel

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedThreshold:
        """Find the threshold with the best mean Dice of training people."""
        names = slices_of(inputs.train).names
        place = names.index(self.channel) if self.channel is not None else 0
        scores = _scores(inputs.train, inputs, place)
        best = int(scores.argmax())
        threshold = float(GRID[best])
        validation = float(_scores(inputs.validation, inputs, place)[best])
        progress(f"{names[place]} above {threshold:.2f} SD: Dice {scores[best]:.3f} in training")
        line = {
            "epoch": 1,
            "step": 1,
            "train_loss": 1 - float(scores[best]),
            "train_dice": float(scores[best]),
            "validation_loss": 1 - validation,
            "validation_dice": validation,
        }
        return FittedThreshold(inputs.preparation, place, threshold, [line])


def _scores(people: PreparedSubset, inputs: FitInputs, channel: int) -> np.ndarray:
    """Return the mean Dice of people whose channel is known, at each threshold of `GRID`."""
    people = with_slices(people)
    people = people.take(np.flatnonzero(slices_of(people).known[:, channel]))
    total = np.zeros(len(GRID))
    for person in range(len(people)):
        rows = SliceRows(people.take(np.array([person])), inputs.preparation)
        values = rows.slices.read_slices(0, rows.place)[:, channel].ravel()
        share = rows.outcome.share.ravel() >= 0.5
        # Pixels above a threshold are all but those below it.
        place = np.searchsorted(GRID, values, side="left")
        above = [
            np.bincount(place[mask], minlength=len(GRID) + 1)[::-1].cumsum()[::-1][1:]
            for mask in (np.ones_like(share), share)
        ]
        total += dice(above[1], above[0], np.full(len(GRID), share.sum()))
    return total / max(len(people), 1)
