"""The genome build of a set, told from the positions of SNPs that are known on three builds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import GenotypeFileError, TableError
from gendmr.files.tables import Kind, read_table

BUILDS = ("NCBI36", "GRCh37", "GRCh38")
# Positions differ between builds nearly everywhere: five SNPs at their place are no accident.
ENOUGH_NAMES = 5
ENOUGH_POSITIONS = 20
MOST = 0.8
# Without names, chance hits of dense sets must be far fewer than those of the right build.
CLEARLY = 5.0
# Between two builds, long stretches move as one: neighbours differ by the same number of bases.
TOGETHER = 0.5


@dataclass(frozen=True)
class BuildEvidence:
    """What the reference positions say of one set.

    Attributes
    ----------
    by : str
        `name`: SNPs of the reference that the set names, and the share of them that it has at the
        position of each build. `position`: reference positions on the chromosomes of the set, and
        the share of them at which it has a variant. Empty: too few for a judgement.
    variants : int
        SNPs of the reference found by name, or positions found in the best build.
    shares : dict of str to float or None
        Of each build; None where the reference has no position on the chromosomes of the set.
    fitting_build : str or None
        The one build that fits.
    shifted : str or None
        The build that fits once 1 is added to all positions.
    moved : bool
        No build fits, but most neighbours lie equally far from their positions on one of them, as
        they do where a set is of a build that is not known here.
    """

    by: str
    variants: int
    shares: dict[str, float | None]
    fitting_build: str | None
    shifted: str | None = None
    moved: bool = False

    def words(self) -> str:
        """Return the percentages of the three builds, for logs, errors and the report."""
        return ", ".join(
            f"{build} " + ("no reference" if share is None else f"{100 * share:.1f} %")
            for build, share in self.shares.items()
        )

    def summary(self, declared: str) -> dict[str, Any]:
        """Return what `summary.json` keeps of it."""
        return {
            "declared": declared,
            "found": self.fitting_build,
            "by": self.by,
            "variants": self.variants,
            "shares": self.shares,
        }


def read_reference(path: Path | str) -> pd.DataFrame:
    """Read reference positions.

    Returns
    -------
    DataFrame
        `snp`, `chromosome` (text) and at least one of `NCBI36`, `GRCh37`, `GRCh38`: base pairs,
        1-based, NaN where not known.

    Raises
    ------
    InputFileError, TableError
        No table of this form.
    """
    columns: dict[str, Kind] = {"snp": "text", "chromosome": "text"}
    table = read_table(path, columns, optional=dict.fromkeys(BUILDS, "number"), key="snp")
    if not any(build in table for build in BUILDS):
        raise TableError(
            f"{path}: none of the columns {', '.join(BUILDS)}",
            next_step="name the columns of positions after their builds",
        )
    return table.reindex(columns=["snp", "chromosome", *BUILDS])


def detect_build(variants: pd.DataFrame, reference: pd.DataFrame) -> BuildEvidence:
    """Compare a set with the reference positions, by name where it has names in common.

    Parameters
    ----------
    variants : DataFrame
        `chromosome`, `snp`, `position` as `read_bim` returns them.
    reference : DataFrame
        As `read_reference` returns it.
    """
    row = pd.Index(variants["snp"].to_numpy()).get_indexer(reference["snp"].to_numpy())
    common = reference[row >= 0]
    position = variants["position"].to_numpy()[row[row >= 0]]
    shares = {build: _agreement(position, common[build]) for build in BUILDS}
    if len(common) >= ENOUGH_NAMES:
        shares_one_later = {build: _agreement(position + 1, common[build]) for build in BUILDS}
        return BuildEvidence(
            by="name",
            variants=len(common),
            shares=shares,
            fitting_build=_most(shares),
            shifted=_most(shares_one_later),
            moved=any(_moves_together(position, common, build) for build in BUILDS),
        )
    return _by_position(variants, reference)


def _agreement(position: np.ndarray, reference_position: pd.Series) -> float | None:
    is_known = reference_position.notna().to_numpy()
    if int(is_known.sum()) < ENOUGH_NAMES:
        return None
    return float((position[is_known] == reference_position.to_numpy()[is_known]).mean())


def _moves_together(position: np.ndarray, common: pd.DataFrame, build: str) -> bool:
    """Tell whether neighbours differ from their known positions by the same number of bases."""
    is_known = common[build].notna().to_numpy()
    placed = common.loc[is_known, ["chromosome", build]].assign(
        difference=position[is_known] - common.loc[is_known, build]
    )
    placed = placed.sort_values(["chromosome", build])
    moved_alike = placed["difference"].diff().eq(0) & placed["difference"].ne(0)
    moved_alike &= placed["chromosome"].eq(placed["chromosome"].shift())
    return len(placed) >= ENOUGH_NAMES and float(moved_alike.mean()) >= TOGETHER


def _most(shares: dict[str, float | None]) -> str | None:
    fitting = [build for build, share in shares.items() if share is not None and share >= MOST]
    return fitting[0] if len(fitting) == 1 else None


def _by_position(variants: pd.DataFrame, reference: pd.DataFrame) -> BuildEvidence:
    on_chromosomes = reference[reference["chromosome"].isin(variants["chromosome"].unique())]
    places = pd.MultiIndex.from_frame(variants[["chromosome", "position"]])
    hits, shares = _overlap(on_chromosomes, places, 0)
    best, fitting = _clearest(hits, shares)
    if hits[best] >= ENOUGH_POSITIONS:
        return BuildEvidence("position", hits[best], shares, fitting)
    moved, shifted = _clearest(*_overlap(on_chromosomes, places, -1))
    by = "position" if shifted else ""
    return BuildEvidence(by, hits[moved if shifted else best], shares, None, shifted)


def _overlap(
    reference: pd.DataFrame, places: pd.MultiIndex, shift: int
) -> tuple[dict[str, int], dict[str, float | None]]:
    shares: dict[str, float | None] = dict.fromkeys(BUILDS)
    hits = dict.fromkeys(BUILDS, 0)
    for build in BUILDS:
        placed = reference[["chromosome", build]].dropna().astype({build: "int64"})
        if len(placed) >= ENOUGH_POSITIONS:
            placed[build] += shift
            is_hit = pd.MultiIndex.from_frame(placed).isin(places)
            hits[build] = int(is_hit.sum())
            shares[build] = float(is_hit.mean())
    return hits, shares


def _clearest(hits: dict[str, int], shares: dict[str, float | None]) -> tuple[str, str | None]:
    """Return the build with most hits, and again where they are enough and far ahead."""
    best, *other_builds = sorted(BUILDS, key=lambda build: shares[build] or 0.0, reverse=True)
    clear = (shares[best] or 0.0) >= CLEARLY * max(shares[build] or 0.0 for build in other_builds)
    return best, best if clear and hits[best] >= ENOUGH_POSITIONS else None


def check_build(where: str, evidence: BuildEvidence, declared: str, *, several: bool) -> str | None:
    """Refuse a set whose positions are not of the declared build.

    Parameters
    ----------
    where : str
        The set, for messages.
    evidence : BuildEvidence
        Of its positions.
    declared : str
        Build of the configuration.
    several : bool
        There are other sets, so that another `build` alone would not do.

    Returns
    -------
    str or None
        A note for the report where nothing could be checked.

    Raises
    ------
    GenotypeFileError
        The positions are of another build, of none, or 0-based.
    """
    agreement = evidence.words()
    if not evidence.by:
        return (
            f"{where}: build {declared} not checked: only {evidence.variants} reference positions"
            f" found ({agreement})"
        )
    finding = (
        f"{where}: of {evidence.variants} reference SNPs"
        f" {'named here' if evidence.by == 'name' else 'found by position'}, at their position in"
        f" {agreement}"
    )
    if evidence.fitting_build == declared:
        return None
    if evidence.fitting_build is None and evidence.shares[declared] is None:
        return f"{finding}: {declared} could be neither shown nor refuted"
    unknown = [build for build, share in evidence.shares.items() if share is None]
    if evidence.fitting_build is not None:
        raise GenotypeFileError(
            f"{finding}; the positions are of {evidence.fitting_build}, not of {declared} as"
            " declared",
            cause="files of another export, or the wrong `build` in the configuration",
            next_step=(
                f"lift this set: genotypes.lift: {{{where}: {{build: {evidence.fitting_build},"
                f" chain: FILE}}}}, with a UCSC chain file from {evidence.fitting_build} to"
                f" {declared}"
                if several
                else f"set genotypes.build (and annotation.build and its genes) to"
                f" {evidence.fitting_build}, or lift the set with genotypes.lift"
            ),
        )
    if evidence.shifted is not None:
        raise GenotypeFileError(
            f"{finding}; all positions are one less than those of {evidence.shifted}: 0-based",
            cause="positions taken from a BED file of intervals",
            next_step="add 1: awk '{$4 = $4 + 1; print}' OFS='\\t' OLD.bim > NEW.bim",
        )
    if evidence.moved:
        older = " or ".join(unknown) or "another build"
        raise GenotypeFileError(
            f"{finding}; no build fits, but neighbours lie equally far from where they should",
            cause=f"the set is of {older}, whose positions on these chromosomes"
            " the table of reference positions does not have",
            next_step="give positions of that build for SNPs of this set: genotypes."
            "reference_positions: TABLE with the columns snp, chromosome and"
            f" {unknown[0] if unknown else 'NCBI36'}; then lift the set with genotypes.lift, or"
            " declare that build everywhere",
        )
    raise GenotypeFileError(
        f"{finding}; no build fits",
        cause="sets of two builds merged, a .bim lifted in part or sorted without its .bed, or"
        " names that are no rsIDs of dbSNP",
        next_step="export the set again from its source, with names and positions of one build",
    )
