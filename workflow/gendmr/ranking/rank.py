"""Rank genes, LD blocks and regions of one method from the held-out risk of all its folds.

The score of a gene is the sum over its SNPs of their scores, each weighted by 1 / (1 + sum of r2
with the gene's other SNPs of the same fold), averaged over folds and repeats; a SNP that a fold did
not select counts as 0 there. An LD block is scored in the same way, as one gene of all its SNPs.
Where the method was fitted under permuted diagnoses, the same is done with each permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.errors import AnnotationError, first_few
from gendmr.files.atomic import sha256, write_json
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.files.provenance import given_checksums, versions
from gendmr.files.tables import MISSING, Kind, read_table, write_table
from gendmr.ranking import scores
from gendmr.ranking.bias import Bias, measure_bias
from gendmr.ranking.blocks import ld_blocks
from gendmr.ranking.folds import Bag, Reader, check_held_out, null_files, order_folds, read_null
from gendmr.ranking.groups import Groups
from gendmr.ranking.significance import LEVEL, Significance, judge

if TYPE_CHECKING:
    import xarray as xr

GENES: dict[str, Kind] = {
    "gene": "text",
    "chromosome": "text",
    "start": "integer",
    "end": "integer",
    "strand": "text",
}
# Names of genes and regions in summary.json.
LISTED = 12
# Agreement between folds under the null is counted in so many permutations.
AGREEMENT_DRAWS = 100
TESTED = ("p", "p_fwer", "q", "p_pooled", "q_pooled", "p_kind")
STABLE = ("rank", "rank_median", "rank_low", "rank_high", "stability")
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
REGION_COLUMNS = ("region", "hemisphere", "score", "direction", "z", *STABLE, *TESTED)
SNP_COLUMNS = (
    *("snp", "chromosome", "position", "effect_allele", "other_allele", "gene"),
    *("score", "z", "risk_allele", "rank", "folds", "selected", "p"),
)


@dataclass(frozen=True)
class Table:
    """A ranked table with what lies behind it, in its order.

    Attributes
    ----------
    rows : DataFrame
    by_fold : ndarray (folds, n)
        Scores in each fold.
    null : ndarray (permutation, n) of float32
        z under permuted diagnoses; no rows where no null was run.
    line : float or None
        The z that is family-wise significant.
    null_by_fold : ndarray (permutation, folds, n)
        Scores of the first permutations in each fold.
    """

    rows: pd.DataFrame
    by_fold: np.ndarray
    null: np.ndarray
    line: float | None
    null_by_fold: np.ndarray


@dataclass(frozen=True)
class Ranking:
    """Tables of one method."""

    genes: Table
    blocks: Table
    regions: Table
    snps: pd.DataFrame
    permutations: int
    bias: list[Bias]


def rank_method(
    *,
    method: str,
    attention: Sequence[str],
    null_chunks: int,
    cohort: Path,
    genes: Path | str,
    options: RankingSection,
    output: Path,
) -> None:
    """Write the tables, null.nc and summary.json of one method.

    Parameters
    ----------
    method : str
        Its name, for texts.
    attention : sequence of str
        `…/repeat-<r>/fold-<k>/attention.nc` of all folds and repeats, each beside its
        predictions.tsv.
    null_chunks : int
        Files `…/null/repeat-<r>/fold-<k>/chunk-<c>.nc` of each fold; 0 where no null was run.
    cohort : Path
        Folder with snp.nc and, in a study with images, region.nc.
    genes : Path or str
        `annotation/genes.tsv`.
    options : RankingSection
        The section `ranking`, that of the method.
    output : Path
        `ranking/<method>`.

    Raises
    ------
    RankingError
        A fold is given twice or lacks a file's agreement with its predictions, a person is held
        out twice in one repeat, or folds have different permutations.
    AnnotationError
        No gene of the SNPs is in `genes`.
    """
    paths = order_folds(attention)
    check_held_out(paths)
    snp = read_dataset(cohort / "snp.nc", "snp")
    stored = cohort / "region.nc"
    region = read_dataset(stored, "region") if stored.is_file() else None
    places = read_table(genes, GENES)
    ranking = rank(
        paths, null_files(paths, null_chunks), snp, region, places, options, where=str(genes)
    )
    write_table(output / "genes.tsv", ranking.genes.rows)
    write_table(output / "blocks.tsv", ranking.blocks.rows)
    write_table(output / "regions.tsv", ranking.regions.rows)
    write_table(output / "snps.tsv", ranking.snps)
    write_dataset(output / "null.nc", _null_dataset(ranking), "null_ranking")
    read = {
        path.name: sha256(path)
        for path in (Path(genes), cohort / "snp.nc", stored)
        if path.is_file()
    }
    made = {
        "versions": versions("numpy", "scipy", "pandas", "xarray"),
        "inputs": read,
        "given": given_checksums(cohort / "inputs.json"),
    }
    write_json(output / "summary.json", summarise(method, ranking, len(paths), options) | made)


def rank(
    paths: Sequence[Path],
    null: Sequence[Sequence[Path]],
    snp: xr.Dataset,
    region: xr.Dataset | None,
    places: pd.DataFrame,
    options: RankingSection,
    *,
    where: str = "genes.tsv",
) -> Ranking:
    """Rank genes, LD blocks, SNPs and regions from the held-out risk of all folds.

    Parameters
    ----------
    paths : sequence of Path
        attention.nc of each fold.
    null : sequence of sequence of Path
        Chunks of the null of each fold, or nothing.
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
    readers = {"snp": Reader("snp", snp, snp["dosage"].values, len(paths))}
    if region is not None:
        # Heads differ in size: risk goes with the share of a region, not with its millilitres.
        share = region["volume"].values / region["icv"].values[:, None]
        readers["region"] = Reader("region", region, share, len(paths))
    for fold, path in enumerate(paths):
        dataset = read_dataset(path, "attention")
        for reader in readers.values():
            reader.add(fold, path, dataset, options)
    snp_bag = readers["snp"].bag()
    region_bag = readers["region"].bag() if "region" in readers else None
    members = members_of(snp["gene"].values.tolist()) if snp_bag is not None else {}
    blocks = ld_blocks(
        snp["dosage"].values,
        snp["chromosome"].values.astype(str),
        snp["position"].values,
        members,
        options.block_r2,
        int(1000 * options.block_window_kb),
    )
    in_block: dict[str, set[int]] = {}
    for name, columns in members.items():
        in_block.setdefault(blocks[name], set()).update(columns)
    groups = {
        "gene": Groups(members, snp["dosage"].values, options),
        "block": Groups(
            {name: sorted(columns) for name, columns in in_block.items()},
            snp["dosage"].values,
            options,
        ),
    }
    found = _Null.collect(null, readers, groups, snp_bag, region_bag, options)
    gene = _genes(snp_bag, snp, places, groups["gene"], blocks, found, options, where=where)
    block = _blocks(snp_bag, gene.rows, groups["block"], found, options)
    return Ranking(
        genes=gene,
        blocks=block,
        regions=_regions(region_bag, region, found, options),
        snps=_snps(snp_bag, snp, found, options),
        permutations=found.permutations,
        bias=measure_bias(gene.rows, groups["gene"], snp["dosage"].values, found.gene),
    )


def members_of(genes: Sequence[str]) -> dict[str, list[int]]:
    """Return the columns of the SNPs of each gene, by name; genes of a SNP are joined by ';'."""
    found: dict[str, list[int]] = {}
    for column, listed in enumerate(genes):
        for gene in listed.split(";") if listed else ():
            found.setdefault(gene, []).append(column)
    return {name: found[name] for name in sorted(found)}


@dataclass(frozen=True)
class _Null:
    """Mean scores over folds under every permutation, and by fold under the first of them."""

    permutations: int
    gene: np.ndarray
    block: np.ndarray
    region: np.ndarray
    snp: np.ndarray
    gene_by_fold: np.ndarray
    region_by_fold: np.ndarray

    @classmethod
    def collect(
        cls,
        files: Sequence[Sequence[Path]],
        readers: dict[str, Reader],
        groups: dict[str, Groups],
        snp: Bag | None,
        region: Bag | None,
        options: RankingSection,
    ) -> _Null:
        """Add up chunk by chunk: all permutations of all SNPs need not fit into memory."""
        parts: list[dict[str, np.ndarray]] = []
        folds = max(len(files), 1)
        snps = snp.columns if snp is not None else np.zeros(0, dtype=np.int64)
        regions = region.columns if region is not None else np.zeros(0, dtype=np.int64)
        orders = {name: reader.order for name, reader in readers.items()}
        early: dict[str, list[list[np.ndarray]]] = {"gene": [], "region": []}
        for chunk in read_null(files, orders, options):
            by_snp = chunk.scores["snp"]
            whole = chunk.scores.get("region")
            found = {
                "gene": groups["gene"].score(by_snp)[0],
                "block": groups["block"].score(by_snp)[0],
                "snp": by_snp[:, snps],
                "region": (np.zeros((len(by_snp), 0)) if whole is None else whole[:, regions]),
            }
            place = next(
                (n for n, part in enumerate(parts) if part["first"] == chunk.rows.start), None
            )
            if place is None:
                parts.append({"first": np.array(chunk.rows.start)})
                parts[-1] |= {name: value / folds for name, value in found.items()}
            else:
                for name, value in found.items():
                    parts[place][name] = parts[place][name] + value / folds
            for name, kept in early.items():
                if len(kept) <= chunk.fold:
                    kept.append([])
                kept[chunk.fold].append(found[name][: max(0, AGREEMENT_DRAWS - chunk.rows.start)])
        sizes = {
            "gene": len(groups["gene"]),
            "block": len(groups["block"]),
            "snp": len(snps),
            "region": len(regions),
        }
        joined = {
            name: np.concatenate([part[name] for part in parts]) if parts else np.zeros((0, size))
            for name, size in sizes.items()
        }
        by_fold = {
            name: np.stack([np.concatenate(values) for values in kept], axis=1)
            if kept
            else np.zeros((0, folds, sizes[name]))
            for name, kept in early.items()
        }
        return cls(
            permutations=len(joined["gene"]),
            gene_by_fold=by_fold["gene"],
            region_by_fold=by_fold["region"],
            **joined,
        )


def shorter(top_k: int, n_regions: int) -> int:
    """Return the length of the list of regions: `top_k`, but at most a quarter of them."""
    return max(1, min(top_k, n_regions // 4))


def _genes(
    bag: Bag | None,
    snp: xr.Dataset,
    places: pd.DataFrame,
    groups: Groups,
    blocks: dict[str, str],
    null: _Null,
    options: RankingSection,
    *,
    where: str,
) -> Table:
    if bag is None:
        return _empty(GENE_COLUMNS)
    by_fold, largest = groups.score(_spread(bag, snp.sizes["snp"]))
    read = np.zeros((len(bag.scores), snp.sizes["snp"]), dtype=bool)
    read[:, bag.columns] = bag.selected
    names = groups.names
    table = pd.DataFrame(
        {
            "gene": names,
            "block": [blocks[name] for name in names],
            "score": by_fold.mean(axis=0),
            "score_max": largest.mean(axis=0),
            **scores.stability(by_fold, options.top_k),
            "selected": [read[:, columns].any(axis=1).mean() for columns in groups.columns],
            "n_snp": groups.sizes(),
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
    return _ranked(table, "gene", GENE_COLUMNS, by_fold, null.gene, null.gene_by_fold, options)


def _blocks(
    bag: Bag | None, genes: pd.DataFrame, groups: Groups, null: _Null, options: RankingSection
) -> Table:
    if bag is None:
        return _empty(BLOCK_COLUMNS)
    width = 1 + max((int(columns.max()) for columns in groups.columns), default=-1)
    by_fold, _ = groups.score(_spread(bag, max(width, 1 + int(bag.columns.max()))))
    # Genes of a block in the order of their ranks.
    held = genes.groupby("block", sort=False).agg(
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
            "score": by_fold.mean(axis=0),
            **scores.stability(by_fold, options.top_k),
        }
    ).join(held, on="block")
    empty = np.zeros((0, *by_fold.shape))
    return _ranked(table, "block", BLOCK_COLUMNS, by_fold, null.block, empty, options)


def _regions(
    bag: Bag | None, region: xr.Dataset | None, null: _Null, options: RankingSection
) -> Table:
    if bag is None or region is None:
        return _empty(REGION_COLUMNS)
    k = shorter(options.top_k, len(bag.columns))
    words = {-1: "lower", 0: MISSING, 1: "higher"}
    table = pd.DataFrame(
        {
            "region": region["region"].values[bag.columns],
            "hemisphere": region["hemisphere"].values[bag.columns],
            "score": bag.scores.mean(axis=0),
            "direction": [words[int(sign)] for sign in np.sign(bag.direction)],
            **scores.stability(bag.scores, k),
        }
    )
    return _ranked(
        table, "region", REGION_COLUMNS, bag.scores, null.region, null.region_by_fold, options
    )


def _snps(bag: Bag | None, snp: xr.Dataset, null: _Null, options: RankingSection) -> pd.DataFrame:
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
    table["selected"] = bag.selected.sum(axis=0)
    found = _judge(table["score"].to_numpy(), null.snp, options, extras=False)
    table["z"], table["p"] = (found.z, found.p) if found else (np.nan, np.nan)
    table = table.iloc[_order(table, "snp")].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    return table[list(SNP_COLUMNS)]


def _spread(bag: Bag, width: int) -> np.ndarray:
    """Return the scores of a bag at the places of all SNPs of the cohort (folds, width)."""
    found = np.zeros((len(bag.scores), width))
    found[:, bag.columns] = bag.scores
    return found


def _empty(columns: Sequence[str]) -> Table:
    nothing = np.zeros((0, 0))
    return Table(
        pd.DataFrame(columns=pd.Index(columns)), nothing, nothing, None, np.zeros((0, 0, 0))
    )


def _order(table: pd.DataFrame, name: str) -> np.ndarray:
    return np.lexsort((table[name].to_numpy(dtype=str), -table["score"].to_numpy()))


def _judge(
    observed: np.ndarray, null: np.ndarray, options: RankingSection, *, extras: bool = True
) -> Significance | None:
    if not len(null):
        return None
    return judge(
        observed,
        null,
        relative=options.relative,
        tail=options.tail and extras,
        sequential=options.sequential if extras else 0,
    )


def _ranked(
    table: pd.DataFrame,
    name: str,
    columns: Sequence[str],
    by_fold: np.ndarray,
    null: np.ndarray,
    null_by_fold: np.ndarray,
    options: RankingSection,
) -> Table:
    found = _judge(table["score"].to_numpy(), null, options)
    for column in ("z", "p", "p_fwer", "q", "p_pooled", "q_pooled"):
        table[column] = np.nan
    table["p_kind"] = MISSING
    z = np.zeros((0, len(table)), dtype=np.float32)
    if found is not None:
        table["z"], table["p"], table["q"] = found.z, found.p, found.q
        table["p_fwer"], table["p_kind"] = found.family_wise, found.kind
        table["p_pooled"], table["q_pooled"] = found.pooled, found.q_pooled
        z = found.null
    order = _order(table, name)
    table = table.iloc[order].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    return Table(
        rows=table[list(columns)],
        by_fold=by_fold[:, order],
        null=z[:, order],
        line=found.line if found is not None else None,
        null_by_fold=null_by_fold[:, :, order],
    )


def _null_dataset(ranking: Ranking) -> xr.Dataset:
    import xarray as xr

    variables, coordinates = {}, {}
    tables = {"gene": ranking.genes, "block": ranking.blocks, "region": ranking.regions}
    for name, table in tables.items():
        coordinates[name] = (name, table.rows[name].to_numpy(dtype=str))
        null = table.null
        if not len(null):
            null = np.zeros((ranking.permutations, len(table.rows)), dtype=np.float32)
        variables[f"z_{name}"] = (("permutation", name), null)
    return xr.Dataset(variables, coords=coordinates)


def summarise(
    method: str, ranking: Ranking, n_folds: int, options: RankingSection
) -> dict[str, Any]:
    """Return summary.json: counts, the null, agreement between folds, checks for bias, notes."""
    genes, regions = ranking.genes, ranking.regions
    lists = {
        "genes": _agreement(genes, options.top_k, "gene"),
        "regions": _agreement(regions, shorter(options.top_k, len(regions.rows)), "region"),
    }
    draws = ranking.permutations
    return {
        "method": method,
        "folds": n_folds,
        "score": options.score,
        "aggregation": options.aggregation,
        "ld_weighting": options.ld_weighting,
        "null": {
            "permutations": draws,
            "smallest_p": _rounded(1 / (draws + 1)) if draws else None,
            "relative": options.relative,
            "tail": options.tail,
            "sequential": options.sequential,
            "line": _rounded(genes.line),
            "line_blocks": _rounded(ranking.blocks.line),
            "line_regions": _rounded(regions.line),
            "found": {
                name: {
                    "family_wise": int((table.rows["p_fwer"] <= LEVEL).sum()),
                    "q": int((table.rows["q"] <= LEVEL).sum()),
                    "q_pooled": int((table.rows["q_pooled"] <= LEVEL).sum()),
                }
                for name, table in (
                    ("genes", genes),
                    ("blocks", ranking.blocks),
                    ("regions", regions),
                )
            },
        },
        **lists,
        "bias": [item.summary() for item in ranking.bias],
        "notes": _notes(method, ranking, lists, options),
    }


def _agreement(table: Table, k: int, name: str) -> dict[str, Any]:
    """Return how far folds agree on the first `k`, and how far they do when nothing is there.

    Training sets of folds overlap, so that folds agree on noise as well: chance is what permuted
    diagnoses give, not k / n.
    """
    observed = scores.overlap(table.by_fold, k)
    under = [scores.overlap(rows, k) for rows in table.null_by_fold]
    null = np.array([value for value in under if value is not None])
    count = len(table.rows)
    return {
        "count": count,
        "top_k": k,
        "top_k_overlap": _rounded(observed),
        "top_k_overlap_by_chance": _rounded(min(1.0, k / count)) if count else None,
        "top_k_kuncheva": _rounded(scores.kuncheva(observed, k, count)),
        "top_k_overlap_under_null": _rounded(float(null.mean())) if null.size else None,
        "top_k_overlap_p": _rounded((1 + int((null >= observed).sum())) / (1 + null.size))
        if null.size and observed is not None
        else None,
        "first": table.rows[name].head(LISTED).tolist(),
    }


def _notes(
    method: str, ranking: Ranking, lists: dict[str, dict[str, Any]], options: RankingSection
) -> list[str]:
    notes = []
    draws = ranking.permutations
    if not draws:
        notes.append("No permutation null has been run: z, p, p_fwer and q are n/a.")
    elif draws < 99:
        notes.append(
            f"{draws} permutations are few: no p-value can be below {1 / (draws + 1):.3f}, and"
            " z is rough."
        )
    tables = {"genes": ranking.genes, "regions": ranking.regions}
    for name, table in tables.items():
        if table.rows.empty:
            notes.append(
                f"{method} reads no {'SNPs' if name == 'genes' else name}: no {name} are ranked."
            )
        elif not (table.rows["score"] > 0).any():
            notes.append(f"No risk falls on any of the {name}: their order is that of their names.")
        agreement = lists[name]["top_k_overlap_p"]
        if agreement is not None and agreement > LEVEL:
            notes.append(
                f"Folds agree on the first {lists[name]['top_k']} {name} no more than they do when"
                f" diagnoses are permuted (p = {agreement:.2f}): the top of this list is at chance."
            )
    unplaced = int(ranking.genes.rows["start"].isna().sum())
    if unplaced:
        notes.append(f"{unplaced} genes have no place in annotation/genes.tsv.")
    fitted = int((ranking.genes.rows["p_kind"] == "fitted").sum())
    if fitted:
        notes.append(
            f"{fitted} p-values of genes come from a distribution fitted to the largest scores"
            " under permutation, not from counting (p_kind)."
        )
    return notes + [note for item in ranking.bias if (note := item.note())]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
