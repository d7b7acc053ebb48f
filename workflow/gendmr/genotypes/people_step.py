"""What the checks of people share: who is still in, and PLINK that sees only them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError
from gendmr.genotypes.plink import FEW_FOUNDERS, Plink, Version, write_people
from gendmr.genotypes.removals import Removals


@dataclass
class PeopleStep:
    """What the checks share; a call of PLINK sees only people who are still in.

    Attributes
    ----------
    section : GenotypesSection
        Thresholds.
    work : Path
        Scratch folder with the set `merged`.
    people, variants : DataFrame
        `read_fam` and `read_bim` of that set; people are indexed by IID.
    merged : dict
        `merge.json`.
    plink : Plink
        Threads and memory.
    removals : Removals
        Who leaves.
    notes : list of str
        For the report.
    pruned : tuple of str
        Variants in approximate linkage equilibrium; empty where none could be chosen.
    """

    section: GenotypesSection
    work: Path
    people: pd.DataFrame
    variants: pd.DataFrame
    merged: dict[str, Any]
    plink: Plink
    removals: Removals
    notes: list[str]
    pruned: tuple[str, ...] = ()

    @property
    def few(self) -> bool:
        """Whether frequencies and linkage come from fewer people than PLINK 2 takes unasked."""
        return self.founders() < FEW_FOUNDERS

    def founders(self) -> int:
        """Return how many people who are still in have no parent among them."""
        present = self.present()
        return int(((present["father"] == "0") & (present["mother"] == "0")).sum())

    def present(self) -> pd.DataFrame:
        """Return the people who are still in."""
        return self.people[~self.people.index.isin(self.removals.ids)]

    def names_on(self, chromosome: str) -> list[str]:
        """Return the variants of a chromosome, or of all `autosomes`, in order."""
        on_x = self.variants["chromosome"] == "X"
        return self.variants.loc[on_x if chromosome == "X" else ~on_x, "snp"].tolist()

    def pruned_on(self, chromosome: str) -> list[str]:
        """Return the variants in approximate linkage equilibrium of a chromosome, in order."""
        pruned = set(self.pruned)
        return [name for name in self.names_on(chromosome) if name in pruned]

    def run(
        self,
        version: Version,
        arguments: list[str],
        out: str,
        variants: Sequence[str],
        source: str = "merged",
    ) -> None:
        """Run PLINK on who is still in; `variants` are those that it must see."""
        refuse_empty(self.present(), self.removals)
        removed = self.people[self.people.index.isin(self.removals.ids)]
        without: list[str] = []
        if source == "merged" and len(removed):
            write_people(self.work / "gone.txt", removed)
            without = ["--remove", "gone.txt"]
        if version == "1.9":
            without.append("--allow-no-sex")
        elif self.few:
            without += ["--bad-freqs", "--bad-ld"]
        self.plink.run(
            version,
            ["--bfile", source, *without, *arguments],
            out=out,
            folder=self.work,
            people=self.present()["iid"].tolist(),
            variants=variants,
        )


def refuse_empty(present: pd.DataFrame, removals: Removals) -> None:
    """Stop where nobody is left.

    Raises
    ------
    GenotypeFileError
        With the reasons counted.
    """
    if present.empty:
        raise GenotypeFileError(
            f"nobody is left; reasons: {removals.summary()}",
            cause="thresholds too strict, or damaged genotypes",
            next_step="loosen the thresholds of the section genotypes",
        )
