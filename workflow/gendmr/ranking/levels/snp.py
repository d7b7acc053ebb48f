"""Genes, LD blocks and SNPs.

The score of a gene is the sum over its SNPs of their scores, each weighted by 1 / (1 + sum of r2
with the gene's other SNPs of the same fold); a SNP that a fold did not select counts as 0 there.
Scores of genes are averaged over folds; with `aggregation: max` the scores of SNPs are, and a gene
has the largest of these averages. With `neighbours_kb`, genes' scores are then averaged over their
neighbourhoods. An LD block is scored in the same way as a gene, from all its SNPs, without that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.errors import AnnotationError, InputFileError, first_few, plural
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.ranking import scores
from gendmr.ranking.bias import Bias, measure_bias
from gendmr.ranking.blocks import ld_blocks
from gendmr.ranking.dosages import Dosages
from gendmr.ranking.groups import Groups
from gendmr.ranking.levels.base import CohortFile
from gendmr.ranking.neighbours import neighbour_weights
from gendmr.ranking.tables import (
    STABLE,
    TESTED,
    RankedTable,
    empty_table,
    order_by_score,
    ranked_table,
    significance_of,
)

if TYPE_CHECKING:
    from gendmr.ranking.folds import FoldScores
    from gendmr.ranking.null_scores import NullScores

GENES: dict[str, Kind] = {
    "gene": "text",
    "chromosome": "text",
    "start": "integer",
    "end": "integer",
    "strand": "text",
}
GENE_COLUMNS = (
    *("gene", "chromosome", "start", "end", "block", "score", "score_max", "z"),
    *STABLE,
    *("selected", "n_snp"),
    *TESTED,
)
BLOCK_COLUMNS = (
    *("block", "chromosome", "start", "end", "genes", "n_gene", "n_snp", "score", "z"),
    *STABLE,
    *TESTED,
)
SNP_COLUMNS = (
    *("snp", "chromosome", "position", "effect_allele", "other_allele", "gene"),
    *("score", "z", "risk_allele", "rank", "folds", "selected", "p"),
)


class SnpLevel:
    """Genes, LD blocks and SNPs; see `gendmr.ranking.levels.base.Level`.

    Parameters
    ----------
    file : CohortFile
        Genotypes: no outcome is used.
    options : RankingSection
    places : DataFrame
        `gene`, `chromosome`, `start` and `end` of each gene.
    where : str
        File of `places`, for errors.
    """

    def __init__(
        self, file: CohortFile, options: RankingSection, places: pd.DataFrame, where: str
    ) -> None:
        self.file = file
        self.options = options
        self.places = places
        self.where = where
        self.dosages = Dosages(file)
        self.read_columns = np.zeros(0, dtype=np.int64)
        self.columns = np.zeros(0, dtype=np.int64)
        self.blocks: dict[str, str] = {}
        self.groups = {name: Groups({}, self.dosages.of, self.columns, options) for name in GROUPED}

    @classmethod
    def tables_of(cls, modality: str) -> tuple[str, ...]:
        """Return `genes`, `blocks` and `snps`."""
        return ("genes", "blocks", "snps")

    @classmethod
    def keys_of(cls, modality: str) -> tuple[str, ...]:
        """Return `gene` and `block`."""
        return ("gene", "block")

    @classmethod
    def read(
        cls, cohort: Path, modality: str, options: RankingSection, annotation: Path | None
    ) -> Self:
        """Open the genotypes and the places of the genes; see `Level.read`."""
        if annotation is None:
            raise InputFileError(
                "SNPs are ranked by gene, and no table of genes was given",
                next_step="add --genes results/<study>/annotation/genes.tsv",
            )
        file = CohortFile(cohort, modality)
        return cls(file, options, read_table(annotation, GENES), str(annotation))

    @property
    def people(self) -> pd.Index:
        """People with genotypes."""
        return self.file.people

    @property
    def names(self) -> pd.Index:
        """Names of the SNPs."""
        return self.file.names

    def measured(self, columns: np.ndarray) -> np.ndarray:
        """Return copies of the effect allele, int8 (person, column), -1 missing."""
        return self.file.array("dosage", columns)

    @property
    def averages_instances(self) -> bool:
        """Return whether a gene's score is the largest of its SNPs' averages over folds.

        The average of each fold's largest would count the luckiest SNP of every fold, and by luck
        a gene of many SNPs then hides one whose single SNP is strong in all folds.
        """
        return self.options.aggregation == "max"

    def _over_folds(self, groups: Groups, folds: FoldScores) -> tuple[np.ndarray, np.ndarray]:
        """Return what `score` of a table is made of: means over folds, and scores by fold."""
        by_fold = groups.score(self._spread(folds.scores))
        if not self.averages_instances:
            return by_fold.mean(axis=0), by_fold
        return groups.score(self._spread(folds.scores.mean(axis=0, keepdims=True)))[0], by_fold

    def group(self, read: np.ndarray, columns: np.ndarray) -> dict[str, int]:
        """Put SNPs into genes, and genes into LD blocks; see `Level.group`."""
        self.read_columns, self.columns = read, columns
        snps = self.file.instances
        members = members_of(snps["gene"].tolist()) if len(columns) else {}
        self.blocks = ld_blocks(
            self.dosages.of,
            snps["chromosome"].to_numpy(dtype=object),
            snps["position"].to_numpy(),
            members,
            self.options.block_r2,
            int(1000 * self.options.block_window_kb),
        )
        in_block: dict[str, set[int]] = {}
        for name, gene_columns in members.items():
            in_block.setdefault(self.blocks[name], set()).update(gene_columns)
        in_blocks = {name: sorted(block_columns) for name, block_columns in in_block.items()}
        reach = 1000 * self.options.neighbours_kb
        weights = neighbour_weights(self._places_of(list(members)), reach) if reach else None
        self.groups = {
            "genes": Groups(members, self.dosages.of, read, self.options, weights),
            "blocks": Groups(in_blocks, self.dosages.of, read, self.options),
        }
        return {"genes": self.options.top_k}

    def aggregate(self, by_snp: np.ndarray) -> dict[str, np.ndarray]:
        """Return scores of genes, LD blocks and of the SNPs that the folds read."""
        grouped = {name: groups.score(by_snp) for name, groups in self.groups.items()}
        return grouped | {"snps": by_snp[:, np.searchsorted(self.read_columns, self.columns)]}

    def tables(self, folds: FoldScores | None, null: NullScores) -> dict[str, RankedTable]:
        """Return the tables of genes, LD blocks and SNPs.

        Raises
        ------
        AnnotationError
            None of the genes of the SNPs has a place.
        """
        if folds is None:
            return {
                "genes": empty_table("gene", GENE_COLUMNS, self.options.top_k),
                "blocks": empty_table("block", BLOCK_COLUMNS),
                "snps": empty_table("snp", SNP_COLUMNS, joint=False),
            }
        genes = self._genes(folds, null)
        return {
            "genes": genes,
            "blocks": self._blocks(folds, genes.rows, null),
            "snps": self._snps(folds, null),
        }

    def bias(self, tables: Mapping[str, RankedTable], null: NullScores) -> list[Bias]:
        """Return how scores of genes go with numbers of SNPs, lengths and allele frequencies."""
        frequency = self.dosages.frequencies if len(tables["genes"].rows) else np.zeros(0)
        return measure_bias(
            tables["genes"].rows, self.groups["genes"], frequency, null.mean["genes"]
        )

    def notes(self, tables: Mapping[str, RankedTable]) -> list[str]:
        """Return notes on genes without a place, on neighbourhoods and on fitted p-values."""
        genes = tables["genes"].rows
        notes = []
        unplaced = int(genes["start"].isna().sum())
        if unplaced:
            notes.append(f"No place in annotation/genes.tsv: {plural(unplaced, 'gene')}.")
        if self.options.neighbours_kb:
            notes.append(
                "Scores of genes are means over their neighbourhoods on the chromosome"
                f" (ranking.neighbours_kb: {self.options.neighbours_kb:g}): a gene beside a risk"
                " gene shares its score and p-value. LD blocks are ranked by their own SNPs."
            )
        fitted = int((genes["p_kind"] == "fitted").sum())
        if fitted:
            notes.append(
                f"{fitted} p-values of genes come from a distribution fitted to the largest scores"
                " under permutation, not from counting (p_kind)."
            )
        return notes

    def _places_of(self, genes: list[str]) -> pd.DataFrame:
        """Return the places of genes, a row each, empty where the annotation has none."""
        by_gene = self.places.drop_duplicates("gene").set_index("gene")
        return by_gene.reindex(genes).reset_index()

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Return values (fold, column) of the folds' SNPs at the places of all that were read."""
        spread = np.zeros((len(values), len(self.read_columns)), dtype=values.dtype)
        spread[:, np.searchsorted(self.read_columns, self.columns)] = values
        return spread

    def _genes(self, folds: FoldScores, null: NullScores) -> RankedTable:
        groups = self.groups["genes"]
        score, by_fold = self._over_folds(groups, folds)
        averages = self._spread(folds.scores.mean(axis=0, keepdims=True))
        table = pd.DataFrame(
            {
                "gene": groups.names,
                "block": [self.blocks[name] for name in groups.names],
                "score": score,
                "score_max": groups.largest(averages)[0],
                **scores.stability(by_fold, self.options.top_k, folds.repeat),
                "selected": groups.share_selected(self._spread(folds.selected)),
                "n_snp": groups.sizes(),
            }
        )
        place = self._places_of(groups.names)
        if groups.names and place["start"].isna().all():
            raise AnnotationError(
                f"{self.where}: none of the {len(groups.names)} genes of the cohort's SNPs is in"
                f" it: {first_few(groups.names)}",
                cause="the table is of another annotation",
                next_step="run the annotation again",
            )
        table = table.join(place[["chromosome", "start", "end"]])
        return ranked_table(
            table,
            "gene",
            GENE_COLUMNS,
            by_fold,
            null.mean["genes"],
            self.options,
            self.options.top_k,
            null.first["genes"],
        )

    def _blocks(self, folds: FoldScores, genes: pd.DataFrame, null: NullScores) -> RankedTable:
        groups = self.groups["blocks"]
        score, by_fold = self._over_folds(groups, folds)
        # Genes of a block in the order of their ranks.
        of_block = genes.groupby("block", sort=False).agg(
            genes=("gene", ";".join),
            n_gene=("gene", "size"),
            chromosome=("chromosome", "first"),
            start=("start", "min"),
            end=("end", "max"),
        )
        table = pd.DataFrame(
            {
                "block": groups.names,
                "n_snp": groups.sizes(),
                "score": score,
                **scores.stability(by_fold, self.options.top_k, folds.repeat),
            }
        ).join(of_block, on="block")
        return ranked_table(
            table, "block", BLOCK_COLUMNS, by_fold, null.mean["blocks"], self.options
        )

    def _snps(self, folds: FoldScores, null: NullScores) -> RankedTable:
        named = ["snp", "chromosome", "position", "effect_allele", "other_allele", "gene"]
        table = self.file.instances.iloc[folds.columns][named].reset_index(drop=True)
        table["gene"] = table["gene"].replace("", MISSING)
        table["score"] = folds.scores.mean(axis=0)
        table["risk_allele"] = MISSING
        for sign, allele in ((1, "effect_allele"), (-1, "other_allele")):
            carried = np.sign(folds.direction) == sign
            table.loc[carried, "risk_allele"] = table.loc[carried, allele]
        table["folds"] = folds.folds
        table["selected"] = folds.selected.sum(axis=0)
        significance = significance_of(
            table["score"].to_numpy(), null.mean["snps"], self.options, extras=False
        )
        table["z"], table["p"] = (
            (significance.z, significance.p) if significance else (np.nan, np.nan)
        )
        table = table.iloc[order_by_score(table, "snp")].reset_index(drop=True)
        table["rank"] = np.arange(1, len(table) + 1)
        rows = table[list(SNP_COLUMNS)]
        no_scores = np.zeros((0, len(rows)))
        no_list = np.zeros((0, 0, len(rows)), dtype=bool)
        return RankedTable("snp", rows, no_scores, no_scores, None, 0, no_list, joint=False)


def members_of(genes: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of the SNPs of each gene, by name; genes of a SNP are joined by ';'."""
    members: dict[str, list[int]] = {}
    for column, listed in enumerate(genes):
        for gene in listed.split(";") if listed else ():
            members.setdefault(gene, []).append(column)
    return {name: members[name] for name in sorted(members)}


GROUPED = ("genes", "blocks")
LEVEL = SnpLevel
