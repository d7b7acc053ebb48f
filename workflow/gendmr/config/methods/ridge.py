"""The section of the method `ridge`."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator

from gendmr.config.methods.base import COVARIATES, Rates, SnpReader


class RidgeMethod(SnpReader):
    """Ridge regression on modalities side by side: logistic, multinomial, linear or Cox.

    The sceptic's baseline. `reads` may name `covariates`: those of `training.covariates`, with the
    ancestry components; where it names nothing else, all of `cohort.covariates`.
    """

    kind: Literal["ridge"] = "ridge"
    """Chooses the method."""
    penalties: tuple[float, ...] = Field(
        default=(1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0), min_length=1
    )
    """Penalties on squared coefficients of standardised features, compared within the training
    people by the cross-validated loss of the task."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    adjusted: ClassVar[bool] = False
    covariates: ClassVar[Literal["never", "always", "optional"]] = "optional"
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 2.5, "people_instances": 0.6},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.1, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {"start": 2.5, "permutations_people_instances": 0.4},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.2},
        },
    }

    @classmethod
    def unasked(cls, available: tuple[str, ...], task: str) -> dict[str, Self]:
        """Return a baseline of everything, and one of each modality and of covariates alone."""
        single_baselines = {
            f"ridge-{name}": cls(kind="ridge", reads=(name,)) for name in (*available, COVARIATES)
        }
        return {"ridge": cls(kind="ridge"), **single_baselines}

    @field_validator("penalties")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value <= 0 for value in values):
            raise ValueError("penalties must be above 0")
        return values
