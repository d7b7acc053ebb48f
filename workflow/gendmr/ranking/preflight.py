"""What can be said of gene sets and known loci before anything is ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from gendmr.annotation.genes import read_genes
from gendmr.config.annotation import AnnotationSection
from gendmr.config.ranking import RankingSection
from gendmr.ranking.gene_sets import read_gmt, read_loci


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield a check of each file of sets and loci: it can be read, and names genes of the table.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `ranking` is among them.
    """
    enrichment = RankingSection.parse(dict(stages["ranking"]), where="ranking").enrichment
    if enrichment is None or "annotation" not in stages:
        return
    annotation = AnnotationSection.parse(dict(stages["annotation"]), where="annotation")
    # Genes of the table without a SNP are in no ranking: what none of these has, no ranking has.
    genes, _ = read_genes(annotation.genes, annotation.format, annotation.gene_types)
    for path in enrichment.sets:
        yield partial(read_gmt, path, genes["gene"].tolist())
    window = round(enrichment.window_kb * 1000)
    for path in enrichment.loci:
        yield partial(read_loci, path, genes, window_bp=window, build=annotation.build)
