"""The section of the method `boosting`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import Rates, SnpReader


class BoostingMethod(SnpReader):
    """Gradient-boosted trees for Cox's partial likelihood, on modalities side by side (XGBoost).

    What survival models without linearity reach. `reads` may name `covariates`.
    """

    kind: Literal["boosting"] = "boosting"
    """Chooses the method."""
    depth: int = Field(default=2, ge=1, le=8)
    """Of a tree: how many features may act together."""
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    """Share of each tree that is added."""
    trees: int = Field(default=300, ge=1, le=5000)
    """At most; how many is found by cross-validation within the training people."""
    rows: float = Field(default=0.7, gt=0, le=1)
    """Share of people that a tree is grown on."""
    columns: float = Field(default=0.2, gt=0, le=1)
    """Share of features that a tree may use."""

    tasks: ClassVar[tuple[str, ...]] = ("survival",)
    adjusted: ClassVar[bool] = False
    covariates: ClassVar[Literal["never", "always", "optional"]] = "optional"
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 4.0, "people_instances": 30.0},
            "memory": {"start": 300, "people_instances": 30},
            "disk": {"start": 0.2, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {"start": 4.0, "permutations_people_instances": 30.0},
            "memory": {"start": 300, "people_instances": 30},
            "disk": {"start": 0.2},
        },
    }
