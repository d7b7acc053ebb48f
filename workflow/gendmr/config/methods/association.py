"""The section of the method `association`."""

from __future__ import annotations

from typing import ClassVar, Literal

from gendmr.config.methods.base import Rates, SnpReader


class AssociationMethod(SnpReader):
    """Statistics of single SNPs and regions, one at a time: a ranking without a network."""

    kind: Literal["association"] = "association"
    """Chooses the method."""
    channels: Literal["outcome", "both"] = "outcome"
    """`outcome`: the test of each SNP; `both`: the two-channel score, root of the summed squares
    of the tests against the out-of-fold imaging risk and against what imaging leaves
    unexplained."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp", "region")
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 2.5, "people_instances": 0.3},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.1, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {
                "start": 2.5,
                "people_instances": 0.3,
                "permutations_people_instances": 0.07,
            },
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.2},
        },
    }
