"""Windows by strand against an obvious twin; formats, builds, bad input."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gendmr.annotation.commands import group
from gendmr.annotation.genes import read_genes
from gendmr.annotation.mapping import COLUMNS, assign
from gendmr.config.annotation import AnnotationSection
from gendmr.errors import AnnotationError, ConfigurationError, InputFileError


def twin(snps, genes, upstream, downstream, nearest):
    """Every SNP against every gene, one base-pair rule at a time."""
    rows = []
    for snp in snps.itertuples(index=False):
        candidates = []
        for gene in genes.itertuples(index=False):
            if gene.chromosome != snp.chromosome:
                continue
            if gene.start <= snp.position <= gene.end:
                distance = 0
            else:
                gap = min(abs(snp.position - gene.start), abs(snp.position - gene.end))
                before = snp.position < gene.start
                is_upstream = before if gene.strand != "-" else not before
                distance = -gap if is_upstream else gap
            candidates.append((abs(distance), gene.gene, distance))
        near = [item for item in candidates if -upstream <= item[2] <= downstream]
        relation = {True: "inside"}
        for _, name, distance in sorted(near):
            kind = relation.get(distance == 0, "upstream" if distance < 0 else "downstream")
            rows.append((snp.snp, snp.chromosome, snp.position, name, distance, kind))
        if nearest and not near and candidates:
            _, name, distance = min(candidates)
            rows.append((snp.snp, snp.chromosome, snp.position, name, distance, "nearest"))
    return pd.DataFrame(rows, columns=COLUMNS)


place = st.integers(1, 300)
gene_rows = st.lists(
    st.tuples(st.sampled_from(["1", "2", "X"]), place, st.integers(0, 80), st.sampled_from("+-")),
    max_size=12,
)
snp_rows = st.lists(st.tuples(st.sampled_from(["1", "2", "3"]), place), max_size=25)


@given(gene_rows, snp_rows, st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_the_join_equals_its_slow_twin(gene_rows, snp_rows, upstream, downstream, nearest):
    genes = pd.DataFrame(
        [(f"G{(i * 7) % 12}", c, s, s + n, t) for i, (c, s, n, t) in enumerate(gene_rows)],
        columns=["gene", "chromosome", "start", "end", "strand"],
    ).astype({"start": "int64", "end": "int64"})
    snps = pd.DataFrame(
        [(f"rs{i}", c, p) for i, (c, p) in enumerate(snp_rows)],
        columns=["snp", "chromosome", "position"],
    ).astype({"position": "int64"})
    fast = assign(snps, genes, upstream=upstream, downstream=downstream, nearest=nearest)
    slow = twin(snps, genes, upstream, downstream, nearest)
    assert fast.to_numpy().tolist() == slow.to_numpy().tolist()


def one(position: int, strand: str) -> list:
    genes = pd.DataFrame(
        [("G", "1", 1000, 2000, strand)], columns=["gene", "chromosome", "start", "end", "strand"]
    )
    snps = pd.DataFrame([("rs", "1", position)], columns=["snp", "chromosome", "position"])
    assigned = assign(snps, genes, upstream=35, downstream=10, nearest=False)
    return assigned[["distance", "relation"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("position", "strand", "expected"),
    [
        (1000, "+", [[0, "inside"]]),
        (2000, "-", [[0, "inside"]]),
        (965, "+", [[-35, "upstream"]]),
        (964, "+", []),
        (2010, "+", [[10, "downstream"]]),
        (2011, "+", []),
        (990, "-", [[10, "downstream"]]),
        (989, "-", []),
        (2035, "-", [[-35, "upstream"]]),
        (2036, "-", []),
        (2010, "n/a", [[10, "downstream"]]),
    ],
)
def test_windows_end_where_they_should(position, strand, expected):
    assert one(position, strand) == expected


GENE_LOC = "1\t1\t1001\t2000\t+\tALPHA\n2\tchr2\t5001\t6000\t-\tBETA\n"
GLIST = "1 1000 2000 ALPHA\n2 5000 6000 BETA\n"
GTF = (
    "#!genome-build GRCh37\n"
    'chr1\tH\tgene\t1001\t2000\t.\t+\t.\tgene_type "protein_coding"; gene_name "ALPHA";\n'
    'chr1\tH\texon\t1001\t1500\t.\t+\t.\tgene_id "E1"; gene_name "ALPHA";\n'
    'chr2\tH\tgene\t5001\t6000\t.\t-\t.\tgene_id "E2"; gene_biotype "lincRNA"; gene_name "BETA";\n'
)


@pytest.mark.parametrize(("text", "form"), [(GENE_LOC, "gene.loc"), (GLIST, "glist"), (GTF, "gtf")])
def test_three_formats_one_convention(tmp_path, text, form):
    path = tmp_path / "genes"
    path.write_text(text)
    genes, _ = read_genes(path, form)
    places = genes[["gene", "chromosome", "start", "end"]].to_numpy().tolist()
    assert places == [["ALPHA", "1", 1001, 2000], ["BETA", "2", 5001, 6000]]
    strands = ["n/a", "n/a"] if form == "glist" else ["+", "-"]
    assert genes["strand"].tolist() == strands


def test_read_genes__a_gtf_without_rows_of_genes_gives_what_transcripts_cover(tmp_path):
    """As UCSC's genePredToGtf writes it; the same genes as rows of genes would give."""
    rows = [
        ("1", "transcript", 1001, 2000, "A"), ("1", "exon", 1001, 1200, "A"),
        ("1", "transcript", 1501, 3000, "A"), ("2", "transcript", 500, 900, "B"),
    ]  # fmt: skip
    path = tmp_path / "ucsc.gtf"
    path.write_text(
        "".join(
            f'chr{c}\trefGene\t{kind}\t{start}\t{end}\t.\t+\t.\tgene_id "{g}"; gene_name "{g}";\n'
            for c, kind, start, end, g in rows
        )
    )
    genes, notes = read_genes(path, "gtf")
    assert genes[["gene", "chromosome", "start", "end"]].values.tolist() == [
        ["A", "1", 1001, 3000], ["B", "2", 500, 900],
    ]  # fmt: skip
    assert any("no rows of genes" in note and "3 transcripts" in note for note in notes)
    with pytest.raises(AnnotationError, match="none of 3 transcripts is of the gene_types") as e:
        read_genes(path, "gtf", ("protein_coding",))
    assert e.value.next_step == "leave out annotation.gene_types"
    path.write_text("".join(line for line in path.open() if "\texon\t" in line))
    with pytest.raises(AnnotationError, match="without rows of genes or transcripts: 1 exon"):
        read_genes(path, "gtf")


def test_gzipped_gtf_and_gene_types(tmp_path):
    path = tmp_path / "genes.gtf.gz"
    path.write_bytes(gzip.compress(GTF.encode()))
    assert read_genes(path, "gtf", ("protein_coding",))[0]["gene"].tolist() == ["ALPHA"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (GENE_LOC.encode("utf-16"), "not UTF-8 text but UTF-16"),
        (GENE_LOC.replace("ALPHA", "ALPH\xc4").encode("latin-1"), "not UTF-8 text .*at byte"),
        (GENE_LOC.replace("ALPHA", "AL\0PHA").encode(), "NUL bytes"),
        (gzip.compress(GENE_LOC.encode(), mtime=0)[:-12], "compressed file is damaged"),
        (
            gzip.compress(GENE_LOC.encode() * 9, mtime=0)[:40] + bytes(60),
            "compressed file is damaged",
        ),
        (b"PK\x03\x04rest", "spreadsheet or zip archive"),
    ],
)
def test_a_gene_table_that_is_no_text_is_named(tmp_path, data, words):
    path = tmp_path / "genes"
    path.write_bytes(data)
    with pytest.raises(InputFileError, match=words):
        read_genes(path, "gene.loc")


def test_windows_line_ends_and_a_byte_order_mark_in_a_gene_table(tmp_path):
    path = tmp_path / "genes"
    path.write_bytes(GLIST.replace("\n", "\r\n").encode("utf-8-sig"))
    genes, notes = read_genes(path, "glist")
    assert genes[["gene", "chromosome", "end"]].to_numpy().tolist() == [
        ["ALPHA", "1", 2000],
        ["BETA", "2", 6000],
    ]
    assert "unplaced" not in " ".join(notes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gene_rows, st.data())
def test_a_random_gene_table_reads_as_written_or_is_named(tmp_path, rows, data):
    path = tmp_path / "genes"
    lines = [f"{i}\t{c}\t{s}\t{s + n}\t{t}\tG{i}" for i, (c, s, n, t) in enumerate(rows)]
    content = bytearray("".join(f"{line}\n" for line in lines).encode())
    spoiled = bool(content) and data.draw(st.booleans())
    if spoiled:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from(b"\0\t \n-x\xff;,9"))
    path.write_bytes(content)
    try:
        genes, _ = read_genes(path, "gene.loc")
    except (AnnotationError, InputFileError) as error:
        assert str(path) in str(error)
        assert spoiled or not rows
        return
    if not spoiled:
        read = genes.set_index("gene")[["chromosome", "start", "end", "strand"]]
        written = {f"G{i}": [c, s, s + n, t] for i, (c, s, n, t) in enumerate(rows)}
        assert {
            name: list(row) for name, row in zip(read.index, read.to_numpy(), strict=True)
        } == written


def test_one_name_in_several_rows(tmp_path):
    path = tmp_path / "genes"
    path.write_text("1 10 20 A\n1 15 30 A\n1 100 120 B\n2 100 120 B\n3 5 6 NA\n")
    genes, notes = read_genes(path, "glist")
    assert genes["gene"].tolist() == ["A", "B@1:101", "B@2:101", "NA"]
    assert genes.loc[0, ["start", "end"]].tolist() == [11, 30]
    assert any("1 overlapping rows" in note for note in notes)
    assert any("1 names stand for several places" in note for note in notes)


def bim(folder: Path, rows: str) -> Path:
    path = folder / "qc.bim"
    path.write_text(rows)
    return path


def run(folder: Path, text: str = GENE_LOC, build: str = "GRCh37", **options) -> Path:
    (folder / "genes").write_text(text)
    variants = bim(folder, "1\t007\t0\t1000\tA\tG\n1\tNA\t0\t900000\tA\tG\n2\trs3\t0\t5500\tA\tG\n")
    section = json.dumps({"genes": str(folder / "genes"), **options})
    arguments = ["map", "--variants", str(variants), "--build", build, "--options", section]
    done = CliRunner().invoke(group, [*arguments, "--output", str(folder / "out")])
    if done.exception is not None:
        raise done.exception
    return folder / "out"


def test_tables_and_summary(tmp_path):
    out = run(tmp_path, nearest=True)
    assert (out / "snp2gene.tsv").read_text().splitlines() == [
        "snp\tchromosome\tposition\tgene\tdistance\trelation",
        "007\t1\t1000\tALPHA\t-1\tupstream",
        "NA\t1\t900000\tALPHA\t898000\tnearest",
        "rs3\t2\t5500\tBETA\t0\tinside",
    ]
    assert (out / "genes.tsv").read_text().splitlines()[1] == "ALPHA\t1\t1001\t2000\t+"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["snps"] == {"read": 3, "assigned": 3, "to_several_genes": 0}
    assert summary["relations"] == {"inside": 1, "nearest": 1, "upstream": 1}
    assert summary["notes"] == []
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    run(tmp_path, nearest=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_other_build_is_refused_unless_accepted(tmp_path):
    with pytest.raises(AnnotationError, match=r"genotypes are GRCh38.*is GRCh37"):
        run(tmp_path, build="GRCh38")
    out = run(tmp_path, build="GRCh38", accept_other_build=True)
    assert "unreliable" in json.loads((out / "summary.json").read_text())["notes"][0]


def test_a_wrongly_declared_build_is_found_out(tmp_path):
    moved = "1 19 44905749 44909395 + APOE\n2 17 7668402 7687550 - TP53\n3 1 1 2000 + G\n"
    with pytest.raises(AnnotationError, match=r"declared as GRCh37.*GRCh37 0, GRCh38 2"):
        run(tmp_path, moved)


def test_the_right_build_passes(tmp_path):
    right = "1 19 45409039 45412650 + APOE\n2 17 7571720 7590868 - TP53\n3 1 1 2000 + G\n"
    out = run(tmp_path, right)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["build_check"].endswith("GRCh37 2, GRCh38 0")


@pytest.mark.parametrize(
    ("text", "options", "kind", "says"),
    [
        (GLIST, {}, AnnotationError, "not whole numbers"),
        (GENE_LOC, {"format": "glist"}, AnnotationError, "line 1 has 6 columns"),
        (GENE_LOC, {"format": "gtf"}, AnnotationError, "nine columns"),
        ("id chr start end strand name\n" + GENE_LOC, {}, AnnotationError, "line 1: start 'start'"),
        ("1 1 2000 1000 + A\n", {}, AnnotationError, "end before they start: 'A'"),
        ("1 1 1000 2000 ? A\n", {}, AnnotationError, "strand '?'"),
        ("1 7_alt 1000 2000 + A\n", {}, AnnotationError, "no gene on a human chromosome"),
        ("", {}, InputFileError, "the file is empty"),
        ("# a comment only\n", {}, AnnotationError, "no gene in gene.loc format"),
        ("1,1,1001,2000,+,ALPHA\n", {}, AnnotationError, "line 1 has 1 columns"),
        ("1 1 1001 2000 + A;B\n", {}, AnnotationError, "hold a semicolon"),
        (f"1 1 1001 {10**20} + A\n", {}, AnnotationError, "are not whole numbers"),
        ("1 1 1_001 2000 + A\n", {}, AnnotationError, "are not whole numbers"),
        (GTF, {"format": "gtf", "gene_types": ["miRNA"]}, AnnotationError, "no gene in gtf"),
        ("1 9 1000 2000 + A\n", {}, AnnotationError, "none of 3 SNPs"),
        (GENE_LOC, {"upstream_kb": -1}, ConfigurationError, "upstream_kb"),
        (GENE_LOC, {"windows": 5}, ConfigurationError, "unknown key"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path, text, options, kind, says):
    with pytest.raises(kind) as caught:
        run(tmp_path, text, **options)
    assert says in str(caught.value)


def test_missing_files(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        read_genes(tmp_path / "none", "gene.loc")
    (tmp_path / "cut.gtf.gz").write_bytes(gzip.compress(GTF.encode())[:-9])
    with pytest.raises(InputFileError, match="interrupted download"):
        read_genes(tmp_path / "cut.gtf.gz", "gtf")


def test_positions_above_two_to_the_24th_keep_their_base_pairs():
    genes = pd.DataFrame(
        [("G", "1", 248_000_001, 248_000_003, "+")],
        columns=["gene", "chromosome", "start", "end", "strand"],
    )
    snps = pd.DataFrame(
        [(f"rs{i}", "1", 248_000_000 + i) for i in range(5)],
        columns=["snp", "chromosome", "position"],
    )
    assigned = assign(snps, genes, upstream=1, downstream=1, nearest=False)
    assert assigned["distance"].tolist() == [-1, 0, 0, 0, 1]


def test_defaults_are_magmas_usual_window():
    section = AnnotationSection(genes="x")
    assert (section.upstream_kb, section.downstream_kb) == (35.0, 10.0)
