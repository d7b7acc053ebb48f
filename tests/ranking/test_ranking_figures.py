"""Pictures of a ranking: what they say, that it can be read, and that bytes stay the same."""

from __future__ import annotations

from itertools import combinations

import nibabel
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import beta

from gendmr.config.ranking import RankingSection
from gendmr.errors import AtlasError, RankingError
from gendmr.files.atomic import sha256
from gendmr.files.tables import write_table
from gendmr.ranking.figures import (
    Atlas,
    TablePanel,
    draw_brain,
    draw_genome,
    draw_qq,
    draw_stability,
    read_atlas,
)
from gendmr.ranking.figures.labels import place_labels
from gendmr.ranking.figures.qq import leave_one_out, quantiles
from gendmr.ranking.folds import null_files, order_folds
from gendmr.ranking.levels import level_of
from gendmr.ranking.rank import rank
from gendmr.ranking.scores import ranks
from pictures import check_picture, texts


def make_genes(n, *, seed=0, chromosomes=22):
    """Genes of noise, largest z first; family-wise significant above 4."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.integers(1, 2 * 10**8, n))
    table = pd.DataFrame(
        {
            "gene": [f"GENE{i}" for i in range(n)],
            "chromosome": (1 + rng.integers(0, chromosomes, n)).astype(str),
            "start": start,
            "end": start + 20_000,
            "score": rng.gamma(1, 0.01, n),
            "z": rng.normal(size=n),
        }
    )
    table["block"] = table["gene"]
    return ranked(table)


def ranked(table):
    table = table.sort_values("z", ascending=False, kind="stable").reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    table["p_fwer"] = np.where(table["z"] > 4, 0.01, 0.5)
    return table


def snps_of(genes):
    return pd.DataFrame({"chromosome": genes["chromosome"], "position": genes["start"] + 5})


def with_apoe(genes):
    """Three genes of one block at the top, and one of its own."""
    genes = genes.copy()
    genes.loc[:2, ["gene", "block"]] = [
        ["APOE", "19:45.3-45.5Mb"],
        ["TOMM40", "19:45.3-45.5Mb"],
        ["APOC1", "19:45.3-45.5Mb"],
    ]
    genes.loc[:2, "chromosome"] = "19"
    genes.loc[:2, "start"] = [45_409_039, 45_394_477, 45_417_921]
    genes.loc[:2, "end"] = genes.loc[:2, "start"] + 4_000
    genes.loc[:2, "z"] = [9.1, 8.2, 5.0]
    genes.loc[3, ["gene", "z"]] = ["CLU", 4.5]
    return ranked(genes)


def test_genome_names_the_first_genes_and_blocks_once(tmp_path):
    genes = with_apoe(make_genes(300))
    draw_genome(genes, snps_of(genes), 8, tmp_path / "g.png", line=3.9)
    check_picture(tmp_path / "g.png", 175)
    labels = texts(tmp_path / "g.svg")
    assert "APOE, TOMM40, APOC1" in labels
    assert "5 % family-wise: z = 3.90" in labels
    assert {"family-wise p ≤ 0.05", "first in rank", "same LD block"} <= set(labels)
    names = set(genes["gene"][3:8])
    assert names <= set(labels)
    assert not set(genes["gene"][8:]) & set(labels)


def test_genome_draws_every_gene_at_its_z_in_two_greys_by_chromosome(tmp_path):
    genes = with_apoe(make_genes(200))
    figure = draw_genome(genes, snps_of(genes), 10, tmp_path / "g.png", line=3.9)
    axes = figure.axes[0]
    heights = np.concatenate([marks.get_offsets()[:, 1] for marks in axes.collections])
    assert sorted(heights) == pytest.approx(sorted(genes["z"]))
    greys = {tuple(marks.get_facecolor()[0][:3]) for marks in axes.collections[:2]}
    assert len(greys) == 2
    assert all(len(set(grey)) == 1 for grey in greys)
    significant = axes.collections[3].get_offsets()[:, 1]
    assert sorted(significant) == [4.5, 5.0, 8.2, 9.1]


def test_genome_without_a_null_shows_scores_and_says_so(tmp_path):
    genes = make_genes(50).drop(columns=["z", "p_fwer", "block"])
    for name, table in (("old", genes), ("all-nan", genes.assign(z=np.nan, p_fwer=np.nan))):
        path = tmp_path / f"{name}.png"
        figure = draw_genome(table, snps_of(table), 5, path, line=3.0)
        check_picture(path, 175)
        labels = texts(path.with_suffix(".svg"))
        assert "first in rank, no p-values" in labels
        assert any("score" in text for text in labels)
        assert not any("family-wise" in text for text in labels)
        heights = np.concatenate([m.get_offsets()[:, 1] for m in figure.axes[0].collections])
        assert heights.max() == pytest.approx(table["score"].max())


def test_genome_compresses_the_axis_only_where_one_gene_towers(tmp_path):
    genes = with_apoe(make_genes(100))
    figure = draw_genome(genes, snps_of(genes), 5, tmp_path / "a.png", line=3.9)
    assert figure.axes[0].get_yscale() == "linear"
    genes.loc[0, "z"] = 60.0
    figure = draw_genome(genes, snps_of(genes), 5, tmp_path / "b.png", line=3.9)
    assert figure.axes[0].get_yscale() == "asinh"
    check_picture(tmp_path / "b.png", 175)
    assert any("asinh axis" in text for text in texts(tmp_path / "b.svg"))


@pytest.mark.parametrize("n", [1, 2, 2000])
@pytest.mark.parametrize("chromosomes", [1, 22])
def test_genome_of_any_size_can_be_read(tmp_path, n, chromosomes):
    genes = make_genes(n, chromosomes=chromosomes)
    draw_genome(genes, snps_of(genes), 25, tmp_path / "g.png", line=4.0)
    check_picture(tmp_path / "g.png", 175)
    labels = texts(tmp_path / "g.svg")
    assert set(genes["gene"][:25]) <= set(labels)
    single_chromosome = genes["chromosome"].nunique() == 1
    assert any("position on chromosome" in text for text in labels) == single_chromosome


def test_genome_cuts_long_names_and_tells_what_is_not_drawn(tmp_path):
    genes = make_genes(120)
    genes["gene"] = [f"a gene with a name much too long {i}" for i in range(len(genes))]
    genes.loc[5, ["start", "end"]] = np.nan
    genes.loc[7, "z"] = np.nan
    draw_genome(genes, snps_of(genes.drop(index=5)), 20, tmp_path / "g.png", line=4.0)
    check_picture(tmp_path / "g.png", 175)
    labels = texts(tmp_path / "g.svg")
    assert "a gene with a name much t…" in labels
    missing = "not drawn: 1 gene without a place; not drawn: 1 gene constant under the null"
    assert missing in labels


def test_no_genes_is_a_sentence(tmp_path):
    draw_genome(make_genes(0), snps_of(make_genes(0)), 5, tmp_path / "g.png")
    check_picture(tmp_path / "g.png", 85)
    assert "no genes to rank" in " ".join(texts(tmp_path / "g.svg"))


def test_labels_never_overlap_and_what_finds_no_place_is_left_out():
    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    rng = np.random.default_rng(3)
    points = rng.uniform(size=(60, 2))
    names = [f"label number {i}" for i in range(60)]
    placed = place_labels(axes, names, points, points, fontsize=6)
    written = [label for label in placed if label is not None]
    assert 3 < len(written) < 60
    assert {text.get_text() for text in axes.texts} == {label.get_text() for label in written}
    boxes = [label.get_window_extent() for label in written]
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))
    frame = axes.get_window_extent()
    assert all(frame.containsx(box.x0) and frame.containsx(box.x1) for box in boxes)
    assert all(frame.containsy(box.y0) and frame.containsy(box.y1) for box in boxes)


def test_a_lonely_label_stands_beside_its_point():
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    (label,) = place_labels(axes, ["here"], np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]]))
    box = label.get_window_extent()
    point = axes.transData.transform((0.5, 0.5))
    assert not box.contains(*point)
    assert np.hypot(*(np.clip(point, box.min, box.max) - point)) < box.height
    assert axes.lines[:] == []


@pytest.fixture(scope="module")
def null():
    rng = np.random.default_rng(5)
    common = rng.normal(size=(99, 1))
    return (0.5 * common + rng.normal(size=(99, 40))).astype("float32").round(1)


def test_quantiles_are_those_of_a_slow_twin(null):
    z = np.random.default_rng(6).normal(size=40).round(1)
    quantile_table = quantiles(z, null)
    expected = [
        (1 + sum(null[i, j] >= np.float32(z[j]) for i in range(99))) / 100 for j in range(40)
    ]
    assert quantile_table.observed.tolist() == pytest.approx(sorted(expected))
    p_values = leave_one_out(null)
    for i, j in ((0, 0), (3, 7), (98, 39)):
        other_permutations = np.delete(null[:, j], i)
        assert p_values[i, j] == pytest.approx((1 + (other_permutations >= null[i, j]).sum()) / 99)
    by_permutation = np.sort(p_values, axis=1)
    assert quantile_table.permuted_low == pytest.approx(np.quantile(by_permutation, 0.025, axis=0))
    assert quantile_table.permuted_high == pytest.approx(np.quantile(by_permutation, 0.975, axis=0))
    assert quantile_table.expected[0] == pytest.approx(1 / 41)
    assert quantile_table.high[2] == pytest.approx(beta.ppf(0.975, 3, 38))
    assert quantile_table.permutations == 99


def test_without_ties_permutations_against_each_other_are_uniform():
    values = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    p_values = leave_one_out(values)
    for column in range(3):
        assert np.sort(p_values[:, column]) == pytest.approx(np.arange(1, 51) / 50)


def test_qq_says_how_small_a_p_value_can_be(tmp_path, null):
    z = np.full(40, 9.0)
    z[3] = np.nan
    figure = draw_qq(z, null, tmp_path / "qq.png")
    check_picture(tmp_path / "qq.png", 85)
    labels = texts(tmp_path / "qq.svg")
    assert "smallest p of 99 permutations: 0.01" in labels
    assert "39 genes, 1 left out" in labels
    dots = figure.axes[0].collections[-1].get_offsets()
    assert np.asarray(dots[:, 1]).tolist() == pytest.approx([2.0] * 39)
    assert len(dots) == 39


def test_qq_of_extremes(tmp_path):
    rng = np.random.default_rng(1)
    draw_qq(rng.normal(size=1), rng.normal(size=(20, 1)), tmp_path / "one.png")
    check_picture(tmp_path / "one.png", 85)
    draw_qq(rng.normal(size=2000), rng.normal(size=(200, 2000)), tmp_path / "many.png")
    check_picture(tmp_path / "many.png", 85)
    draw_qq(np.full(4, np.nan), np.zeros((0, 4)), tmp_path / "none.png")
    assert "No null was run" in " ".join(texts(tmp_path / "none.svg"))
    draw_qq(np.zeros(0), np.zeros((0, 0)), tmp_path / "empty.png")
    assert "No null was run" in " ".join(texts(tmp_path / "empty.svg"))
    with pytest.raises(RankingError, match=r"z of 4 genes, and 20 permutations of 3 genes"):
        draw_qq(np.ones(4), np.ones((20, 3)), tmp_path / "bad.png")


def rank_study(arguments):
    paths, options = order_folds(arguments["attributions"]), RankingSection()
    levels = {
        name: level_of(name).read(arguments["cohort"], name, options, arguments["genes"])
        for name in arguments["modalities"]
    }
    result = rank(paths, null_files(paths, arguments["null_chunks"]), levels, options)
    return result.tables


def panels(genes, regions, k=(25, 2)):
    return [TablePanel("gene", genes, k[0]), TablePanel("region", regions, k[1])]


@pytest.fixture(scope="module")
def ranking(make_written, tmp_path_factory):
    """Of 30 genes and 8 regions in 4 folds, with 20 permutations."""
    return rank_study(make_written(tmp_path_factory.mktemp("study"), chunks=1))


def test_stability_shows_medians_shares_and_what_the_null_says(ranking, tmp_path):
    rows = ranking["genes"].rows.assign(p_fwer=0.5, q=0.5)
    rows.loc[0, ["p_fwer", "q"]] = [0.01, 0.001]
    rows.loc[1, "q"] = 0.03
    figure = draw_stability(panels(rows, ranking["regions"].rows), tmp_path / "s.png")
    check_picture(tmp_path / "s.png", 175)
    labels = texts(tmp_path / "s.svg")
    assert set(rows["gene"][:25]) <= set(labels)
    assert not set(rows["gene"][25:]) & set(labels)
    assert {"in first 25", "rank in a fold, of 30 genes", "in first 2"} <= set(labels)
    for kind in ("family-wise p ≤ 0.05", "q ≤ 0.05", "q > 0.05"):
        assert f"median, {kind}" in labels
    assert f"{100 * rows['stability'][0]:.0f} %" in labels
    marks = np.vstack([m.get_offsets() for m in figure.axes[0].collections[1:]])
    medians = marks[np.argsort(marks[:, 1]), 0]
    assert np.asarray(medians).tolist() == pytest.approx(
        np.median(ranks(ranking["genes"].by_fold), axis=0)[:25].tolist()
    )
    first = figure.axes[0].collections[1].get_offsets()
    assert first[:, 1].tolist() == [0]


def test_stability_of_one_table_and_of_none(make_study, tmp_path):
    alone = rank_study(make_study(region=False, n_genes=2).write())
    genes = alone["genes"].rows
    draw_stability([TablePanel("gene", genes, 2)], tmp_path / "one.png")
    check_picture(tmp_path / "one.png", 85)
    assert "median, no p-value" in texts(tmp_path / "one.svg")
    draw_stability([TablePanel("gene", genes.head(0), 2)], tmp_path / "none.png")
    assert "Nothing is ranked." in " ".join(texts(tmp_path / "none.svg"))


def test_stability_cuts_long_names(ranking, tmp_path):
    rows = ranking["genes"].rows.assign(gene="LOC105371840-AS1-antisense-transcript-2")
    regions = ranking["regions"].rows.assign(region="ctx-lh-rostralmiddlefrontal-and-caudal")
    draw_stability(panels(rows, regions), tmp_path / "s.png")
    check_picture(tmp_path / "s.png", 175)


def make_regions(z=None):
    table = pd.DataFrame(
        {
            "region": ["hippocampus", "hippocampus", "precuneus", "insula"],
            "hemisphere": ["L", "R", "B", "L"],
            "score": [0.4, 0.3, 0.2, 0.1],
            "direction": ["lower", "higher", "lower", "higher"],
            "rank": [1, 2, 3, 4],
        }
    )
    return table if z is None else table.assign(z=z)


CENTROIDS = np.array([[-26.0, -20, -14], [26, -20, -14], [0, -60, 36], [-38, 6, 2]])


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    """A folder as the stage imaging leaves: an ellipsoid, a box of 12 mm around each centroid."""
    folder = tmp_path_factory.mktemp("template")
    step = 4.0
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = [-80, -112, -72]
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (41, 50, 42)), indexing="ij"), -1)
    place = grid * step + affine[:3, 3]
    t1 = 100 * (((place - [0, -18, 4]) / [70, 86, 68]) ** 2).sum(-1).__lt__(1).astype("float32")
    labels = np.zeros(t1.shape, dtype=np.int16)
    for number, centre in enumerate(CENTROIDS, start=1):
        labels[(np.abs(place - centre) <= 12).all(-1)] = number
    nibabel.save(nibabel.Nifti1Image(t1, affine), folder / "t1.nii.gz")
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "atlas.nii.gz")
    write_table(folder / "regions.tsv", make_regions()[["region", "hemisphere"]])
    return folder


def painted(figure):
    """All painted slices of a figure, shares of the largest z; NaN where nothing is painted."""
    slices = [axes.images[1].get_array() for axes in figure.axes if len(axes.images) == 2]
    return np.concatenate([np.ma.filled(cut, np.nan).ravel() for cut in slices])


@pytest.fixture(scope="module")
def drawn(brain, tmp_path_factory):
    """A brain on which the third region is weak and the fourth below what the null carries."""
    regions = make_regions([6.0, 3.0, 1.5, -2.0])
    path = tmp_path_factory.mktemp("brain") / "brain.png"
    atlas = read_atlas(brain, regions)
    template = brain / "t1.nii.gz"
    return path, draw_brain(regions, CENTROIDS, path, atlas=atlas, template=template, line=2.5)


def test_brain_paints_signed_z_and_leaves_what_is_below_the_null_blank(drawn):
    path, figure = drawn
    check_picture(path, 175)
    values = painted(figure)
    painted_values = np.unique(np.round(values[~np.isnan(values)], 4))
    assert painted_values.tolist() == [-0.5, 0.25, 1.0]
    labels = texts(path.with_suffix(".svg"))
    assert {"hippocampus L  1", "hippocampus R  2", "precuneus  3", "insula  4"} <= set(labels)
    assert {"5 % family-wise", "z = −14 mm", "y = −20 mm", "z = 36 mm", "y = −60 mm"} <= set(labels)
    assert "z, normal score against the null" in labels
    assert {"1", "2", "3"} <= set(labels)
    cut = next(axes for axes in figure.axes if axes.get_title() == "z = −14 mm")
    shares = np.ma.filled(cut.images[1].get_array(), 0.0)
    middle = shares.shape[1] // 2
    assert shares[:, :middle].max() == 1.0  # left is left, and less volume is above 0
    assert shares[:, middle + 1 :].min() == -0.5


def test_brain_finds_regions_by_any_labels_in_any_orientation_without_centroids(
    brain, drawn, tmp_path
):
    stored = nibabel.load(brain / "atlas.nii.gz")
    flipped = stored.as_reoriented([[0, -1], [1, 1], [2, 1]])
    labels = np.array([0, 30, 7, 12, 9], dtype=np.int16)[np.asarray(flipped.dataobj)]
    nibabel.save(nibabel.Nifti1Image(labels, flipped.affine), tmp_path / "las.nii.gz")
    figure = draw_brain(
        make_regions([6.0, 3.0, 1.5, -2.0]), np.full((4, 3), np.nan), tmp_path / "b.png",
        atlas=Atlas(tmp_path / "las.nii.gz", np.array([30, 7, 12, 9])),
        template=brain / "t1.nii.gz", line=2.5,
    )  # fmt: skip
    assert np.array_equal(painted(figure), painted(drawn[1]), equal_nan=True)


def test_brain_without_an_atlas_marks_centroids(tmp_path):
    regions = make_regions([3.0, 2.0, -1.0, 0.5])
    figure = draw_brain(regions, CENTROIDS, tmp_path / "b.png")
    check_picture(tmp_path / "b.png", 175)
    assert {"more risk with less volume", "more risk with more volume"} <= set(
        texts(tmp_path / "b.svg")
    )
    assert not any(len(axes.images) == 2 for axes in figure.axes)
    long = regions.assign(region="ctx-lh-rostralmiddlefrontal-and-caudal")
    unknown = draw_brain(long, np.full((4, 3), np.nan), tmp_path / "n.png")
    check_picture(tmp_path / "n.png", 175)
    assert "The places of regions are not known." in texts(tmp_path / "n.svg")
    assert len(unknown.axes) == 1


def test_brain_of_nothing_and_of_what_does_not_fit(brain, tmp_path):
    draw_brain(make_regions().head(0), np.zeros((0, 3)), tmp_path / "b.png")
    assert "reads no regions" in " ".join(texts(tmp_path / "b.svg"))
    flat = make_regions([-1.0, -1.5, -2.0, -2.5])
    draw_brain(
        flat, CENTROIDS, tmp_path / "flat.png",
        atlas=read_atlas(brain, flat), template=brain / "t1.nii.gz",
    )  # fmt: skip
    check_picture(tmp_path / "flat.png", 175)
    assert "No region stands out." in texts(tmp_path / "flat.svg")
    with pytest.raises(AtlasError, match="4 regions, 3 centroids"):
        draw_brain(make_regions(), CENTROIDS[:3], tmp_path / "c.png")
    strange = make_regions().assign(region=["a", "hippocampus", "precuneus", "insula"])
    with pytest.raises(AtlasError, match="lacks 1 regions of the ranking: 'a'"):
        read_atlas(brain, strange)


def test_the_same_bytes_twice(ranking, null, brain, drawn, tmp_path):
    genes = with_apoe(make_genes(100))
    regions = make_regions([6.0, 3.0, 1.5, -2.0])
    hashes = []
    for run in ("one", "two"):
        folder = tmp_path / run
        draw_genome(genes, snps_of(genes), 12, folder / "genome.png", line=3.9)
        draw_qq(np.linspace(-1, 3, 40), null, folder / "qq.png")
        draw_stability(
            panels(ranking["genes"].rows, ranking["regions"].rows), folder / "stability.png"
        )
        hashes.append({path.name: sha256(path) for path in sorted(folder.iterdir())})
    assert len(hashes[0]) == 6
    assert hashes[0] == hashes[1]
    again = tmp_path / "brain.png"
    draw_brain(
        regions, CENTROIDS, again,
        atlas=read_atlas(brain, regions), template=brain / "t1.nii.gz", line=2.5,
    )  # fmt: skip
    for suffix in (".png", ".svg"):
        assert sha256(again.with_suffix(suffix)) == sha256(drawn[0].with_suffix(suffix))


def test_draw_genome__counts_genes_at_the_bound_of_z_and_draws_no_row_of_them(tmp_path):
    genes = make_genes(60)
    genes.loc[40:, "z"] = -4.37
    figure = draw_genome(genes, snps_of(genes), 5, tmp_path / "g.png", line=3.9)
    heights = np.concatenate([m.get_offsets()[:, 1] for m in figure.axes[0].collections])
    assert len(heights) == 40 and heights.min() > -4
    assert "not drawn: 20 genes at the lowest z that there is" in texts(tmp_path / "g.svg")
    # One gene that is low by itself stays.
    genes.loc[40:, "z"] = np.linspace(-4.3, -1, 20)
    figure = draw_genome(genes, snps_of(genes), 5, tmp_path / "g.png", line=3.9)
    heights = np.concatenate([m.get_offsets()[:, 1] for m in figure.axes[0].collections])
    assert len(heights) == 60


def test_draw_brain__is_pale_where_nothing_is_significant(tmp_path):
    def opacities(**columns):
        regions = make_regions([6.0, 3.0, 1.5, -2.0]).assign(**columns)
        figure = draw_brain(regions, np.full((4, 3), np.nan), tmp_path / "b.png", line=2.5)
        return [bar.get_alpha() for bar in figure.axes[0].patches]

    chance = [0.5] * 4
    pale = opacities(p_fwer=chance, q=chance)
    assert len(set(pale)) == 1 and pale[0] < 0.5
    assert opacities(p_fwer=[0.01, *chance[1:]], q=[0.2, 0.04, 0.3, 0.4]) == [1, 1, *pale[2:]]
