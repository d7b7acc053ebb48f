"""LD blocks: genes that one signal can lift together, and that are therefore one finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gendmr.ranking.dosages import DosageOf
from gendmr.statistics.association import impute

CHUNK = 512  # SNPs whose neighbours are looked up in one product: bounds memory


def ld_blocks(
    dosage_of: DosageOf,
    chromosome: np.ndarray,
    position: np.ndarray,
    genes: Mapping[str, Sequence[int]],
    r2: float,
    window_bp: int,
) -> dict[str, str]:
    """Put genes that share linkage disequilibrium into blocks.

    Two genes are joined where they share a SNP, or where a SNP of the one and a SNP of the other
    lie within the window on one chromosome and have a squared correlation of at least `r2`. Blocks
    are the connected components: neighbours of neighbours belong to them.

    Parameters
    ----------
    dosage_of : callable
        Copies of the effect allele, -1 missing: replaced by the SNP's mean. Some SNPs at a time.
    chromosome, position : (snp,)
        Positions in base pairs.
    genes : mapping of name to columns
        The SNPs of each gene. SNPs of no gene join nothing.
    r2 : float
        Smallest squared correlation (of mean-imputed dosages) that joins, in (0, 1].
    window_bp : int
        SNPs farther apart than this join nothing.

    Returns
    -------
    dict of gene to block
        In the order of `genes`. A block is called by the chromosome and the span of its SNPs, such
        as `19:45.39-45.43Mb`, with its first gene by name in brackets where two blocks have the
        same span; a gene without SNPs is a block of its own and gives it its name. Names depend on
        the SNPs and genes only, not on their order.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = list(genes)
    sizes = np.array([len(genes[name]) for name in names], dtype=np.int64)
    gene = np.repeat(np.arange(len(names)), sizes)
    column = np.array([c for name in names for c in genes[name]], dtype=np.int64)
    # A SNP's genes share it and are one block: its first gene stands for all of them.
    first = np.full(len(position), -1, dtype=np.int64)
    first[column[::-1]] = gene[::-1]
    pairs = [
        np.stack([gene, first[column]]),
        *_linked(dosage_of, chromosome, position, first, r2=r2, window_bp=window_bp),
    ]
    first_gene, second_gene = np.unique(np.concatenate(pairs, axis=1), axis=1)
    graph = coo_array(
        (np.ones(len(first_gene), dtype=np.int8), (first_gene, second_gene)),
        shape=(len(names),) * 2,
    )
    _, label = connected_components(graph, directed=False)
    snps = pd.DataFrame(
        {
            "block": label[gene],
            "chromosome": np.asarray(chromosome, dtype=object)[column],
            "position": np.asarray(position)[column],
        }
    )
    block_names = _names(names, label, snps)
    return {name: block_names[number] for name, number in zip(names, label.tolist(), strict=True)}


def _linked(
    dosage_of: DosageOf,
    chromosome: np.ndarray,
    position: np.ndarray,
    first: np.ndarray,
    *,
    r2: float,
    window_bp: int,
) -> list[np.ndarray]:
    """Return the pairs (2, pair) of genes joined by SNPs in LD, each once for a chunk of SNPs."""
    chromosome, position = np.asarray(chromosome), np.asarray(position).astype(np.int64)
    joined_pairs = []
    for name in np.unique(chromosome[first >= 0]):
        members = np.flatnonzero((first >= 0) & (chromosome == name))
        members = members[np.argsort(position[members], kind="stable")]
        where, owner = position[members], first[members]
        last = np.searchsorted(where, where + window_bp, side="right")
        for start in range(0, len(members), CHUNK):
            stop = min(start + CHUNK, len(members))
            # Sorted by place, all later neighbours of the chunk are one slice.
            near = slice(start, int(last[stop - 1]))
            values = _standardised(dosage_of(members[near]))
            # Rounding in single precision must not part copies where r2 is 1.
            joined = (values[: stop - start] @ values.T) ** 2 >= r2 - 1e-5
            rank = np.arange(near.start, near.stop)
            joined &= (rank > rank[: stop - start, None]) & (rank < last[start:stop, None])
            joined &= owner[start:stop, None] != owner[None, near]
            first_snp, second_snp = np.nonzero(joined)
            if len(first_snp):
                pair = np.stack([owner[start:stop][first_snp], owner[near][second_snp]])
                joined_pairs.append(np.unique(pair, axis=1))
    return joined_pairs


def _standardised(dosage: np.ndarray) -> np.ndarray:
    """Return dosages (snp, people), mean-imputed, centred, of unit length; 0 without variation."""
    values = impute(dosage).T.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    norm = np.sqrt((values**2).sum(axis=1, keepdims=True))
    # The norm of a constant SNP is rounding error: it counts as no variation.
    varies = norm > 1e-4
    return np.where(varies, values / np.where(varies, norm, 1), 0).astype(np.float32)


def _names(genes: Sequence[str], label: np.ndarray, snps: pd.DataFrame) -> list[str]:
    """Return the name of each block from `block`, `chromosome` and `position` of its SNPs."""
    least: dict[int, str] = {}
    for name, number in zip(genes, label.tolist(), strict=True):
        least[number] = min(least.get(number, name), name)
    # A name that stands for genes of two chromosomes joins them: the block is called by the first.
    spans = snps.groupby(["block", "chromosome"])["position"].agg(["min", "max"])
    spans = spans.groupby(level="block").head(1).reset_index()
    block_names = dict(least)
    for block, chromosome, low, high in zip(*(spans[name] for name in spans), strict=True):
        block_names[block] = f"{chromosome}:{low / 1e6:.2f}-{high / 1e6:.2f}Mb"
    name_counts = Counter(block_names.values())
    return [
        f"{block_names[number]} ({least[number]})"
        if name_counts[block_names[number]] > 1
        else block_names[number]
        for number in range(len(least))
    ]
