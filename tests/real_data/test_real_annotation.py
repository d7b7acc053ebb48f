"""Three real gene tables, each with its own convention of coordinates."""

from __future__ import annotations

import pytest

from gendmr.annotation.genes import check_build, read_genes
from gendmr.annotation.mapping import assign
from gendmr.errors import AnnotationError
from gendmr.genotypes.filesets import read_bim

pytestmark = pytest.mark.real_data

TABLES = {
    "gene.loc": "NCBI37.3.gene.loc",
    "glist": "glist-hg19",
    "gtf": "gencode.v19.annotation.chr22.gtf.gz",
}


@pytest.fixture(scope="module")
def tables(real_data):
    read = {
        form: read_genes(real_data / "annotation" / name, form)[0] for form, name in TABLES.items()
    }
    return {form: table.set_index("gene") for form, table in read.items()}


def both(tables, first: str, second: str, chromosome: str | None = None):
    joined = tables[first].join(tables[second], how="inner", rsuffix="_other")
    joined = joined[joined["chromosome"] == joined["chromosome_other"]]
    return joined if chromosome is None else joined[joined["chromosome"] == chromosome]


def test_magma_and_plink_agree_to_the_base_pair(tables):
    """Both derive from RefSeq: most genes have one start, and one base off none would."""
    joined = both(tables, "gene.loc", "glist")
    shift = joined["start"] - joined["start_other"]
    assert len(joined) > 18_000
    assert (shift == 0).mean() > 0.70
    assert shift.mode().tolist() == [0]
    # What a 0-based start read as 1-based would look like.
    assert (shift == 1).mean() < 0.05
    assert (joined["end"] == joined["end_other"]).mean() > 0.69


@pytest.mark.parametrize("other", ["gene.loc", "glist"])
def test_gencode_agrees_with_both(tables, other):
    joined = both(tables, other, "gtf", "22")
    shift = joined["start"] - joined["start_other"]
    assert len(joined) > 400
    assert shift.mode().tolist() == [0]
    assert (shift == 0).mean() > 0.38
    assert (shift.abs() < 1000).mean() > 0.6
    if other == "gene.loc":
        assert (joined["strand"] == joined["strand_other"]).mean() > 0.99


def test_snps_inside_a_gene_are_inside_in_all_three(tables, real_data):
    """Genes whose coordinates agree get the same SNPs and distances from all three tables."""
    agreeing = both(tables, "gene.loc", "glist", "22").join(
        tables["gtf"], how="inner", rsuffix="_gtf"
    )
    agreeing = agreeing[
        (agreeing["start"] == agreeing["start_other"]) & (agreeing["end"] == agreeing["end_other"])
    ]
    agreeing = agreeing[
        (agreeing["start"] == agreeing["start_gtf"]) & (agreeing["end"] == agreeing["end_gtf"])
    ]
    assert len(agreeing) > 30
    snps = read_bim(real_data / "genotypes" / "eagle_1kg_eur" / "EUR_test")
    assignments = []
    for table in tables.values():
        genes = table.loc[agreeing.index].reset_index()
        rows = assign(snps, genes, upstream=0, downstream=0, nearest=True)
        inside = rows[rows["relation"] == "inside"]
        assignments.append(inside[["snp", "gene", "distance"]].to_numpy().tolist())
    assert assignments[0] == assignments[1] == assignments[2]


def test_builds_are_recognised(real_data):
    folder = real_data / "annotation"
    ncbi37, _ = read_genes(folder / "NCBI37.3.gene.loc", "gene.loc")
    ncbi38, _ = read_genes(folder / "NCBI38.gene.loc", "gene.loc")
    assert check_build(ncbi37, "GRCh37", "").endswith("GRCh37 15, GRCh38 0")
    assert check_build(ncbi38, "GRCh38", "").endswith("GRCh37 0, GRCh38 15")
    with pytest.raises(AnnotationError, match="declared as GRCh38"):
        check_build(ncbi37, "GRCh38", "x")
    with pytest.raises(AnnotationError, match="declared as NCBI36"):
        check_build(ncbi38, "NCBI36", "x")
