"""The section of the method `elastic_net`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gendmr.config.methods.base import SnpReader


class ElasticNetMethod(SnpReader):
    """Cox regression with an elastic-net penalty on modalities side by side.

    The customary baseline of survival from expression. `reads` may name `covariates`.
    """

    kind: Literal["elastic_net"] = "elastic_net"
    """Chooses the method."""
    l1_ratio: float = Field(default=0.5, gt=0, le=1)
    """Share of the absolute penalty; the rest is of squares."""
    penalties: int = Field(default=12, ge=1, le=100)
    """Penalties that are compared within the training people, evenly spaced in logarithm from the
    smallest one at which nothing has a coefficient."""
    smallest: float = Field(default=0.05, gt=0, lt=1)
    """The last penalty, as a share of the first."""

    tasks: ClassVar[tuple[str, ...]] = ("survival",)
    adjusted: ClassVar[bool] = False
    covariates: ClassVar[Literal["never", "always", "optional"]] = "optional"
