"""What an error of a gene table says to change is changed, and the table is read then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gendmr.annotation.genes import ANCHORS, read_genes
from gendmr.annotation.mapping import map_snps
from gendmr.config.annotation import AnnotationSection
from gendmr.errors import AnnotationError
from remedies import mended, row

GENES = "annotation/genes.py"
GENE_LOC = "1\t1\t1001\t2000\t+\tALPHA\n2\tchr2\t5001\t6000\t-\tBETA\n"
GLIST = "1 1000 2000 ALPHA\n2 5000 6000 BETA\n"
GTF = (
    'chr1\tH\tgene\t1001\t2000\t.\t+\t.\tgene_type "protein_coding"; gene_name "ALPHA";\n'
    'chr2\tH\tgene\t5001\t6000\t.\t-\t.\tgene_id "E2"; gene_name "BETA";\n'
)
GFF3 = "chr1\tH\tgene\t1001\t2000\t.\t+\t.\tID=gene:E1;Name=ALPHA\n"
TRANSCRIPTS = GTF.replace("\tgene\t", "\ttranscript\t").replace('gene_type "protein_coding"; ', "")
EXONS = GTF.replace("\tgene\t", "\texon\t")
HEAD = ", then set annotation.format"
IN_FORMAT = "set annotation.format to gene.loc, glist or gtf"


@pytest.mark.parametrize(
    ("module", "remedy", "wrong", "mending"),
    [
        row(GENES, HEAD, {"text": "chr start end name\n" + GLIST, "form": "glist"},
            {"text": GLIST}),
        row(GENES, HEAD, {"text": "1 2000 900 + A\n"}, {"text": "1 2000 9000 A\n",
            "form": "glist"}),
        row(GENES, HEAD, {"text": GLIST.replace("1 1000", "chrom1 1000").replace("\n2", "\nchrom2"),
                          "form": "glist"}, {"text": GLIST}),
        row(GENES, IN_FORMAT, {"text": GTF}, {"form": "gtf"}),
        row(GENES, IN_FORMAT, {"text": GENE_LOC, "form": "glist"}, {"form": "gene.loc"}),
        row(GENES, "keep one name for each gene", {"text": GENE_LOC.replace("ALPHA", "ALPHA;A2")},
            {"text": GENE_LOC}),
        row(GENES, "columns are: id, chromosome, start, end, strand, symbol",
            {"text": "1\t1\t1001\t2000\tALPHA\t+\n"}, {"text": "1\t1\t1001\t2000\t+\tALPHA\n"}),
        row(GENES, "fetch the GTF of the same release", {"text": GFF3, "form": "gtf"},
            {"text": GTF}),
        row(GENES, "leave out annotation.gene_types",
            {"text": TRANSCRIPTS, "form": "gtf", "types": ("protein_coding",)}, {"types": ()}),
        row(GENES, "fetch the GTF of GENCODE or Ensembl, or write gene.loc: id, chromosome",
            {"text": EXONS, "form": "gtf"}, {"text": GTF}),
        row(GENES, "fetch the GTF of GENCODE or Ensembl, or write gene.loc: id, chromosome",
            {"text": EXONS, "form": "gtf"}, {"text": GENE_LOC, "form": "gene.loc"}),
    ],
)  # fmt: skip
def test_read_genes__after_what_the_remedy_says(tmp_path, module, remedy, wrong, mending):
    path = tmp_path / "genes"
    table: dict[str, Any] = {"form": "gene.loc", "types": (), **wrong}

    def read():
        path.write_text(table["text"])
        genes, _ = read_genes(path, table["form"], table["types"])
        assert set(genes["gene"]) <= {"ALPHA", "BETA", "A"}

    with mended(module, remedy, AnnotationError, read):
        table.update(mending)


def places(build: str) -> str:
    """A gene table with the genes whose places are known."""
    return "".join(
        f"{number}\t{1 + number}\t{start}\t{start + 900}\t+\t{name}\n"
        for number, (name, start) in enumerate(ANCHORS[build].items())
    )


@pytest.mark.parametrize(
    ("module", "remedy", "genotypes", "mending"),
    [
        row(GENES, "give a gene table of the genotypes' build, or set annotation.build to",
            "GRCh37",
            {"text": "GRCh37"}),
        row(GENES, "give a gene table of the genotypes' build, or set annotation.build to",
            "GRCh38",
            {"build": "GRCh38"}),
        row("annotation/mapping.py", "give a gene table of ", "GRCh38",
            {"text": "GRCh38", "build": "GRCh38"}),
        row("annotation/mapping.py", "or correct genotypes.build or annotation.build; accept",
            "GRCh38",
            {"build": "GRCh38", "text": "GRCh38"}),
        row("annotation/mapping.py", "accept_other_build: true goes on all", "GRCh38",
            {"text": "GRCh37", "accept_other_build": True}),
    ],
)  # fmt: skip
def test_map_snps__tables_of_one_build(
    tmp_path: Path, module: str, remedy: str, genotypes: str, mending: dict[str, Any]
) -> None:
    first = next(iter(ANCHORS["GRCh37"].values()))
    (tmp_path / "qc.bim").write_text(f"1 rs1 0 {first} A G\n")
    of_mapping = module.endswith("mapping.py")
    builds = {"text": "GRCh37" if of_mapping else "GRCh38", "build": "GRCh37"}
    build = {"genotypes": genotypes if of_mapping else "GRCh37"}

    def run() -> None:
        (tmp_path / "genes").write_text(places(builds["text"]))
        section = {key: value for key, value in builds.items() if key != "text"}
        options = {"genes": str(tmp_path / "genes"), "nearest": True, **section}
        map_snps(
            AnnotationSection.parse(options),
            tmp_path / "qc.bim",
            build["genotypes"],
            tmp_path / "out",
        )

    with mended(module, remedy, AnnotationError, run):
        builds.update(mending)
        build["genotypes"] = genotypes
