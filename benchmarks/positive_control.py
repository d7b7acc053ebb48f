"""A signal that is known to be there, in real genotypes with real stratification.

    python benchmarks/positive_control.py run DATA --genes GENES
    python benchmarks/positive_control.py page

DATA is the folder with chr10_cc1000.{bed,bim,fam} and subjects.tsv: 500 cases and 500 controls of
two ancestries, chromosome 10, resampled from HapMap haplotypes with three causal loci, as the
package snpStats carries them; GENES a MAGMA gene.loc. The study is run through the workflow with
ancestry components, without them, and without them while diagnoses are permuted over everybody;
and once with SNPs selected gene by gene in place of the smallest p anywhere. `run` adds to
docs/explanation/positive_control.tsv, `page` writes the generated part of
docs/explanation/positive_control.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from calibration_page import BEGIN, END
from gendmr.config.study import Study
from gendmr.files.atomic import write_text
from gendmr.files.tables import Kind, read_table, write_table
from in_process import rank_trained
from planted import ROOT, run_workflow
from planted_page import markdown
from result_table import CommandLine

LEADING = "rs870041"
TABLE = ROOT / "docs/explanation/positive_control.tsv"
PAGE = ROOT / "docs/explanation/positive_control.md"
WORK = ROOT / "results/benchmark-positive-control"
LEVEL = 0.05
# What differs between the runs: ancestry components in the fold, and in the strata; selection.
RUNS: dict[str, tuple[int, tuple[str, ...], str]] = {
    "components": (2, ("ancestry",), "fold_association"),
    "strata only": (0, ("ancestry",), "fold_association"),
    "neither": (0, (), "fold_association"),
    "components, gene by gene": (2, ("ancestry",), "both"),
}
METHODS: dict[str, dict[str, Any]] = {
    "gendmr": {"kind": "gendmr"},
    "smallest-p": {"kind": "association"},
    "sum-test": {"kind": "association"},
    "gendmr-max": {"kind": "gendmr"},
    "gendmr-evidence": {"kind": "gendmr"},
}
# Methods that differ from another in their ranking alone: they share its folds and its null. The
# null of `gendmr-evidence` collects evidence and fits no network.
TRAINED_AS = {"gendmr-max": "gendmr"}
RANKED_BY: dict[str, dict[str, str]] = {
    "gendmr": {"score": "mean_abs", "aggregation": "sum"},
    "smallest-p": {"aggregation": "max"},
    "sum-test": {"aggregation": "squares"},
    "gendmr-max": {"score": "mean_abs", "aggregation": "max"},
    "gendmr-evidence": {"score": "evidence", "aggregation": "bayes"},
}
COLUMNS: dict[str, Kind] = {
    "run": "text",
    "method": "text",
    "permutations": "integer",
    "genes": "integer",
    "blocks": "integer",
    "auc": "number",
    "gene": "text",
    "gene_rank": "integer",
    "gene_p_fwer": "number",
    "block_rank": "integer",
    "block_genes": "integer",
    "block_p_fwer": "number",
    "other_genes": "integer",
    "other_blocks": "integer",
    "first": "text",
    "seconds": "number",
}


def study_of(run: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the configuration of one run."""
    components, strata, mode = RUNS[run]
    return {
        "study": folder.name,
        "seed": 10,
        "genotypes": {
            "inputs": [str(arguments.data / "chr10_cc1000")],
            "build": "NCBI36",
            # Two ancestries in one set depart from Hardy-Weinberg, and one resampled chromosome
            # makes strangers look like kin.
            "hwe": 0.0,
            "kinship": 0.354,
        },
        "annotation": {
            "genes": str(arguments.genes),
            "build": "GRCh37",
            "accept_other_build": True,
            "nearest": True,
        },
        "cohort": {
            "participants": str(folder / "participants.tsv"),
            "covariates": [],
            "categorical": [],
            "kinship": 0.354,
            "folds": 5,
            "strata": list(strata),
        },
        "modalities": {
            "snp": {
                "selection": {"mode": mode, "maximum": 600, "per_gene": 10},
                "components": components,
            }
        },
        "training": {
            "methods": {name: METHODS[name] for name in arguments.methods},
            "covariates": [],
            "optimisation": {"epochs": 10},
            "null": {"permutations": arguments.permutations, "chunk": arguments.permutations},
        },
        "ranking": {
            "methods": {
                name: dict(section)
                for name, section in RANKED_BY.items()
                if name in arguments.methods
            }
        },
        "tracking": {"enabled": False},
    }


def trained_only(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without the methods whose folds are those of another."""
    training = config["training"]
    methods = {
        name: section for name, section in training["methods"].items() if name not in TRAINED_AS
    }
    ranked = {
        name: section
        for name, section in config["ranking"]["methods"].items()
        if name not in TRAINED_AS
    }
    return config | {
        "training": training | {"methods": methods},
        "ranking": {"methods": ranked},
    }


def write_participants(data: Path, path: Path) -> None:
    """Write participants.tsv from the table of the data."""
    people = read_table(data / "subjects.tsv", {"id": "text", "cc": "text"}, extra=True)
    table = pd.DataFrame(
        {
            "participant_id": people["id"],
            "diagnosis": people["cc"].map({"1": "case", "0": "control"}),
        }
    )
    write_table(path, table)


def row_of(run: str, method: str, results: Path, permutations: int) -> dict[str, Any]:
    """Read where the leading SNP's gene and block stand, and what else is called significant."""
    ranking = results / "ranking" / method
    text: dict[str, Kind] = {"gene": "text", "block": "text", "rank": "number"}
    genes = read_table(ranking / "genes.tsv", text, extra=True)
    blocks = read_table(ranking / "blocks.tsv", {"block": "text", "genes": "text"}, extra=True)
    mapped = read_table(
        results / "annotation/snp2gene.tsv", {"snp": "text", "gene": "text"}, extra=True
    )
    names = set(mapped.loc[mapped["snp"] == LEADING, "gene"])
    mine = genes[genes["gene"].isin(names)].sort_values("rank", kind="stable").iloc[0]
    block = blocks[blocks["block"] == mine["block"]].iloc[0]
    inside = genes["block"] == mine["block"]
    auc = read_table(
        results / "training" / TRAINED_AS.get(method, method) / "metrics.tsv",
        {"fold": "text", "metric": "text", "value": "number"},
        extra=True,
    )
    return {
        "run": run,
        "method": method,
        "permutations": permutations,
        "genes": len(genes),
        "blocks": len(blocks),
        "auc": auc.loc[(auc["metric"] == "auc") & (auc["fold"] == "mean"), "value"].iloc[0],
        "gene": mine["gene"],
        "gene_rank": int(mine["rank"]),
        "gene_p_fwer": float(mine["p_fwer"]),
        "block_rank": int(block["rank"]),
        "block_genes": int(block["n_gene"]),
        "block_p_fwer": float(block["p_fwer"]),
        "other_genes": int((~inside & (genes["p_fwer"].astype(float) <= LEVEL)).sum()),
        "other_blocks": int(
            ((blocks["block"] != mine["block"]) & (blocks["p_fwer"].astype(float) <= LEVEL)).sum()
        ),
        "first": ";".join(genes.sort_values("rank", kind="stable")["gene"].head(5)),
    }


def run(arguments: argparse.Namespace) -> int:
    """Run what is asked for and write the table."""
    for method in set(arguments.methods) & set(TRAINED_AS):
        if TRAINED_AS[method] not in arguments.methods:
            raise SystemExit(f"{method}: its folds are those of {TRAINED_AS[method]}; name both")
    rows = []
    for name in arguments.runs:
        folder = arguments.work / name.replace(",", "").replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        write_participants(arguments.data, folder / "participants.tsv")
        config = study_of(name, arguments, folder)
        start = time.perf_counter()
        run_workflow(trained_only(config), folder, arguments.cores)
        seconds = round(time.perf_counter() - start, 1)
        results = folder / "results" / config["study"]
        for method in set(arguments.methods) & set(TRAINED_AS):
            rank_trained(Study.parse(config), TRAINED_AS[method], results, ranked_as=method)
        rows += [
            row_of(name, method, results, arguments.permutations) | {"seconds": seconds}
            for method in arguments.methods
        ]
        print(f"{name}: {seconds:.0f} s", flush=True)
    table_before = read_table(arguments.table, COLUMNS) if arguments.table.is_file() else None
    table = pd.concat([table_before, pd.DataFrame(rows)]).drop_duplicates(
        ["run", "method"], keep="last"
    )
    order = list(RUNS)
    table = table.sort_values("run", key=lambda names: names.map(order.index), kind="stable")
    write_table(arguments.table, table.reindex(columns=list(COLUMNS)))
    return 0


def page(arguments: argparse.Namespace) -> int:
    """Replace the generated part of the page."""
    table = read_table(arguments.table, COLUMNS)
    rows = [
        [
            row["run"],
            row["method"],
            str(row["permutations"]),
            f"{row['auc']:.3f}",
            f"{row['gene']}: {row['gene_rank']} of {row['genes']}",
            f"{row['gene_p_fwer']:.3f}",
            f"{row['block_rank']} of {row['blocks']}",
            f"{row['block_p_fwer']:.3f}",
            str(row["other_genes"]),
            str(row["other_blocks"]),
            row["first"].replace(";", ", "),
        ]
        for _, row in table.iterrows()
    ]
    head = [
        *("run", "method", "permutations", "AUC", f"gene of {LEADING}, rank", "family-wise p"),
        *("its block, rank", "family-wise p", "other genes at 5 %", "other blocks at 5 %"),
        "first five genes",
    ]
    text = arguments.page.read_text(encoding="utf-8")
    before, remainder = text.split(BEGIN)
    body = markdown(head, rows)
    write_text(arguments.page, f"{before}{BEGIN}\n\n{body}\n\n{END}{remainder.split(END)[1]}")
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    options = line.run_options
    options.add_argument("data", type=Path, help="folder with chr10_cc1000 and subjects.tsv")
    options.add_argument("--genes", type=Path, required=True, help="MAGMA gene.loc, GRCh37")
    options.add_argument("--permutations", type=int, default=99)
    options.add_argument("--runs", nargs="+", choices=list(RUNS), default=list(RUNS))
    options.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    options.add_argument("--cores", type=int, default=os.cpu_count())
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
