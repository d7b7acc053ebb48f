"""Paragraphs on stages that measure something besides genotypes and structural images.

Each is written from summary.json of its stage, whose notes say what was done differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Summary = Mapping[str, Any]


def expression(summary: Summary) -> Iterator[str]:
    """Yield what was done with matrices of expression."""
    platforms = ", ".join(f"{name}: {count}" for name, count in summary["platforms"].items())
    yield (
        f"Expression of {summary['genes']} genes of {summary['people']} people was read"
        + (f" (people by platform: {platforms})" if platforms else "")
        + f"; {summary['left_genes']} genes were left out. What is estimated from several people"
        " (differences between platforms, which genes vary, scaling) was estimated in each fold"
        " from its training people."
    )


def histology(summary: Summary) -> Iterator[str]:
    """Yield what was done with slides."""
    yield (
        f"Of {summary['slides']} whole-slide images {summary['used_slides']}, of"
        f" {summary['people']} people, were used, as {summary['features']} features of each patch"
        f" and at most {summary['bag']} patches of a person."
    )


def connectivity(summary: Summary) -> Iterator[str]:
    """Yield what was done with functional scans."""
    regions = int(summary["regions"])
    yield (
        f"Functional data of {summary['measured']} of {summary['people']} people were used:"
        f" correlations between {regions} regions ({regions * (regions - 1) // 2} pairs)."
    )


def lesions(summary: Summary) -> Iterator[str]:
    """Yield what was done with images that have masks."""
    yield (
        f"Images with masks of lesions of {summary['measured']} of {summary['people']} people were"
        " used; the intensities of each volume were normalised by that volume alone."
    )


PARAGRAPHS: Mapping[str, tuple[str, Callable[[Summary], Iterator[str]]]] = {
    "expression": ("Expression", expression),
    "histology": ("Histology", histology),
    "connectivity": ("Functional connectivity", connectivity),
    "lesions": ("Lesions", lesions),
}
"""Heading and paragraph of a stage by its name."""
