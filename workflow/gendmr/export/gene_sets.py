"""The first genes of each ranking as gene sets (GMT), which GSEA, Enrichr and clusterProfiler read.

A line is a set: name, description, genes, separated by tabs (Broad Institute, GMT format).
"""

from __future__ import annotations

from pathlib import Path

from gendmr.export.results import Export, StudyResults
from gendmr.files.atomic import write_text
from gendmr.files.tables import read_table

FIRST = (25, 100)
LEVEL = 0.05


def write_gene_sets(study: StudyResults, output: Path) -> Export:
    """Write `<output>/genes.gmt`: the first 25 and 100 genes of each method, and those at q < 5 %.

    Parameters
    ----------
    study : StudyResults
    output : Path
        Folder.
    """
    export = Export("gene_sets")
    lines: list[str] = []
    for method, path in study.rankings("genes.tsv"):
        table = read_table(path, {"gene": "text", "rank": "integer", "q": "number"}, extra=True)
        table = table.sort_values("rank")
        for count in FIRST:
            if len(table):
                # A shorter ranking is its own first hundred: the name says how many there are.
                genes = table["gene"].head(count).tolist()
                lines.append(_line(study, method, f"first_{len(genes)}", "by rank", genes))
        significant = table.loc[table["q"] < LEVEL, "gene"].tolist()
        if significant:
            lines.append(
                _line(study, method, "q_below_0.05", "false discovery rate 5 %", significant)
            )
        else:
            export.notes.append(f"{method}: no gene has q < {LEVEL}: no such set")
    unique = list(dict.fromkeys(lines))
    if unique:
        path = output / "genes.gmt"
        write_text(path, "".join(unique))
        export.files.append(path)
    return export


def _line(study: StudyResults, method: str, name: str, description: str, genes: list[str]) -> str:
    described = f"GenDMR, study {study.name}, method {method}, {description}"
    return "\t".join([f"{study.name}_{method}_{name}", described, *genes]) + "\n"
