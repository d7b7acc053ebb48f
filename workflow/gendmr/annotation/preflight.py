"""What can be said of the table of genes before a SNP is mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from gendmr.annotation.genes import check_build, read_genes
from gendmr.annotation.mapping import refuse_other_build
from gendmr.config.annotation import AnnotationSection


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield checks of the table: it can be read, and is of the build that both declare.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `annotation` is among them.
    """
    annotation = AnnotationSection.parse(dict(stages["annotation"]), where="annotation")

    if "genotypes" in stages:
        yield partial(refuse_other_build, annotation, str(stages["genotypes"]["build"]))

    def genes() -> None:
        table, _ = read_genes(annotation.genes, annotation.format, annotation.gene_types)
        check_build(table, annotation.build, annotation.genes)

    yield genes
