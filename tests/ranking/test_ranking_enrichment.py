"""Sets are compared with blocks of like size; names, places and lines that do not fit are named."""

from __future__ import annotations

import gzip
import itertools
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import hypergeom, kstest

from gendmr.config.ranking import EnrichmentSection, RankingSection
from gendmr.errors import (
    AnnotationError,
    ConfigurationError,
    InputFileError,
    RankingError,
    TableError,
)
from gendmr.files.datasets import write_dataset
from gendmr.files.tables import write_table
from gendmr.ranking.commands import group
from gendmr.ranking.enrichment import COLUMNS, enrich
from gendmr.ranking.enrichment_figure import draw_enrichment
from gendmr.ranking.folds import null_files, order_folds
from gendmr.ranking.gene_sets import read_gmt, read_loci
from gendmr.ranking.levels import level_of
from gendmr.ranking.matched import (
    CLASS,
    block_values,
    by_size,
    draw,
    match,
    membership,
    normal_scores,
)
from gendmr.ranking.rank import rank
from gendmr.ranking.tables import null_ranking_schema

RISK = [f"G{i:03d}" for i in range(0, 60, 6)]


def sizes(rng, n):
    """SNP counts and lengths of blocks, skewed as those of genes are."""
    n_snp = np.ceil(rng.lognormal(2.3, 0.9, n)).astype(int)
    return n_snp, n_snp * 3000 * rng.lognormal(0, 0.7, n)


def matched_p(rng, values, rows, n_snp, length, draws=199):
    single = np.ones(len(values), dtype=int)
    beyond = values - by_size(values, single, n_snp, length)
    classes = match(single, n_snp, length)
    return draw(membership(rows, len(values)), beyond, classes, draws, rng).p


# ---- what is drawn -------------------------------------------------------------------------------


def test_p_values_of_random_sets_on_random_rankings_are_uniform():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(250):
        n_snp, length = sizes(rng, 120)
        values = normal_scores(rng.normal(size=120))
        rows = [np.sort(rng.choice(120, rng.integers(4, 25), replace=False))]
        p_values.append(matched_p(rng, values, rows, n_snp, length)[0])
    # Multiples of 1 / 200, spread within their steps.
    assert kstest(np.array(p_values) - rng.uniform(size=250) / 200, "uniform").pvalue > 0.01


def test_large_genes_alone_make_no_set_significant():
    """Scores that are sums over SNPs, sets that prefer genes of many SNPs, no effect anywhere."""
    rng = np.random.default_rng(1)
    matched, unmatched, counted = [], [], []
    for _ in range(200):
        n_snp, length = sizes(rng, 300)
        score = np.array([rng.chisquare(1, n).sum() for n in n_snp])
        values = normal_scores(score)
        rows = np.sort(rng.choice(300, 20, replace=False, p=n_snp / n_snp.sum()))
        matched.append(matched_p(rng, values, [rows], n_snp, length)[0])
        one_class = np.zeros(300, dtype=int)
        unmatched.append(draw(membership([rows], 300), values, one_class, 199, rng).p[0])
        first = np.argsort(-score)[:50]
        counted.append(hypergeom.sf(len(np.intersect1d(first, rows)) - 1, 300, 50, 20))
    # Binomial 99.9 % of 200 tests at 5 %: 21.
    assert (np.array(matched) <= 0.05).sum() <= 21
    assert kstest(np.array(matched) - rng.uniform(size=200) / 200, "uniform").pvalue > 0.01
    assert (np.array(unmatched) <= 0.05).mean() > 0.6
    assert (np.array(counted) <= 0.05).mean() > 0.6


def test_a_draw_has_the_snp_counts_and_lengths_of_the_set():
    rng = np.random.default_rng(2)
    n_snp, length = sizes(rng, 1000)
    classes = match(np.ones(1000, dtype=int), n_snp, length)
    rows = np.sort(rng.choice(1000, 40, replace=False, p=n_snp / n_snp.sum()))
    member = membership([rows], 1000)
    for size in (np.log(n_snp), np.log(length)):
        drawn = draw(member, size, classes, 500, rng)
        middle = (drawn.low[0] + drawn.high[0]) / 2
        assert abs(size[rows].mean() - middle) < 0.2 * (size[rows].mean() - size.mean())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_classes_hold_blocks_enough(n, seed):
    rng = np.random.default_rng(seed)
    n_snp, length = sizes(rng, n)
    classes = match(rng.choice([1, 2, 3, 9], n, p=[0.6, 0.2, 0.1, 0.1]), n_snp, length)
    assert np.bincount(classes).min() >= min(CLASS, n)


def test_blocks_of_one_and_of_many_genes_are_kept_apart():
    rng = np.random.default_rng(3)
    n_gene = np.repeat([1, 2, 5], [100, 40, 40])
    classes = match(n_gene, *sizes(rng, 180))
    for small, large in itertools.combinations((1, 2, 5), 2):
        assert not set(classes[n_gene == small]) & set(classes[n_gene == large])


def test_p_is_the_share_of_all_ways_to_draw():
    """Slow twin: all pairs of one block from each of two classes."""
    values = np.array([0.1, 0.9, 0.4, 0.7, -1.0, 2.0, 0.3, 0.0])
    classes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    ways = [values[a] + values[b] for a in range(4) for b in range(4, 8)]
    exact = np.mean([way >= values[3] + values[6] - 1e-12 for way in ways])
    member = membership([np.array([3, 6])], 8)
    drawn = draw(member, values, classes, 20_000, np.random.default_rng(4))
    assert drawn.p[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_a_set_of_all_blocks_is_never_remarkable():
    values = np.random.default_rng(5).normal(size=30)
    member = membership([np.arange(30)], 30)
    assert draw(member, values, np.zeros(30, dtype=int), 99, np.random.default_rng(6)).p[0] == 1


def test_normal_scores_are_quantiles_and_ties_share_theirs():
    scores = normal_scores(np.array([3.0, 0.0, 9.0, 0.0]))
    np.testing.assert_allclose(scores, [0.31864, -0.67449, 1.15035, -0.67449], atol=1e-5)


# ---- permuted diagnoses --------------------------------------------------------------------------


def test_p_under_permuted_diagnoses_is_exact_with_few_permutations():
    """Genes of a block are correlated, and the observed is one of 20 that are treated alike."""
    rng = np.random.default_rng(7)
    block = np.repeat(np.arange(10), 3)
    rows = membership([np.arange(6)], 10)
    p_values = []
    for _ in range(400):
        z = np.repeat(rng.gamma(1.0, size=(20, 10)), 3, axis=1) + rng.normal(size=(20, 30))
        z = (z - z.mean(axis=0)) / z.std(axis=0)
        observed, permuted = block_values(z[0], block, z[1:])
        null = rows @ permuted.T
        p_values.append(((null[0] >= (rows @ observed)[0]).sum() + 1) / 20)
    counts = np.bincount(np.rint(np.array(p_values) * 20).astype(int), minlength=21)[1:]
    # Each of 20 values 20 times: chi-square with 19 degrees of freedom, 99.9 % below 43.8.
    assert ((counts - 20) ** 2 / 20).sum() < 43.8


def test_a_block_of_many_genes_is_no_better_for_their_number():
    rng = np.random.default_rng(8)
    z = rng.normal(size=(2000, 41))
    observed, permuted = block_values(z[0], np.array([0, *[1] * 40]), z[1:])
    assert permuted.shape == (1999, 2)
    np.testing.assert_allclose(permuted.mean(axis=0), 0, atol=0.01)
    best, _ = block_values(z[0], np.array([0, *[1] * 40]), None)
    assert best[1] == z[0, 1:].max() > 1.5 > observed[1]


# ---- a ranking as files --------------------------------------------------------------------------


@pytest.fixture
def make_ranking(tmp_path):
    """Return a function that writes a ranking of 120 genes, among them RISK, and its sets."""

    def make(effect=2.0, null=0, seed=0, blocks=None):
        rng = np.random.default_rng(seed)
        folder = tmp_path / "ranking" / "some"
        names = np.array([f"G{i:03d}" for i in range(120)])
        n_snp, length = sizes(rng, 120)
        start = 1_000_000 + 2_000_000 * np.arange(120)
        z = rng.normal(size=(null + 1, 120))
        z[0, np.isin(names, RISK)] += effect
        if null:
            z = (z - z.mean(axis=0)) / z.std(axis=0)
        genes = pd.DataFrame(
            {
                "gene": names,
                "chromosome": "7",
                "start": start,
                "end": start + length.astype(int),
                "block": names if blocks is None else blocks,
                "score": np.exp(z[0]),
                "n_snp": n_snp,
                "z": z[0] if null else np.nan,
            }
        ).sort_values("score", ascending=False)
        write_table(folder / "genes.tsv", genes)
        by = genes.groupby("block")
        columns = {"start": ("start", "min"), "end": ("end", "max"), "n_gene": ("gene", "size")}
        write_table(folder / "blocks.tsv", by.agg(**columns, n_snp=("n_snp", "sum")).reset_index())
        if null:
            write_null(folder / "null.nc", names, z[1:])
        return folder

    write_sets(tmp_path)
    return make


def write_null(path, names, z):
    levels = {"gene": (names, z), "block": (names, z)}
    dataset = xr.Dataset(
        {f"z_{k}": (("permutation", k), v.astype(np.float32)) for k, (_, v) in levels.items()},
        coords={k: labels for k, (labels, _) in levels.items()},
    )
    write_dataset(path, dataset, null_ranking_schema())


def write_sets(folder):
    """RISK, ten others at random, two genes, and one gene with a stranger; RISK as loci."""
    spread_genes = [f"G{i:03d}" for i in range(1, 60, 6)]
    lines = {
        "RISK": RISK,
        "OTHERS": spread_genes,
        "TINY": RISK[:2],
        "HALF_ABSENT": [*RISK[:5], "XYZ"],
    }
    text = "".join(
        f"{name}\thttp://x\t" + "\t".join(members) + "\n" for name, members in lines.items()
    )
    (folder / "sets.gmt").write_text(text)
    rows = "".join(f"chr7\t{1_000_000 + 2_000_000 * int(g[1:])}\t{g}\n" for g in RISK)
    (folder / "known.tsv").write_text("chromosome\tposition\tname\n" + rows)


def run(folder, **options):
    files = folder.parents[1]
    section = {
        "sets": (str(files / "sets.gmt"),),
        "loci": (str(files / "known.tsv"),),
        "draws": 999,
        **options,
    }
    notes = enrich(
        method="some",
        ranking=folder,
        options=EnrichmentSection(**section),
        build="GRCh37",
        seed=1,
    )
    table = pd.read_csv(folder / "enrichment.tsv", sep="\t", keep_default_na=False, na_values="n/a")
    return table.set_index("set"), notes


def test_the_set_of_risk_genes_is_found_and_others_are_not(make_ranking):
    folder = make_ranking()
    table, notes = run(folder)
    assert (folder / "enrichment.tsv").read_text().splitlines()[0].split("\t") == list(COLUMNS)
    assert set(table.index[:2]) == {"RISK", "known"}
    assert table.loc["RISK", "p"] == 0.001
    assert table.loc["RISK", "q"] == pytest.approx(0.002)
    assert table.loc["RISK", "score"] == table.loc["known", "score"] > 1
    assert table.loc["RISK", "expected_high"] < 1
    assert table.loc["OTHERS", "p"] > 0.05
    assert table.loc["HALF_ABSENT", ["n_listed", "n_ranked", "n_absent"]].tolist() == [6, 5, 1]
    assert table.loc["known", ["kind", "n_listed", "n_ranked", "n_block"]].tolist() == [
        *("loci", 10, 10, 10)
    ]
    assert set(table.loc["RISK", "leading"].split(";")) <= set(RISK)
    assert table["p_permuted"].isna().all()
    assert notes == ["1 of 5 sets are not tested."]
    assert (folder / "figures" / "enrichment.png").is_file()
    assert (folder / "figures" / "enrichment.svg").is_file()


def test_sets_out_of_bounds_are_listed_with_the_reason(make_ranking):
    table, _ = run(make_ranking(), largest=9)
    assert table.loc["TINY", "reason"] == "2 genes in the ranking, fewer than 5"
    assert table.loc["RISK", "reason"] == "10 genes in the ranking, more than 9"
    assert table.loc[["TINY", "RISK"], ["p", "q", "score"]].isna().all(axis=None)
    assert pd.isna(table.loc["HALF_ABSENT", "reason"])
    assert table.index[0] == "HALF_ABSENT"


def test_the_expected_score_is_that_of_the_draws(make_ranking):
    table, _ = run(make_ranking(effect=0.0))
    tested = table[table["p"].notna()]
    assert (tested["expected_low"] < tested["expected"]).all()
    assert (tested["expected"] < tested["expected_high"]).all()


def test_the_same_seed_gives_the_same_bytes(make_ranking):
    folder = make_ranking()
    run(folder)
    first = [(folder / name).read_bytes() for name in ("enrichment.tsv", "figures/enrichment.png")]
    run(folder)
    assert first == [
        (folder / name).read_bytes() for name in ("enrichment.tsv", "figures/enrichment.png")
    ]


def test_permuted_diagnoses_answer_whether_there_is_anything(make_ranking):
    table, _ = run(make_ranking(null=99))
    assert table.loc["RISK", "p_permuted"] == 0.01
    assert table.loc["OTHERS", "p_permuted"] > 0.05
    assert table.loc["TINY", ["p_permuted", "q_permuted"]].isna().all()
    assert (table["q_permuted"] >= table["p_permuted"])[table["p"].notna()].all()


def test_what_lifts_every_gene_is_seen_by_permutations_only(make_ranking):
    folder = make_ranking(effect=0.0, null=99)
    before, _ = run(folder)
    genes = pd.read_csv(folder / "genes.tsv", sep="\t")
    write_table(folder / "genes.tsv", genes.assign(z=genes["z"] + 1.5))
    after, _ = run(folder)
    tested = ["RISK", "OTHERS", "known", "HALF_ABSENT"]
    assert (after.loc[tested, "p_permuted"] == 0.01).all()
    assert (before.loc[tested, "p_permuted"] > 0.01).all()
    np.testing.assert_allclose(after.loc[tested, "p"], before.loc[tested, "p"], atol=0.03)


def test_a_block_counts_once(make_ranking, tmp_path):
    """Five genes of one block, the best z = 6: no more than one of them."""
    names = np.array([f"G{i:03d}" for i in range(120)])
    block = names.copy()
    block[:5] = "joint"
    folder = make_ranking(effect=0.0, blocks=block)
    genes = pd.read_csv(folder / "genes.tsv", sep="\t")
    genes.loc[genes["gene"].isin(names[:5]), "score"] = 1000.0
    write_table(folder / "genes.tsv", genes)
    shared_genes = "\t".join(names[10:15])
    (tmp_path / "sets.gmt").write_text(
        f"ONE\tx\tG000\t{shared_genes}\nFIVE\tx\t{chr(9).join(names[:5])}\t{shared_genes}\nJOINT\tx\t"
        + "\t".join(names[:5])
        + "\n"
    )
    table, _ = run(folder, loci=())
    assert table.loc[["ONE", "FIVE"], "n_block"].tolist() == [6, 6]
    for column in ("score", "expected", "p"):
        assert table.loc["ONE", column] == table.loc["FIVE", column]
    # The best block is one of six: five of twenty draws would be needed for p below 0.05.
    assert table.loc["ONE", "p"] > 0.01
    assert "one LD block" in table.loc["JOINT", "reason"]


def test_leading_genes_are_those_without_which_nothing_is_left(make_ranking, tmp_path):
    names = [f"G{i:03d}" for i in range(120)]
    block = np.array(names)
    block[[100, 101]] = "pair"
    folder = make_ranking(effect=0.0, blocks=block)
    genes = pd.read_csv(folder / "genes.tsv", sep="\t").sort_values("gene")
    # G100, the neighbour of G101 in its block, is the best of all.
    genes["score"] = np.r_[np.linspace(1, 2, 100), 99.0, np.linspace(3, 4, 19)]
    write_table(folder / "genes.tsv", genes.sort_values("score", ascending=False))
    low, middle = "\t".join(names[3:12]), "\t".join(names[50:60])
    (tmp_path / "sets.gmt").write_text(f"LOW\tx\t{low}\nHIGH\tx\tG101\tG119\t{middle}\n")
    table, _ = run(folder, loci=())
    assert pd.isna(table.loc["LOW", "leading"])
    columns = (table.loc["HIGH", c].split(";") for c in ("leading", "leading_best"))
    led = dict(zip(*columns, strict=True))
    assert set(list(led)[:2]) == {"G101", "G119"}
    assert led.pop("G101") == "G100"
    assert all(score == best for score, best in led.items())
    assert len(led) < 6


def test_too_few_draws_for_many_sets_are_told(make_ranking, tmp_path):
    lines = [f"S{i}\tx\t" + "\t".join(RISK[: 5 + i % 5]) for i in range(30)]
    (tmp_path / "sets.gmt").write_text("\n".join(lines))
    _, notes = run(make_ranking(), draws=99)
    assert "no single one of 31 sets can reach q = 0.05" in notes[0]
    assert "to 620" in notes[0]


def test_what_the_ranking_leaves_is_what_is_read(make_study, tmp_path):
    written = make_study(chunks=1, n_genes=50, region=False).write()
    paths, options = order_folds(written["attributions"]), RankingSection()
    level = level_of("snp").read(written["cohort"], "snp", options, written["genes"])
    tables = rank(paths, null_files(paths, 1), {"snp": level}, options).tables
    genes = tables["genes"]
    folder = tmp_path / "ranking" / "some"
    write_table(folder / "genes.tsv", genes.rows)
    write_table(folder / "blocks.tsv", tables["blocks"].rows)
    write_null(folder / "null.nc", genes.rows["gene"].to_numpy(str), genes.null)
    (tmp_path / "sets.gmt").write_text("FIRST\tx\t" + "\t".join(f"G{i}" for i in range(6)) + "\n")
    table, notes = run(folder, loci=())
    assert notes == []
    assert table.loc["FIRST", "n_block"] == 6
    assert table.loc["FIRST", "leading"].split(";")[0] == "G0"
    assert 0 < table.loc["FIRST", "p_permuted"] <= 1


def test_a_method_without_genes_writes_an_empty_table(make_ranking):
    folder = make_ranking()
    for name in ("genes.tsv", "blocks.tsv"):
        header = (folder / name).read_text().splitlines()[0]
        (folder / name).write_text(header + "\n")
    table, notes = run(folder)
    assert table.empty
    assert notes == ["some ranks no genes: no sets are tested."]
    assert (folder / "figures" / "enrichment.png").is_file()


def test_files_of_two_runs_are_refused(make_ranking):
    folder = make_ranking(null=20)
    write_null(folder / "null.nc", np.array(["G000", "G001"]), np.zeros((20, 2)))
    with pytest.raises(RankingError, match=r"118 genes of genes\.tsv are not in it"):
        run(folder)
    (folder / "null.nc").unlink()
    blocks = (folder / "blocks.tsv").read_text().splitlines()
    (folder / "blocks.tsv").write_text("\n".join(blocks[:-2]) + "\n")
    with pytest.raises(RankingError, match=r"2 blocks of genes\.tsv are not in blocks\.tsv"):
        run(folder)


def test_the_command_line_writes_the_same(make_ranking, tmp_path):
    folder = make_ranking()
    options = EnrichmentSection(sets=(str(tmp_path / "sets.gmt"),), draws=999).dump()
    words = ["--method", "some", "--ranking", str(folder), "--options", options]
    done = CliRunner().invoke(group, ["enrichment", *words, "--build", "GRCh37", "--seed", "1"])
    assert done.exit_code == 0, done.output
    assert "note: 1 of 4 sets are not tested." in done.output
    assert "RISK" in (folder / "enrichment.tsv").read_text()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "name files in `sets` or `loci`"),
        ({"sets": ["a/x.gmt", "b/x.gmt"]}, "two files are called x"),
        ({"sets": ["x.gmt"], "smallest": 20, "largest": 10}, "smallest must not exceed largest"),
        ({"sets": ["x.gmt"], "draws": 10}, "draws"),
    ],
)
def test_wrong_options_are_refused(wrong, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        RankingSection.parse({"enrichment": wrong})


# ---- files of sets and loci ----------------------------------------------------------------------


def test_gmt_as_spreadsheets_and_editors_leave_it(tmp_path):
    path = tmp_path / "c.gmt"
    path.write_bytes("\ufeffA\td\tG1\tG2\tG2\t\t\r\n\r\nB\t\tG9\t G1 \r\n".encode())
    first, second = read_gmt(path, ["G1", "G2", "G3"])
    assert (first.collection, first.name, first.kind, first.genes) == (
        "c",
        "A",
        "genes",
        ("G1", "G2"),
    )
    assert (first.listed, first.absent, second.genes, second.absent) == (2, 0, ("G1",), 1)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("A\td\tG1\nA b G1 G2\n", TableError, "line 2: 'A b G1 G2' is not name, description"),
        ("A\tonly a description\n", TableError, "line 1"),
        ("\td\tG1\n", TableError, "line 1"),
        ("A\td\tG1\nA\td\tG2\n", TableError, "the set 'A' is in line 1 and in line 2"),
        ("", InputFileError, "the file is empty"),
        ("A\td\tENSG00000130203\tENSG00000136717.4\n", AnnotationError, "the sets have Ensembl"),
        ("A\td\t348\t274\n", AnnotationError, "the sets have Entrez"),
        ("A\td\tApoe\tBin1\n", AnnotationError, "another species"),
        ("A\td\tTREM2\n", AnnotationError, "sets of other genes"),
    ],
)
def test_gmt_files_that_cannot_be_used(tmp_path, text, error, words):
    path = tmp_path / "c.gmt"
    path.write_text(text)
    with pytest.raises(error, match=re.escape(words)) as caught:
        read_gmt(path, ["APOE", "BIN1", "G1", "G2"] if error is TableError else ["APOE", "BIN1"])
    if error is AnnotationError:
        assert "the ranking has 'APOE', 'BIN1'" in str(caught.value)


def test_a_ranking_of_identifiers_names_the_other_side(tmp_path):
    path = tmp_path / "c.gmt"
    path.write_text("A\td\tAPOE\n")
    with pytest.raises(AnnotationError, match="the ranking has Ensembl identifiers"):
        read_gmt(path, ["ENSG00000130203", "ENSG00000136717"])
    path.write_text("A\td\tENSG00000130203.10\n")
    with pytest.raises(AnnotationError, match="with and without versions"):
        read_gmt(path, ["ENSG00000130203", "ENSG00000136717"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"A\td\tX\n", mtime=0)[:-9], "compressed file is damaged"),
        ("A\td\tX\n".encode("utf-16"), "UTF-16"),
        (b"A\td\tX\0\n", "NUL bytes"),
        ("A\td\tÄ\n".encode("latin-1"), "not UTF-8 text"),
        (b"PK\x03\x04", "spreadsheet or zip archive"),
    ],
)
def test_a_gmt_that_is_no_text_is_named(tmp_path, data, words):
    (tmp_path / "c.gmt").write_bytes(data)
    with pytest.raises(InputFileError, match=words):
        read_gmt(tmp_path / "c.gmt", ["X"])


def test_a_gmt_with_windows_line_ends_a_byte_order_mark_or_compressed(tmp_path):
    for data in (b"\xef\xbb\xbfA\td\tX\tY\r\n", gzip.compress(b"A\td\tX\tY\n")):
        (tmp_path / "c.gmt").write_bytes(data)
        (only,) = read_gmt(tmp_path / "c.gmt", ["X", "Y"])
        assert (only.name, only.genes) == ("A", ("X", "Y"))


PLACES = pd.DataFrame(
    {
        "gene": ["APOE", "TOMM40", "BIN1", "CR1", "LOST"],
        "chromosome": ["19", "19", "2", "X", "n/a"],
        "start": pd.array([45_409_039, 45_394_477, 127_805_599, 207_669_473, None], dtype="Int64"),
        "end": pd.array([45_412_650, 45_406_946, 127_864_903, 207_815_110, None], dtype="Int64"),
    }
)


def loci(tmp_path, text, window_bp=0, build="GRCh37"):
    path = tmp_path / "loci.tsv"
    path.write_text(text)
    return read_loci(path, PLACES, window_bp=window_bp, build=build)


def test_positions_touch_genes_within_the_window(tmp_path):
    text = "position\tchromosome\tp_value\n45413650\tchr19\t1e-300\n500\t2\t0.1\n"
    gene_set = loci(tmp_path, text, window_bp=1000)
    assert (gene_set.genes, gene_set.listed, gene_set.absent) == (("APOE",), 2, 1)
    assert (gene_set.collection, gene_set.name, gene_set.kind) == ("loci", "loci", "loci")
    with pytest.raises(AnnotationError, match="none of 2 loci touches"):
        loci(tmp_path, text, window_bp=999)


def test_intervals_are_closed_and_have_no_window(tmp_path):
    text = "chromosome\tstart\tend\n19\t45406946\t45409039\nchrX\t1\t207669472\n"
    gene_set = loci(tmp_path, text, window_bp=10**6)
    assert (gene_set.genes, gene_set.absent) == (("APOE", "TOMM40"), 1)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("chromosome\tstart\n19\t5\n", TableError, "neither `start` and `end` nor `position`"),
        ("chromosome\tposition\n", TableError, "no locus in it"),
        ("chromosome\tposition\n19\t5\n19\tn/a\n", TableError, "1 of 2 loci have no place"),
        ("chromosome\tposition\n19\t0\n", TableError, "first in line 2"),
        ("chromosome\tstart\tend\n19\t9\t5\n", TableError, "end before they start"),
        ("Chr\tpos\n19\t5\n", TableError, "'chromosome'"),
        ("chromosome\tposition\nNC_000019.9\t5\n", AnnotationError, "'NC_000019.9'"),
        ("chromosome\tposition\tbuild\n19\t45409039\tGRCh38\n", AnnotationError, "is GRCh37"),
        ("chromosome\tposition\n19\t44905796\n", AnnotationError, "another genome build"),
    ],
)
def test_loci_that_cannot_be_used(tmp_path, text, error, words):
    with pytest.raises(error, match=re.escape(words)):
        loci(tmp_path, text)


def test_loci_of_another_build_are_known_by_their_names(tmp_path):
    """One touches another gene by chance; three miss the genes they are named after."""
    text = (
        "chromosome\tposition\tname\n19\t44905796\tAPOE\n2\t127048027\tBIN1\n"
        "X\t207496147\tCR1\n19\t45400000\tELSEWHERE\n"
    )
    with pytest.raises(AnnotationError, match="3 loci are named after genes") as caught:
        loci(tmp_path, text, window_bp=1000)
    assert "APOE is at 19:44904796-44906796 there and at 19:45409039-45412650" in str(caught.value)
    right = text.replace("127048027", "127850000")
    assert loci(tmp_path, right, window_bp=1000).genes == ("BIN1", "TOMM40")


# ---- the figure ----------------------------------------------------------------------------------


def rows_of(n, **changes):
    table = pd.DataFrame(
        {
            "collection": "c",
            "set": [f"KEGG_TRANSENDOTHELIAL_MIGRATION_OF_LEUKOCYTES_{i}" for i in range(n)],
            "kind": "genes",
            "n_block": 123,
            "score": np.linspace(2, 0.1, n),
            "expected": 0.0,
            "expected_low": -0.5,
            "expected_high": 0.5,
            "p": np.linspace(0.0001, 0.9, n),
            "q": np.linspace(0.0002, 0.9, n),
            "p_permuted": np.nan,
            "q_permuted": np.nan,
            "leading": ";".join(f"LONGNAME{i}" for i in range(9)),
            "leading_best": ";".join(f"NEIGHBOUR{i}" for i in range(9)),
        }
    )
    return table.assign(**changes)


def test_nothing_in_the_figure_overlaps_or_leaves_it(tmp_path):
    figure = draw_enrichment(rows_of(20), [], tmp_path / "figures" / "e.png")
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(85)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    (axes,) = figure.axes
    texts = [*axes.texts, *axes.get_yticklabels(), *figure.texts, axes.xaxis.label]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    page = figure.bbox
    for box in boxes:
        assert box.x0 >= page.x0 and box.x1 <= page.x1
        assert box.y0 >= page.y0 and box.y1 <= page.y1
    for first, second in itertools.combinations(boxes, 2):
        assert not first.shrunk(0.98, 0.9).overlaps(second.shrunk(0.98, 0.9))
    assert len(axes.get_yticks()) == 12
    assert "8 more tested" in figure.texts[0].get_text()


def test_lists_of_loci_are_drawn_whatever_their_p(tmp_path):
    table = rows_of(20)
    table.loc[19, ["set", "kind"]] = ["known", "loci"]
    figure = draw_enrichment(table, [], tmp_path / "e.png")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[-1] == "known (123)"
    assert len(labels) == 12


def test_the_figure_says_why_it_is_empty(tmp_path):
    figure = draw_enrichment(
        rows_of(2, p=np.nan), ["2 of 2 sets are not tested."], tmp_path / "e.png"
    )
    assert "2 of 2 sets are not tested." in [t.get_text() for t in figure.axes[0].texts]
