"""The section of the method `polygenic`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from gendmr.config.methods.base import Rates, SnpReader


class PolygenicMethod(SnpReader):
    """A polygenic score: clumped SNPs weighted by their effects in the training people."""

    kind: Literal["polygenic"] = "polygenic"
    """Chooses the method."""
    thresholds: tuple[float, ...] = Field(
        default=(1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.5, 1.0), min_length=1
    )
    """P-value thresholds, compared within the training people by the cross-validated
    loss of the task."""
    r2: float = Field(default=0.1, gt=0, le=1)
    """Of two SNPs within 1 Mb with a larger squared correlation the weaker is left out."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp",)
    covariates: ClassVar[Literal["never", "always", "optional"]] = "always"
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 2.5, "people_instances": 0.75},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.1, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {"start": 2.5, "permutations_people_instances": 0.5},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.2},
        },
    }

    @field_validator("thresholds")
    @classmethod
    def _shares(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < value <= 1 for value in values):
            raise ValueError("thresholds are p-values: above 0, at most 1")
        return values
