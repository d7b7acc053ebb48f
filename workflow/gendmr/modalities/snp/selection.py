"""Which SNPs enter a fold, decided by the training people alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.config.modalities.snp import SelectionSection, SnpOverride
from gendmr.files.chromosomes import chromosome_name
from gendmr.files.intervals import parse_interval
from gendmr.statistics.genotypes import PackedGenotypes
from gendmr.statistics.hardy_weinberg import hardy_weinberg_test
from gendmr.statistics.linkage import Linkage


@dataclass(frozen=True)
class Selection:
    """Columns of `dosage`, ordered along the genome, and how many SNPs each step removed."""

    columns: np.ndarray
    counts: dict[str, int]


@dataclass(frozen=True)
class GenotypeCounts:
    """How many training people carry 0, 1 and 2 copies of each SNP of the cohort.

    Parameters
    ----------
    counts : int32 (snp, 3)
    people : int
        Training people with genotypes.
    """

    counts: np.ndarray
    people: int

    @property
    def mean(self) -> np.ndarray:
        """Mean dosage over called genotypes (snp,); 0 where there is none."""
        counts = self.counts.astype(np.int64)
        return np.asarray((counts[:, 1] + 2 * counts[:, 2]) / np.maximum(counts.sum(axis=1), 1))

    @property
    def minor(self) -> np.ndarray:
        """Frequency of the rarer allele (snp,)."""
        frequency = self.mean / 2
        return np.asarray(np.minimum(frequency, 1 - frequency))

    @property
    def called(self) -> np.ndarray:
        """Share of people with a genotype (snp,)."""
        return np.asarray(self.counts.sum(axis=1) / max(self.people, 1))

    @property
    def varies(self) -> np.ndarray:
        """Which SNPs have two different genotypes; all heterozygous is no variation."""
        return np.asarray((self.counts > 0).sum(axis=1) > 1)


@dataclass(frozen=True)
class Candidates:
    """What of a selection needs no outcome: it is the same under permuted outcomes.

    Parameters
    ----------
    columns : int (candidate,)
        SNPs that pass the thresholds on calls, variation and allele frequency.
    counts : dict
        Number of SNPs after each step.
    options : SelectionSection
    genes : list of frozenset of str, by candidate
    priority : float (candidate,)
        Order of precedence in the mode `genes`, smallest first.
    genotypes : PackedGenotypes
        Of the training people who have genotypes, by candidate.
    linkage : Linkage
        Which candidates are in LD.
    overridden : bool
        All candidates that are in Hardy-Weinberg equilibrium are selected: SNPs of a method's own.
    """

    columns: np.ndarray
    counts: dict[str, int]
    options: SelectionSection
    genes: list[frozenset[str]]
    priority: np.ndarray
    genotypes: PackedGenotypes
    linkage: Linkage
    overridden: bool = False

    @property
    def by_association(self) -> bool:
        """Whether a selection needs the strength of association."""
        return not self.overridden and self.options.mode != "genes" and self.columns.size > 0

    @classmethod
    def find(
        cls,
        snps: pd.DataFrame,
        carriers: GenotypeCounts,
        read: Callable[[np.ndarray], PackedGenotypes],
        options: SelectionSection,
        excluded: np.ndarray,
        override: SnpOverride | None = None,
    ) -> Candidates:
        """Find the candidates.

        Parameters
        ----------
        snps : DataFrame
            Columns `snp`, `chromosome`, `position`, `gene` (separated by ';'), `distance`.
        carriers : GenotypeCounts
        read : callable
            ``read(columns)`` packs the genotypes of the training people at some SNPs.
        options : SelectionSection
        excluded : bool (snp,)
            SNPs that are left out before anything else.
        override : SnpOverride, optional
            A method's own SNPs in place of the study's: no gene, no pruning and no largest number.
            SNPs of an interval pass the same thresholds; those named need only vary.
        """
        counts = {"available": int(excluded.size), "excluded": int(excluded.sum())}
        gene_names = frozenset(options.genes)
        if override is not None:
            if override.names:
                candidate = snps["snp"].isin(override.names).to_numpy(dtype=bool)
                options = SelectionSection(maf=0.0, missing=1.0, hwe=0.0)
            else:
                candidate = within(snps, override.interval)
            counts["in_locus"] = int((candidate & ~excluded).sum())
        elif options.mode == "fold_association":
            candidate = np.ones(len(snps), dtype=bool)
        elif gene_names:
            candidate = np.array([bool(genes_of(text) & gene_names) for text in snps["gene"]], bool)
        else:
            candidate = np.array([bool(text) for text in snps["gene"]], bool)
        candidate = candidate & ~excluded
        if override is None:
            counts["in_genes"] = int(candidate.sum())
        columns = _sound(candidate, carriers, options, counts)
        position = snps["position"].to_numpy(dtype=np.int64)[columns]
        # Nearest to its gene first, then the more informative SNP.
        distance = np.nan_to_num(np.abs(snps["distance"].to_numpy(dtype=np.float64)[columns]))
        minor = carriers.minor[columns].round(3)
        priority = np.empty(columns.size)
        priority[np.lexsort((position, -minor, distance))] = np.arange(columns.size)
        genotypes = read(columns)
        return cls(
            columns=columns,
            counts=counts,
            options=options,
            genes=[genes_of(text) for text in snps["gene"].to_numpy()[columns]],
            priority=priority,
            genotypes=genotypes,
            linkage=Linkage(
                genotypes.rows, snps["chromosome"].to_numpy()[columns], position, options.r2
            ),
            overridden=override is not None,
        )

    def select(self, reference: np.ndarray, strength: np.ndarray | None = None) -> Selection:
        """Select SNPs.

        Parameters
        ----------
        reference : bool (person,)
            Training people with genotypes in whom equilibrium is expected: controls, say.
        strength : float (candidate,), optional
            |z| against the outcome, for `fold_association` and `both`.
        """
        if self.overridden:
            columns, fails = self._in_equilibrium(reference, np.arange(self.columns.size))
            return self._selection(columns, {"hwe": fails})
        rank = self.priority if strength is None else -strength
        order = np.lexsort((np.arange(rank.size), rank))
        if self.options.mode == "fold_association":
            return self._strongest(reference, order)
        columns, fails = self._in_equilibrium(reference, order)
        unlinked = columns[self.linkage.prune(columns)]
        selected = self._per_gene(unlinked)
        return self._selection(
            selected,
            {
                "hwe": fails,
                "in_ld": int(columns.size - unlinked.size),
                "over_maximum": int(unlinked.size - selected.size),
            },
        )

    def _strongest(self, reference: np.ndarray, order: np.ndarray) -> Selection:
        """Take the strongest that are in equilibrium and not in LD; look no further than needed."""
        most = self.options.maximum
        n_tested = min(4 * most, order.size)
        while True:
            columns, fails = self._in_equilibrium(reference, order[:n_tested])
            selected = columns[self.linkage.prune(columns, most)]
            if selected.size == most or n_tested == order.size:
                break
            n_tested = min(4 * n_tested, order.size)
        full = selected.size == most
        return self._selection(
            selected,
            {
                "hwe": fails,
                "in_ld": 0 if full else int(columns.size - selected.size),
                "over_maximum": int(order.size - fails - selected.size) if full else 0,
            },
        )

    def _in_equilibrium(self, reference: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, int]:
        """Return which of some candidates pass the test in the reference, in their order."""
        if self.options.hwe <= 0 or not order.size:
            return order, 0
        carriers = self.genotypes.counts(order, reference)
        fine = hardy_weinberg_test(carriers) >= self.options.hwe
        return order[fine], int((~fine).sum())

    def _per_gene(self, selected: np.ndarray) -> np.ndarray:
        """Keep the first `per_gene` SNPs of each gene, then the first rounds up to `maximum`."""
        gene_names, most = frozenset(self.options.genes), self.options.per_gene
        gene_counts: dict[str, int] = {}
        rounds = np.full(selected.size, most, dtype=np.int64)
        for order, candidate in enumerate(selected):
            names = self.genes[candidate]
            names = names & gene_names if gene_names else names
            # A SNP of several genes counts for the one that has fewest so far.
            times = min(gene_counts.get(name, 0) for name in names)
            if times < most:
                rounds[order] = times
                for name in names:
                    gene_counts[name] = gene_counts.get(name, 0) + 1
        inside = np.flatnonzero(rounds < most)
        inside = inside[np.argsort(rounds[inside], kind="stable")][: self.options.maximum]
        return selected[inside]

    def _selection(self, selected: np.ndarray, counts: dict[str, int]) -> Selection:
        columns = np.sort(self.columns[selected])
        return Selection(columns, {**self.counts, **counts, "selected": int(columns.size)})


def within(snps: pd.DataFrame, interval: str) -> np.ndarray:
    """Return which SNPs lie in an interval such as `19:44000000-46500000`, bool (snp,)."""
    chromosome, first, last = parse_interval(interval)
    position = snps["position"].to_numpy(dtype=np.int64)
    on_chromosome = (snps["chromosome"] == chromosome_name(chromosome)).to_numpy()
    return np.asarray(on_chromosome & (position >= first) & (position <= last))


def exclude(snps: pd.DataFrame, intervals: tuple[str, ...], notes: list[str]) -> np.ndarray:
    """Return which SNPs lie in one of the intervals, bool (snp,); says so in `notes`."""
    excluded = np.zeros(len(snps), dtype=bool)
    present = set(snps["chromosome"].unique())
    for interval in intervals:
        inside = within(snps, interval)
        excluded |= inside
        chromosome = chromosome_name(parse_interval(interval)[0])
        if chromosome in present:
            notes.append(
                f"The method does not see the {int(inside.sum())} SNPs of {interval}; ancestry"
                " components do."
            )
        else:
            notes.append(
                f"The interval {interval} excludes nothing: the cohort has no SNP on chromosome"
                f" {chromosome}."
            )
    return excluded


def _sound(
    candidate: np.ndarray,
    carriers: GenotypeCounts,
    options: SelectionSection,
    counts: dict[str, int],
) -> np.ndarray:
    """Return the columns of candidates that pass the thresholds; counts the others."""
    for reason, fine in (
        ("too_often_missing", carriers.called >= 1 - options.missing),
        # A SNP without variation carries nothing and would be divided by zero.
        ("constant", carriers.varies),
        ("too_rare", carriers.minor >= options.maf),
    ):
        counts[reason] = int((candidate & ~fine).sum())
        candidate = candidate & fine
    return np.flatnonzero(candidate)


def genes_of(text: str) -> frozenset[str]:
    """Return the genes of a SNP, which are separated by ';'."""
    return frozenset(filter(None, text.split(";")))
