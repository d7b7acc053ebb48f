"""Rank genes and regions of one method from the held-out risk of all its folds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.errors import AnnotationError, RankingError, first_few
from gendmr.files.atomic import write_json
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.ranking import scores
from gendmr.training.readout import instance_scores

if TYPE_CHECKING:
    import xarray as xr

FOLD = re.compile(r"repeat-(\d+)/fold-(\d+)/attention\.nc$")
GENES: dict[str, Kind] = {
    "gene": "text",
    "chromosome": "text",
    "start": "integer",
    "end": "integer",
    "strand": "text",
}
PREDICTIONS: dict[str, Kind] = {"participant_id": "text", "set": "text"}
# Empty until a permutation null says what is more than chance.
UNTESTED = ("p", "p_fwer", "q")
GENE_COLUMNS = (
    "gene",
    "chromosome",
    "start",
    "end",
    "score",
    "score_max",
    "rank",
    "rank_low",
    "rank_high",
    "stability",
    "n_snp",
    *UNTESTED,
)
REGION_COLUMNS = (
    "region",
    "hemisphere",
    "score",
    "direction",
    "rank",
    "rank_low",
    "rank_high",
    "stability",
    *UNTESTED,
)
SNP_COLUMNS = (
    "snp",
    "chromosome",
    "position",
    "effect_allele",
    "other_allele",
    "gene",
    "score",
    "risk_allele",
    "rank",
    "folds",
)


@dataclass(frozen=True)
class Bag:
    """What all folds say about one bag.

    Attributes
    ----------
    columns : ndarray (n,) of int
        Instances that any fold read: their columns in the modality of the cohort.
    scores : ndarray (folds, n)
        0 where a fold did not read an instance.
    direction : ndarray (n,)
        Mean over folds of the covariance between risk and what was measured (dosage; volume by
        intracranial volume).
    folds : ndarray (n,) of int
        Folds in which it has a score above 0.
    """

    columns: np.ndarray
    scores: np.ndarray
    direction: np.ndarray
    folds: np.ndarray


@dataclass(frozen=True)
class Ranking:
    """Tables of one method and the fold-wise scores behind them, in the order of the tables."""

    genes: pd.DataFrame
    regions: pd.DataFrame
    snps: pd.DataFrame
    gene_scores: np.ndarray
    region_scores: np.ndarray
    centroids: np.ndarray


def rank_method(
    *,
    method: str,
    attention: Sequence[str],
    cohort: Path,
    genes: Path | str,
    options: RankingSection,
    output: Path,
) -> None:
    """Write genes.tsv, regions.tsv, snps.tsv, summary.json and the figures of one method.

    Parameters
    ----------
    method : str
        Its name, for texts.
    attention : sequence of str
        `…/repeat-<r>/fold-<k>/attention.nc` of all folds and repeats, each beside its
        predictions.tsv.
    cohort : Path
        Folder with snp.nc and, in a study with images, region.nc.
    genes : Path or str
        `annotation/genes.tsv`.
    options : RankingSection
        The section `ranking`.
    output : Path
        `ranking/<method>`.

    Raises
    ------
    RankingError
        A fold is given twice or lacks a file's agreement with its predictions, or a person is
        held out twice in one repeat.
    AnnotationError
        No gene of the SNPs is in `genes`.
    """
    from gendmr.ranking.figures import draw_brain, draw_genome, draw_stability

    paths = order_folds(attention)
    check_held_out(paths)
    snp = read_dataset(cohort / "snp.nc", "snp")
    stored = cohort / "region.nc"
    region = read_dataset(stored, "region") if stored.is_file() else None
    ranking = rank(paths, snp, region, read_table(genes, GENES), options, where=str(genes))
    write_table(output / "genes.tsv", ranking.genes)
    write_table(output / "regions.tsv", ranking.regions)
    write_table(output / "snps.tsv", ranking.snps)
    write_json(output / "summary.json", summarise(method, ranking, len(paths), options))
    figures = output / "figures"
    draw_genome(ranking.genes, ranking.snps, options.label, figures / "genome.png")
    draw_stability(ranking, options, figures / "stability.png")
    draw_brain(ranking.regions, ranking.centroids, figures / "brain.png")


def order_folds(attention: Sequence[str]) -> list[Path]:
    """Return the files by repeat and fold.

    Raises
    ------
    RankingError
        A path does not name its repeat and fold, or a fold is given twice.
    """
    found: dict[tuple[int, int], Path] = {}
    for path in attention:
        named = FOLD.search(Path(path).as_posix())
        if named is None:
            raise RankingError(
                f"{path}: not the attention of a fold",
                cause="another file among the arguments",
                next_step="give …/repeat-<r>/fold-<k>/attention.nc of each fold",
            )
        fold = int(named[1]), int(named[2])
        if fold in found:
            raise RankingError(f"{path}: repeat {fold[0]}, fold {fold[1]} is given twice")
        found[fold] = Path(path)
    if not found:
        raise RankingError("no folds to rank from", next_step="train the method first")
    return [found[fold] for fold in sorted(found)]


def check_held_out(paths: Sequence[Path]) -> None:
    """Compare the people of each attention with its predictions; each is held out once a repeat.

    Raises
    ------
    RankingError
        They differ, or a person appears in two folds of a repeat.
    """
    import xarray as xr

    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        table = read_table(path.with_name("predictions.tsv"), PREDICTIONS, extra=True)
        predicted = set(table.loc[table["set"] == "held-out", "participant_id"])
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as stored:
            people = stored["participant"].values.astype(str).tolist()
        if set(people) != predicted:
            odd = sorted(set(people) ^ predicted)
            raise RankingError(
                f"{path}: {len(odd)} people are held out here or in predictions.tsv but not in"
                f" both: {first_few(odd)}",
                cause="files of two runs",
                next_step=f"train this fold again: rm {path}",
            )
        repeat = path.parent.parent.name
        for person in people:
            if (repeat, person) in seen:
                raise RankingError(
                    f"{person!r} is held out in {seen[repeat, person]} and in {path}",
                    cause="folds of different splits",
                    next_step="train all folds of this repeat again",
                )
            seen[repeat, person] = path


def rank(
    paths: Sequence[Path],
    snp: xr.Dataset,
    region: xr.Dataset | None,
    places: pd.DataFrame,
    options: RankingSection,
    *,
    where: str = "genes.tsv",
) -> Ranking:
    """Rank genes, SNPs and regions from the held-out risk of all folds.

    The score of a gene is the sum over its SNPs of their scores, each weighted by
    1 / (1 + sum of r2 with the gene's other SNPs of the same fold), averaged over folds and
    repeats; a SNP that a fold did not select counts as 0 there.

    Parameters
    ----------
    paths : sequence of Path
        attention.nc of each fold.
    snp, region : Dataset
        Modalities of the cohort; diagnoses are not used.
    places : DataFrame
        `gene`, `chromosome`, `start`, `end` of each gene.
    options : RankingSection
        The section `ranking`.
    where : str
        Name of the file of `places`, for errors.

    Raises
    ------
    RankingError
        A fold names SNPs or regions that the cohort does not have.
    AnnotationError
        No gene of the SNPs is in `places`.
    """
    readers = {"snp": _Reader("snp", snp, snp["dosage"].values, len(paths))}
    if region is not None:
        # Heads differ in size: risk goes with the share of a region, not with its millilitres.
        share = region["volume"].values / region["icv"].values[:, None]
        readers["region"] = _Reader("region", region, share, len(paths))
    for fold, path in enumerate(paths):
        dataset = read_dataset(path, "attention")
        for reader in readers.values():
            reader.add(fold, path, dataset, options)
    snp_bag = readers["snp"].bag()
    gene_table, gene_scores = _genes(snp_bag, snp, places, options, where=where)
    snp_table = _snps(snp_bag, snp)
    region_bag = readers["region"].bag() if "region" in readers else None
    region_table, region_scores, centroids = _regions(region_bag, region, options)
    return Ranking(gene_table, region_table, snp_table, gene_scores, region_scores, centroids)


def shorter(top_k: int, n_regions: int) -> int:
    """Return the length of the list of regions: `top_k`, but at most a quarter of them."""
    return max(1, min(top_k, n_regions // 4))


def summarise(
    method: str, ranking: Ranking, n_folds: int, options: RankingSection
) -> dict[str, Any]:
    """Return summary.json: counts, agreement between folds, a check for bias, notes."""
    genes, regions = ranking.genes, ranking.regions
    k_regions = shorter(options.top_k, len(regions))
    notes = ["No permutation null has been run: p, p_fwer and q are n/a."]
    if genes.empty:
        notes.append(f"{method} reads no SNPs: no genes are ranked.")
    if regions.empty:
        notes.append(f"{method} reads no regions: no regions are ranked.")
    for name, table in (("genes", genes), ("regions", regions)):
        if len(table) and not (table["score"] > 0).any():
            notes.append(f"No risk falls on any of the {name}: their order is that of their names.")
    unplaced = int(genes["start"].isna().sum())
    if unplaced:
        notes.append(f"{unplaced} genes have no place in annotation/genes.tsv.")
    bias = _spearman(genes["score"], genes["n_snp"])
    if bias is not None and abs(bias) > 0.3:
        notes.append(
            f"Scores go with the number of SNPs of a gene (rank correlation {bias:.2f}): larger"
            " genes are favoured."
            if bias > 0
            else f"Scores fall with the number of SNPs of a gene (rank correlation {bias:.2f})."
        )
    return {
        "method": method,
        "folds": n_folds,
        "score": options.score,
        "aggregation": options.aggregation,
        "ld_weighting": options.ld_weighting,
        "genes": {
            "count": len(genes),
            "top_k": options.top_k,
            "top_k_overlap": _rounded(scores.overlap(ranking.gene_scores, options.top_k)),
            "top_k_overlap_by_chance": _rounded(min(1.0, options.top_k / len(genes)))
            if len(genes)
            else None,
            "rank_correlation_with_snp_count": _rounded(bias),
            "first": genes["gene"].head(options.label).tolist(),
        },
        "regions": {
            "count": len(regions),
            "top_k": k_regions,
            "top_k_overlap": _rounded(scores.overlap(ranking.region_scores, k_regions)),
            "top_k_overlap_by_chance": _rounded(k_regions / len(regions)) if len(regions) else None,
            "first": regions["region"].head(options.label).tolist(),
        },
        "notes": notes,
    }


class _Reader:
    """Scores of the instances of one bag, collected fold by fold."""

    def __init__(self, name: str, dataset: xr.Dataset, measured: np.ndarray, n_folds: int) -> None:
        self.name = name
        self.order = pd.Index(dataset[name].values)
        self.people = pd.Index(dataset["participant"].values)
        self.measured = measured
        self.scores = np.zeros((n_folds, len(self.order)))
        self.direction = np.zeros(len(self.order))
        self.read = np.zeros(len(self.order), dtype=bool)

    def add(self, fold: int, path: Path, dataset: xr.Dataset, options: RankingSection) -> None:
        """Add the attention of one fold; nothing where it lacks the bag."""
        if f"risk_{self.name}" not in dataset:
            return
        risk = dataset[f"risk_{self.name}"].values
        column = self.order.get_indexer(pd.Index(dataset[self.name].values))
        if (column < 0).any():
            odd = dataset[self.name].values[column < 0]
            raise RankingError(
                f"{path}: {len(odd)} of {len(column)} {self.name}s are not in the cohort:"
                f" {first_few(odd)}",
                cause="the fold was trained on another cohort",
                next_step="train this fold again",
            )
        self.read[column] = True
        self.scores[fold, column] = instance_scores(risk, options.score)
        row = self.people.get_indexer(pd.Index(dataset["participant"].values))
        here = row >= 0
        found = self.measured[np.ix_(row[here], column)].astype("float64")
        if self.name == "snp":
            found[found < 0] = np.nan
        self.direction[column] += scores.covariance(risk[here], found) / len(self.scores)

    def bag(self) -> Bag | None:
        """Return what all folds say; None where no fold has the bag."""
        if not self.read.any():
            return None
        return Bag(
            columns=np.flatnonzero(self.read),
            scores=self.scores[:, self.read],
            direction=self.direction[self.read],
            folds=(self.scores[:, self.read] > 0).sum(axis=0),
        )


def _genes(
    bag: Bag | None,
    snp: xr.Dataset,
    places: pd.DataFrame,
    options: RankingSection,
    *,
    where: str,
) -> tuple[pd.DataFrame, np.ndarray]:
    if bag is None:
        return pd.DataFrame(columns=pd.Index(GENE_COLUMNS)), np.zeros((0, 0))
    dosage = snp["dosage"].values
    all_snps: dict[str, list[int]] = {}
    for column, listed in enumerate(snp["gene"].values.tolist()):
        for gene in listed.split(";") if listed else ():
            all_snps.setdefault(gene, []).append(column)
    position = np.full(snp.sizes["snp"], -1)
    position[bag.columns] = np.arange(len(bag.columns))
    names = sorted(all_snps)
    gene_scores = np.zeros((len(bag.scores), len(names)))
    largest = np.zeros((len(bag.scores), len(names)))
    for i, gene in enumerate(names):
        read = [column for column in all_snps[gene] if position[column] >= 0]
        if not read:
            continue
        by_snp = bag.scores[:, position[read]]
        if options.ld_weighting and len(read) > 1:
            weights = scores.ld_weights(scores.squared_correlations(dosage[:, read]), by_snp > 0)
        else:
            weights = (by_snp > 0).astype("float64")
        gene_scores[:, i] = scores.aggregate(by_snp, weights, options.aggregation)
        largest[:, i] = scores.aggregate(by_snp, weights, "max")
    share, low, high = scores.stability(gene_scores, options.top_k)
    table = pd.DataFrame(
        {
            "gene": names,
            "score": gene_scores.mean(axis=0),
            "score_max": largest.mean(axis=0),
            "rank_low": low,
            "rank_high": high,
            "stability": share,
            "n_snp": [len(all_snps[gene]) for gene in names],
        }
    )
    place = places.drop_duplicates("gene").set_index("gene").reindex(names).reset_index()
    if names and place["start"].isna().all():
        raise AnnotationError(
            f"{where}: none of the {len(names)} genes of the cohort's SNPs is in it:"
            f" {first_few(names)}",
            cause="the table is of another annotation",
            next_step="run the annotation again",
        )
    table = table.join(place[["chromosome", "start", "end"]])
    return _ranked(table, "gene", GENE_COLUMNS, gene_scores)


def _regions(
    bag: Bag | None, region: xr.Dataset | None, options: RankingSection
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    if bag is None or region is None:
        empty = pd.DataFrame(columns=pd.Index(REGION_COLUMNS))
        return empty, np.zeros((0, 0)), np.zeros((0, 3))
    share, low, high = scores.stability(bag.scores, shorter(options.top_k, len(bag.columns)))
    words = {-1: "lower", 0: MISSING, 1: "higher"}
    table = pd.DataFrame(
        {
            "region": region["region"].values[bag.columns],
            "hemisphere": region["hemisphere"].values[bag.columns],
            "score": bag.scores.mean(axis=0),
            "direction": [words[int(sign)] for sign in np.sign(bag.direction)],
            "rank_low": low,
            "rank_high": high,
            "stability": share,
        }
    )
    centroids = np.column_stack([region[axis].values[bag.columns] for axis in "xyz"])
    order = _order(table, "region")
    ranked, by_fold = _ranked(table, "region", REGION_COLUMNS, bag.scores)
    return ranked, by_fold, centroids[order]


def _snps(bag: Bag | None, snp: xr.Dataset) -> pd.DataFrame:
    if bag is None:
        return pd.DataFrame(columns=pd.Index(SNP_COLUMNS))
    table = pd.DataFrame(
        {
            name: snp[name].values[bag.columns]
            for name in (
                "snp",
                "chromosome",
                "position",
                "effect_allele",
                "other_allele",
                "gene",
            )
        }
    )
    table["gene"] = table["gene"].replace("", MISSING)
    table["score"] = bag.scores.mean(axis=0)
    table["risk_allele"] = np.select(
        [bag.direction > 0, bag.direction < 0],
        [table["effect_allele"], table["other_allele"]],
        MISSING,
    )
    table["folds"] = bag.folds
    table = table.iloc[_order(table, "snp")].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    return table[list(SNP_COLUMNS)]


def _order(table: pd.DataFrame, name: str) -> np.ndarray:
    return np.lexsort((table[name].to_numpy(dtype=str), -table["score"].to_numpy()))


def _ranked(
    table: pd.DataFrame, name: str, columns: Sequence[str], by_fold: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    order = _order(table, name)
    table = table.iloc[order].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    for column in UNTESTED:
        table[column] = np.nan
    return table[list(columns)], by_fold[:, order]


def _spearman(one: pd.Series, other: pd.Series) -> float | None:
    if len(one) < 3 or one.nunique() < 2 or other.nunique() < 2:
        return None
    return float(np.corrcoef(one.rank(), other.rank())[0, 1])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
