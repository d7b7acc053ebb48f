"""Choose the genes of the demo from a MAGMA gene.loc file (GRCh37): how demo_genes.tsv was made.

python resources/choose_demo_genes.py NCBI37.3.gene.loc > resources/demo_genes.tsv
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

# Well-known loci of Alzheimer's disease, the strongest first; far from one another.
CANDIDATES = (
    *("APOE", "BIN1", "CLU", "PICALM", "CR1", "ABCA7"),
    *("SORL1", "CD2AP", "FERMT2", "ADAM10", "MEF2C", "EPHA1"),
)
GENES = 300
APART = 400_000  # bp between chosen genes: one signal, one gene
LENGTH = (8_000, 120_000)  # bp
SEED = 20


def main(path: str) -> None:
    """Print the table: candidates first, then genes spread over the 22 autosomes."""
    rows = [line.split() for line in Path(path).read_text().splitlines()]
    genes = [
        (symbol, entrez, int(chromosome), int(start), int(end), strand)
        for entrez, chromosome, start, end, strand, symbol in rows
        if chromosome.isdigit()
    ]
    by_symbol = {gene[0]: gene for gene in genes}
    chosen = [by_symbol[symbol] for symbol in CANDIDATES]
    named = [
        gene
        for gene in genes
        if re.fullmatch(r"[A-Z][A-Z0-9]*", gene[0])
        and not re.match(r"LOC|LINC|MIR|SNOR|FAM\d|TMEM\d|CCDC\d|ZNF\d|OR\d|C\d+ORF|KIAA", gene[0])
        and LENGTH[0] <= gene[4] - gene[3] <= LENGTH[1]
    ]
    background: list[tuple[str, str, int, int, int, str]] = []
    for index in np.random.default_rng(SEED).permutation(len(named)):
        gene = named[index]
        if all(
            gene[2] != other[2] or gene[3] - other[4] > APART or other[3] - gene[4] > APART
            for other in (*chosen, *background)
        ):
            background.append(gene)
        if len(background) == GENES - len(chosen):
            break
    background.sort(key=lambda gene: (gene[2], gene[3]))
    print("symbol", "entrez", "chromosome", "start", "end", "strand", "candidate", sep="\t")
    for gene in chosen:
        print(*gene, True, sep="\t")
    for gene in background:
        print(*gene, False, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
