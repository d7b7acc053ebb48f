"""The section of the method `association`."""

from __future__ import annotations

from typing import ClassVar, Literal

from gendmr.config.methods.base import SnpReader


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
