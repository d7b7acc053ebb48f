"""The section of the method `fusion`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import NetworkSection, Rates, SnpReader


class FusionMethod(SnpReader, NetworkSection):
    """Plain networks over a vector of SNPs and a vector of region measurements."""

    kind: Literal["fusion"] = "fusion"
    """Chooses the method."""
    mode: Literal["concatenation", "late", "ogm_ge", "fixed_teacher"] = "concatenation"
    """`concatenation`: one head over both codes; `late`: a head each, logits averaged; `ogm_ge`:
    concatenation whose stronger modality's gradient is damped, with noise (Peng et al. 2022);
    `fixed_teacher`: concatenation distilled from unimodal networks that were trained first and stay
    as they are."""
    width: int = Field(default=32, ge=4, le=512)
    """Length of a code."""
    strength: float = Field(default=0.5, ge=0)
    """Of the damping (`ogm_ge`)."""
    distillation: float = Field(default=1.0, ge=0)
    """Weight of the teachers' answers (`fixed_teacher`)."""
    temperature: float = Field(default=3.0, gt=0)
    """Softens them (`fixed_teacher`)."""

    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of the codes."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 3.8, "epochs_people_instances": 0.16},
            "memory": {"start": 420, "people_instances": 60},
            "disk": {"start": 0.2, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {"start": 3.8, "permutations_epochs_people_instances": 0.16},
            "memory": {"start": 430, "permutations_people_instances": 20},
            "disk": {"start": 0.2},
        },
    }
