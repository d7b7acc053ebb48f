"""Sections of methods, one module for each kind; found by listing this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gendmr.config.members import sections_in, union_of
from gendmr.config.methods.base import MethodSection

KINDS: dict[str, type[MethodSection]] = sections_in(__name__, __path__, MethodSection)

if TYPE_CHECKING:
    AnyMethod = MethodSection
else:
    AnyMethod: Any = Annotated[union_of(KINDS), Field(discriminator="kind")]
