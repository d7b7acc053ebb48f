"""Is the gene found that a diagnosis is made of? Real genotypes, simulated expression.

    python benchmarks/known_genes.py run DATA --genes GENES
    python benchmarks/known_genes.py page

DATA is the folder with EUR_test.{bed,bim,fam}: 379 Europeans of the 1000 Genomes Project, SNPs of
chromosomes 21 and 22 as the package Eagle carries them; GENES a MAGMA gene.loc of GRCh37. One
common SNP of a gene, drawn at random, explains a share of the variance of the gene's expression,
as in a cis-eQTL study, and people with more than the median of it are cases. The causal SNP stays
among the genotypes. Methods have their defaults; the stages run in one process. `run` adds to
docs/explanation/known_genes.tsv, `page` writes the generated part of
docs/explanation/positive_control.md that tells of them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas_plink import read_plink1_bin

from calibration_page import replace_part
from gendmr.config.study import Study
from gendmr.files.tables import Kind, read_table, write_table
from gendmr.seeds import generator
from in_process import (
    draw_folds,
    join_cohort,
    measure_genotypes,
    rank_trained,
    train_method,
)
from planted import ROOT
from planted_page import markdown
from result_table import CommandLine, ResultTable

TABLE = ROOT / "docs/explanation/known_genes.tsv"
PAGE = ROOT / "docs/explanation/positive_control.md"
BEGIN, END = "<!-- known genes: begin -->", "<!-- known genes: end -->"
WORK = ROOT / "results/benchmark-known-genes"
METHODS: dict[str, dict[str, Any]] = {"gendmr": {"kind": "gendmr"}}
FEWEST, WINDOW = 5, 10_000  # SNPs of a gene that may be drawn; bp on either side
COMMON = 0.1  # minor allele frequency of the causal SNP
LEVEL = 0.05
COLUMNS: dict[str, Kind] = {
    "share": "number",
    "number": "integer",
    "method": "text",
    "gene": "text",
    "snp": "text",
    "permutations": "integer",
    "genes": "integer",
    "blocks": "integer",
    "gene_rank": "integer",
    "gene_p_fwer": "number",
    "block_rank": "integer",
    "block_genes": "integer",
    "block_p_fwer": "number",
    "other_blocks": "integer",
    "seconds": "number",
}
ROWS = ResultTable(COLUMNS, key=["share", "number", "method"], order=["share", "number"])


def study_of(arguments: argparse.Namespace) -> Study:
    """Return the study: defaults, but for what the data lack."""
    config: dict[str, Any] = {
        "study": "known-genes",
        "seed": arguments.seed,
        "genotypes": {"inputs": [str(arguments.data / "EUR_test")], "build": "GRCh37"},
        "annotation": {"genes": str(arguments.genes), "build": "GRCh37", "nearest": True},
        "cohort": {
            "participants": str(arguments.work / "participants.tsv"),
            "covariates": [],
            "categorical": [],
        },
        "training": {
            "methods": METHODS,
            "covariates": [],
            "null": {"permutations": arguments.permutations},
        },
    }
    return Study.parse(config)


def candidates(data: Path, genes: Path) -> pd.DataFrame:
    """Return `snp`, `gene` and `column` of common SNPs in genes with enough of them."""
    genotypes = read_plink1_bin(str(data / "EUR_test.bed"), verbose=False)
    dosage = genotypes.values
    frequency = np.nanmean(dosage, axis=0) / 2
    table = pd.read_csv(
        genes,
        sep=r"\s+",
        header=None,
        names=["id", "chrom", "start", "end", "strand", "gene"],
        dtype={"chrom": str},
    )
    chrom, position = genotypes.chrom.values.astype(str), genotypes.pos.values
    rows = []
    places = table[["gene", "chrom", "start", "end"]].to_numpy().tolist()
    for gene, chromosome, start, end in places:
        inside = (chrom == chromosome) & (position >= start - WINDOW) & (position <= end + WINDOW)
        if inside.sum() < FEWEST:
            continue
        common = inside & (np.minimum(frequency, 1 - frequency) >= COMMON)
        rows += [
            {"snp": str(genotypes.snp.values[column]), "gene": gene, "column": column}
            for column in np.flatnonzero(common)
        ]
    return pd.DataFrame(rows)


def write_participants(
    data: Path, column: int, share: float, random: np.random.Generator, path: Path
) -> None:
    """Write who has more than the median of an expression of which a SNP explains a share."""
    genotypes = read_plink1_bin(str(data / "EUR_test.bed"), verbose=False)
    dosage = genotypes.values[:, column].astype(float)
    dosage = np.where(np.isnan(dosage), np.nanmean(dosage), dosage)
    signal = (dosage - dosage.mean()) / dosage.std()
    expression = np.sqrt(share) * signal + np.sqrt(1 - share) * random.normal(size=len(signal))
    case = expression > np.median(expression)
    table = pd.DataFrame(
        {
            "participant_id": genotypes.iid.values.astype(str),
            "diagnosis": np.where(case, "case", "control"),
        }
    )
    write_table(path, table)


def row_of(gene: str, snp: str, method: str, results: Path) -> dict[str, Any]:
    """Read where the causal SNP's gene and block stand, and what else is called significant."""
    ranking = results / "ranking" / method
    genes = read_table(ranking / "genes.tsv", {"gene": "text", "block": "text"}, extra=True)
    blocks = read_table(ranking / "blocks.tsv", {"block": "text"}, extra=True)
    mine = genes[genes["gene"] == gene].iloc[0]
    block = blocks[blocks["block"] == mine["block"]].iloc[0]
    others = blocks[blocks["block"] != mine["block"]]
    return {
        "method": method,
        "gene": gene,
        "snp": snp,
        "genes": len(genes),
        "blocks": len(blocks),
        "gene_rank": int(float(mine["rank"])),
        "gene_p_fwer": float(mine["p_fwer"]),
        "block_rank": int(float(block["rank"])),
        "block_genes": int(float(block["n_gene"])),
        "block_p_fwer": float(block["p_fwer"]),
        "other_blocks": int((others["p_fwer"].astype(float) <= LEVEL).sum()),
    }


def run(arguments: argparse.Namespace) -> int:
    """Run the genes that are missing."""
    table = candidates(arguments.data, arguments.genes)
    names = generator(arguments.seed, "benchmark", "genes").permutation(table["gene"].unique())
    arguments.work.mkdir(parents=True, exist_ok=True)
    study, results = study_of(arguments), arguments.work / "results"
    if not (results / "annotation/genes.tsv").is_file():
        measure_genotypes(study, results)
    for number, gene in enumerate(names[: arguments.number]):
        rows = ROWS.read(arguments.table)
        if ((rows["share"] == arguments.share) & (rows["number"] == number)).any():
            continue
        random = generator(arguments.seed, "benchmark", "expression", number)
        drawn = table[table["gene"] == gene].sample(1, random_state=number).iloc[0]
        write_participants(
            arguments.data,
            int(drawn["column"]),
            arguments.share,
            random,
            arguments.work / "participants.tsv",
        )
        start = time.process_time()
        for folder in ("cohort", "training", "ranking"):
            shutil.rmtree(results / folder, ignore_errors=True)
        cohort = join_cohort(study, results)
        draw_folds(study, cohort, results / "genotypes/components.tsv")
        for name in METHODS:
            train_method(study, name, results)
            rank_trained(study, name, results, ranked_as=name)
        seconds = round(time.process_time() - start, 1)
        setting = {
            "share": arguments.share,
            "number": number,
            "permutations": arguments.permutations,
            "seconds": seconds,
        }
        added = [row_of(gene, drawn["snp"], name, results) | setting for name in METHODS]
        ROWS.add(arguments.table, added)
        print(f"{arguments.share}, {gene}: {added[0]}", flush=True)
    return 0


def page(arguments: argparse.Namespace) -> int:
    """Write the table of the page: counts by share of variance and method."""
    lines: list[list[str]] = []
    for (share, method), rows in ROWS.read(arguments.table).groupby(["share", "method"]):
        significant = rows["block_p_fwer"] <= LEVEL
        lines.append(
            [
                str(share),
                str(method),
                str(len(rows)),
                str(int((rows["block_rank"] == 1).sum())),
                str(int(significant.sum())),
                str(int((rows["gene_rank"] == 1).sum())),
                str(int((rows["gene_p_fwer"] <= LEVEL).sum())),
                str(int((rows["other_blocks"] > 0).sum())),
            ]
        )
    head = [
        *("share of variance", "method", "genes", "block first", "block at 5 %"),
        *("gene first", "gene at 5 %", "another block at 5 %"),
    ]
    replace_part(arguments.page, BEGIN, END, markdown(head, lines))
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    options = line.run_options
    options.add_argument("data", type=Path, help="folder with EUR_test.bed")
    options.add_argument("--genes", type=Path, required=True, help="MAGMA gene.loc, GRCh37")
    options.add_argument("--number", type=int, default=17, help="genes, one diagnosis each")
    options.add_argument("--share", type=float, default=0.2, help="of the expression's variance")
    options.add_argument("--permutations", type=int, default=199)
    options.add_argument("--seed", type=int, default=21)
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
