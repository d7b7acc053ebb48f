"""The ranking finds what was planted, in real files, and says what it could not do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from gendmr.config.ranking import FiguresSection, RankingSection
from gendmr.errors import AnnotationError, ConfigurationError, InputFileError, RankingError
from gendmr.files.atomic import sha256
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.modalities.store import (
    attributions_schema,
    null_schema,
    read_modality,
    write_modality,
)
from gendmr.ranking.draw import draw_ranking
from gendmr.ranking.folds import check_held_out, null_files, order_folds
from gendmr.ranking.levels import level_of
from gendmr.ranking.null_scores import Collector, collect_null
from gendmr.ranking.rank import rank, rank_method
from gendmr.ranking.significance import z_scores
from gendmr.ranking.summary import summarise
from gendmr.ranking.tables import null_ranking_schema
from pictures import texts
from remedies import mended


def ranking(arguments, **changes):
    options = RankingSection.parse(changes)
    paths = order_folds(arguments["attributions"])
    levels = {
        name: level_of(name).read(arguments["cohort"], name, options, arguments["genes"])
        for name in arguments["modalities"]
    }
    return rank(paths, null_files(paths, arguments["null_chunks"]), levels, options)


def summary_of(result, **changes):
    return summarise(
        "toy",
        result.tables,
        result.modalities,
        permutations=result.permutations,
        bias=result.bias,
        seeds={},
        notes=result.notes,
        repeat=np.zeros(4, dtype=int),
        options=RankingSection.parse(changes),
    )


def read_attributions(path):
    return read_dataset(path, attributions_schema())


def write_attributions(path, dataset):
    write_dataset(path, dataset, attributions_schema())


@pytest.fixture(scope="module")
def written(tmp_path_factory, make_written):
    return make_written(tmp_path_factory.mktemp("ranking"))


@pytest.fixture(scope="module")
def finished(written, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "toy"
    rank_method(method="toy", options=RankingSection(), output=out, **written)
    return out


def table(path):
    return pd.read_csv(path, sep="\t", dtype={"chromosome": str}, keep_default_na=True)


def test_the_planted_gene_and_region_come_first(finished):
    genes, regions = table(finished / "genes.tsv"), table(finished / "regions.tsv")
    assert genes.loc[0, ["gene", "chromosome", "start", "n_snp"]].tolist() == [
        "G0",
        "1",
        1_000_000,
        3,
    ]
    assert genes["rank"].tolist() == list(range(1, len(genes) + 1))
    assert genes["score"].is_monotonic_decreasing
    assert (genes["score_max"] <= genes["score"] * 3 + 1e-9).all()
    assert genes.loc[0, ["rank_low", "rank_high", "stability"]].tolist() == [1, 1, 1]
    assert regions.loc[0, ["region", "hemisphere", "direction"]].tolist() == ["R0", "L", "lower"]


def test_no_p_value_is_made_up(finished):
    for name in ("genes.tsv", "blocks.tsv", "regions.tsv"):
        text = (finished / name).read_text().splitlines()
        columns = text[0].split("\t")
        for line in text[1:]:
            row = dict(zip(columns, line.split("\t"), strict=True))
            assert {row[column] for column in ("z", "p", "p_fwer", "q", "p_kind")} == {"n/a"}
    notes = json.loads((finished / "summary.json").read_text())["notes"]
    assert "No permutation null has been run: z, p, p_fwer and q are n/a." in notes


def test_the_risk_allele_is_the_one_whose_copies_go_with_risk(finished):
    snps = table(finished / "snps.tsv").set_index("snp")
    assert snps.loc[["rs0", "rs1", "rs2"], "risk_allele"].tolist() == ["A", "A", "A"]
    assert set(snps["risk_allele"]) == {"A", "G"}
    assert (snps["folds"] == 4).all()


def test_scores_are_those_of_a_slow_twin(written):
    result = ranking(written).tables["genes"].rows.set_index("gene")
    snp = read_modality(written["cohort"] / "snp.nc", "snp")
    for gene in ("G0", "G7"):
        columns = np.flatnonzero(snp["gene"].values == gene)
        by_fold = []
        for path in written["attributions"]:
            risk = read_attributions(path)["value_snp"].values.astype(float)
            total = 0.0
            for j in columns:
                r2 = [
                    np.corrcoef(snp["dosage"].values[:, j], snp["dosage"].values[:, i])[0, 1] ** 2
                    for i in columns
                    if i != j
                ]
                values = risk[:, j]
                total += np.mean(np.abs(values - values.mean())) / (1 + sum(r2))
            by_fold.append(total)
        assert result.loc[gene, "score"] == pytest.approx(np.mean(by_fold))


def test_a_snp_that_a_fold_did_not_select_counts_as_nothing_there(written, tmp_path):
    arguments = copied(written, tmp_path)
    whole = ranking(arguments, ld_weighting=False).tables["genes"].rows.set_index("gene")
    path = Path(arguments["attributions"][0])
    dataset = read_attributions(path)
    risk = dataset["value_snp"].values
    lost = np.mean(np.abs(risk[:, :3] - risk[:, :3].mean(axis=0)), axis=0).sum() / 4
    write_attributions(path, dataset.isel(snp=slice(3, None)))
    less = ranking(arguments, ld_weighting=False).tables["genes"].rows.set_index("gene")
    assert less.loc["G0", "score"] == pytest.approx(whole.loc["G0", "score"] - lost)
    assert less.loc["G0", "stability"] == 0.75
    assert less.loc["G0", "n_snp"] == 3
    assert less.loc["G1", "score"] == whole.loc["G1", "score"]


def test_people_without_the_modality_do_not_count(written, tmp_path):
    arguments = copied(written, tmp_path)
    expected = []
    for path in arguments["attributions"]:
        dataset = read_attributions(path)
        for name in ("value_snp", "attention_snp"):
            dataset[name].values[0] = np.nan
        values = dataset["value_snp"].values[1:, 0].astype(float)
        expected.append(np.mean(np.abs(values - values.mean())))
        write_attributions(path, dataset)
    snps = ranking(arguments).tables["snps"].rows.set_index("snp")
    assert snps.loc["rs0", "score"] == pytest.approx(np.mean(expected))


def test_a_snp_of_two_genes_counts_for_both(written, tmp_path):
    arguments = copied(written, tmp_path)
    snp = read_modality(arguments["cohort"] / "snp.nc", "snp")
    names = snp["gene"].values.astype(object)
    names[0] = "G0;G9"
    snp["gene"] = ("snp", names.astype(str))
    write_modality(arguments["cohort"] / "snp.nc", snp, "snp")
    genes = ranking(arguments).tables["genes"].rows.set_index("gene")
    assert genes.loc["G0", "n_snp"] == 3
    assert genes.loc["G9", "n_snp"] == 4
    assert genes.loc["G9", "rank"] == 2


@pytest.mark.parametrize(
    ("absent", "tables", "figures"),
    [
        ("snp", {"regions"}, {"stability", "brain"}),
        ("region", {"genes", "blocks", "snps"}, {"genome", "qq", "stability"}),
    ],
)
def test_rank_method__opens_and_writes_only_what_the_method_reads(
    make_study, tmp_path, absent, tables, figures
):
    arguments = make_study(**{absent: False, "chunks": 1}).write()
    assert not (arguments["cohort"] / f"{absent}.nc").exists()
    out = tmp_path / "out"
    genes = arguments["genes"] if absent == "region" else None
    options = RankingSection()
    rank_method(method="half", options=options, output=out, **{**arguments, "genes": genes})
    assert {path.stem for path in out.glob("*.tsv")} == tables
    for name in tables:
        assert len((out / f"{name}.tsv").read_text().splitlines()) > 5
    draw_ranking(out, arguments["cohort"], FiguresSection())
    assert {path.stem for path in (out / "figures").glob("*.png")} == figures
    for path in (out / "figures").glob("*.png"):
        assert path.stat().st_size > 2000


def test_rank_method__without_genes_says_what_snps_need(written, tmp_path):
    with pytest.raises(InputFileError, match="no table of genes was given"):
        rank_method(
            method="toy", options=RankingSection(), output=tmp_path, **{**written, "genes": None}
        )


def test_a_modality_without_attributions_gives_empty_tables(written, tmp_path):
    arguments = copied(written, tmp_path)
    for path in arguments["attributions"]:
        dataset = read_attributions(path)
        write_attributions(path, dataset.drop_dims("snp"))
    out = tmp_path / "out"
    rank_method(method="half", options=RankingSection(), output=out, **arguments)
    for name in ("genes", "blocks", "snps"):
        assert len((out / f"{name}.tsv").read_text().splitlines()) == 1
    assert len((out / "regions.tsv").read_text().splitlines()) > 5
    notes = json.loads((out / "summary.json").read_text())["notes"]
    assert "half attributes nothing to a SNP: no genes are ranked." in notes
    draw_ranking(out, arguments["cohort"], FiguresSection())
    assert (out / "figures" / "genome.png").stat().st_size > 2000


def test_larger_genes_that_are_favoured_are_noted(make_study):
    arguments = make_study(noise=0.3).write()
    snp = read_modality(arguments["cohort"] / "snp.nc", "snp")
    sizes = np.repeat([f"G{i}" for i in range(30)], np.r_[np.full(15, 1), np.full(15, 5)])
    snp["gene"] = ("snp", sizes)
    write_modality(arguments["cohort"] / "snp.nc", snp, "snp")
    summary = summary_of(ranking(arguments))
    (bias,) = [item for item in summary["bias"] if item["property"] == "n_snp"]
    assert bias["observed"] > 0.5
    assert any("rise with the number of SNPs of a gene" in note for note in summary["notes"])
    fair = summary_of(ranking(arguments, aggregation="mean"), aggregation="mean")
    (bias,) = [item for item in fair["bias"] if item["property"] == "n_snp"]
    assert abs(bias["observed"]) < 0.5


def test_the_same_bytes_in_any_order_of_folds(written, finished, tmp_path):
    turned = {**written, "attributions": written["attributions"][::-1]}
    out = tmp_path / "again"
    rank_method(method="toy", options=RankingSection(), output=out, **turned)
    names = sorted(path.relative_to(finished) for path in finished.rglob("*.*"))
    assert len(names) == 6
    assert [sha256(out / name) for name in names] == [sha256(finished / name) for name in names]


def test_the_command_line_does_the_same(written, finished, tmp_path):
    subprocess.run(
        [
            *(sys.executable, "-m", "gendmr", "ranking", "rank", "--method", "toy"),
            *("--cohort", written["cohort"], "--genes", written["genes"]),
            *("--reads", "snp", "--reads", "region"),
            *("--options", RankingSection().dump(), "--output", tmp_path / "out"),
            *written["attributions"],
        ],
        check=True,
    )
    for name in ("genes.tsv", "regions.tsv", "snps.tsv", "summary.json"):
        assert sha256(tmp_path / "out" / name) == sha256(finished / name)


def test_figures_come_from_files_alone_and_say_what_the_tables_say(tested, tmp_path):
    out = tmp_path / "toy"
    rank_method(method="toy", options=RankingSection(top_k=3), output=out, **tested)
    sums = {path.name: sha256(path) for path in out.iterdir()}
    subprocess.run(
        [
            *(sys.executable, "-m", "gendmr", "ranking", "figures", "--ranking", out),
            *("--cohort", tested["cohort"], "--options", FiguresSection(label=2).dump()),
        ],
        check=True,
    )
    assert {path.name: sha256(path) for path in out.iterdir() if path.is_file()} == sums
    labels = {path.stem: texts(path) for path in (out / "figures").glob("*.svg")}
    genes = table(out / "genes.tsv")
    named = set(genes["gene"]) & set(labels["genome"])
    assert named == set(genes["gene"][:2])
    assert "in first 3" in labels["stability"]
    assert "smallest p of 40 permutations: 0.024" in labels["qq"]


def test_a_ranking_of_another_cohort_is_not_drawn(finished, written, make_study, tmp_path):
    other_cohort = tmp_path / "cohort"
    shutil.copytree(written["cohort"], other_cohort)
    region = read_modality(other_cohort / "region.nc", "region")
    names = region["region"].values.astype(object)
    names[0] = "elsewhere"
    region = region.assign_coords(region=("region", names.astype(str)))
    write_modality(other_cohort / "region.nc", region, "region")
    with pytest.raises(RankingError, match="lacks 1 regions of the ranking: 'R0'"):
        draw_ranking(finished, other_cohort, FiguresSection())


def copied(written, folder):
    """Copy the study, so that a test may change it."""
    root = written["genes"].parent
    shutil.copytree(root, folder / "study")
    place = folder / "study"
    return {
        "attributions": [
            str(place / Path(path).relative_to(root)) for path in written["attributions"]
        ],
        "modalities": written["modalities"],
        "null_chunks": written["null_chunks"],
        "cohort": place / "cohort",
        "genes": place / "genes.tsv",
    }


@pytest.fixture(scope="module")
def tested(tmp_path_factory, make_written):
    """A study with a null of two chunks in each fold."""
    return make_written(tmp_path_factory.mktemp("null"), chunks=2)


def null_scores(arguments, bag, names):
    """Mean over folds of the scores under each permutation (permutation, instance)."""
    folds = []
    for path in order_folds(arguments["attributions"]):
        rows = []
        for chunk in range(2):
            folder = path.parents[2] / "null" / path.parents[1].name / path.parent.name
            dataset = read_dataset(folder / f"chunk-{chunk}.nc", null_schema())
            for row in dataset[f"mean_abs_{bag}"].values.astype(float):
                scored = dict(zip(dataset[bag].values.tolist(), row, strict=True))
                rows.append([scored.get(name, 0.0) for name in names])
        folds.append(rows)
    return np.array(folds)


def test_p_values_are_those_of_a_slow_twin(tested):
    result = ranking(tested, ld_weighting=False, relative=False)
    regions = result.tables["regions"].rows
    null = null_scores(tested, "region", regions["region"]).mean(axis=0)
    for place, row in regions.iterrows():
        as_large = (null[:, place] >= row["score"]).sum()
        assert row["p"] == pytest.approx((as_large + 1) / 41)
    genes = result.tables["genes"].rows.set_index("gene")
    snps = [f"rs{i}" for i in range(90)]
    by_gene = null_scores(tested, "snp", snps).reshape(4, 40, 30, 3).sum(axis=3).mean(axis=0)
    rows = genes.loc[[f"G{number}" for number in range(30)]]
    z = z_scores(np.vstack([rows["score"], by_gene]))
    np.testing.assert_allclose(rows["z"], z[0], rtol=1e-4, atol=1e-4)
    largest = z[1:].max(axis=1)
    for number, row in enumerate(rows.itertuples()):
        assert row.p == pytest.approx((1 + (by_gene[:, number] >= row.score).sum()) / 41)
        reached = (largest >= row.z - 1e-4).sum()
        assert row.p_fwer == pytest.approx((reached + 1) / 41)
    snp = result.tables["snps"].rows.set_index("snp")
    assert snp.loc["rs0", "p"] == 1 / 41 and (snp["p"] >= 1 / 41).all()


def test_the_planted_gene_and_region_are_significant_and_the_others_are_not(tested, tmp_path):
    out = tmp_path / "toy"
    rank_method(method="toy", options=RankingSection(), output=out, **tested)
    for name in ("genes", "blocks", "regions"):
        rows = table(out / f"{name}.tsv")
        assert rows.loc[0, "p"] == rows.loc[0, "p_fwer"] == pytest.approx(1 / 41)
        assert (rows["p_fwer"] <= 0.05).sum() == 1
        np.testing.assert_allclose(rows["q"], false_discovery_control(rows["p"]))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["null"]["permutations"] == 40
    assert summary["null"]["found"]["genes"]["family_wise"] == 1
    assert summary["genes"]["top_k_overlap_under_null"] is not None
    assert any("40 permutations are few" in note for note in summary["notes"])
    null = read_dataset(out / "null.nc", null_ranking_schema())
    genes = table(out / "genes.tsv")
    assert null["gene"].values.tolist() == genes["gene"].tolist()
    line = summary["null"]["family_wise_threshold"]["genes"]
    assert (genes["z"] > line).sum() == 1
    assert np.mean(null["z_gene"].values.max(axis=1) > line) <= 0.05


def test_genes_of_one_block_are_ranked_as_one(tested, tmp_path):
    arguments = copied(tested, tmp_path)
    snp = read_modality(arguments["cohort"] / "snp.nc", "snp")
    dosage = snp["dosage"].values
    dosage[:, 3] = dosage[:, 0]  # the first SNP of the second gene is that of the first
    snp["position"] = ("snp", np.sort(snp["position"].values))
    chromosome = snp["chromosome"].values.copy()
    chromosome[:6] = "1"
    position = snp["position"].values.copy()
    position[3:6] = position[2] + np.arange(1, 4)
    snp = snp.assign_coords(chromosome=("snp", chromosome), position=("snp", position))
    write_modality(arguments["cohort"] / "snp.nc", snp, "snp")
    result = ranking(arguments)
    genes, blocks = (
        result.tables["genes"].rows.set_index("gene"),
        result.tables["blocks"].rows.set_index("block"),
    )
    assert genes.loc["G0", "block"] == genes.loc["G1", "block"] != genes.loc["G2", "block"]
    block = blocks.loc[genes.loc["G0", "block"]]
    assert block["genes"] == "G0;G1" and (block["n_gene"], block["n_snp"]) == (2, 6)
    assert block["rank"] == 1 and block["p"] == pytest.approx(1 / 41)


def test_folds_of_other_permutations_are_an_error(tested, tmp_path):
    arguments = copied(tested, tmp_path)
    fold = Path(arguments["attributions"][1])
    path = fold.parents[2] / "null" / "repeat-0" / fold.parent.name / "chunk-1.nc"
    dataset = read_dataset(path, null_schema())
    write_dataset(path, dataset.isel(permutation=slice(1, None)), null_schema())
    with pytest.raises(RankingError, match="holds other permutations"):
        ranking(arguments)
    path.unlink()
    with pytest.raises(InputFileError, match="no such file"):
        ranking(arguments)


def test_a_person_held_out_twice_is_an_error(written, tmp_path):
    arguments = copied(written, tmp_path)
    first_fold, second_fold = (Path(path).parent for path in arguments["attributions"][:2])
    for name in ("attributions.nc", "predictions.tsv"):
        shutil.copy(first_fold / name, second_fold / name)
    with pytest.raises(RankingError, match=r"is held out in .*fold-0.* and in .*fold-1"):
        check_held_out(order_folds(arguments["attributions"]))


def test_attributions_and_predictions_of_two_runs_are_an_error(written, tmp_path):
    arguments = copied(written, tmp_path)
    path = Path(arguments["attributions"][0])
    dataset = read_attributions(path)
    write_attributions(path, dataset.isel(participant=slice(1, None)))
    with pytest.raises(RankingError, match=r"1 people are held out here or in predictions\.tsv"):
        check_held_out(order_folds(arguments["attributions"]))


def test_snps_that_the_cohort_lacks_are_an_error(written, tmp_path):
    arguments = copied(written, tmp_path)
    snp = read_modality(arguments["cohort"] / "snp.nc", "snp")
    write_modality(arguments["cohort"] / "snp.nc", snp.isel(snp=slice(2, None)), "snp")
    with pytest.raises(RankingError, match=r"2 of 90 snps are not in the cohort: 'rs0', 'rs1'"):
        ranking(arguments)


def test_genes_of_another_annotation_are_an_error(written, tmp_path):
    arguments = copied(written, tmp_path)
    text = arguments["genes"].read_text().replace("\nG", "\nH")
    arguments["genes"].write_text(text)
    with pytest.raises(AnnotationError, match="none of the 30 genes"):
        ranking(arguments)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no folds to rank from"),
        (["repeat-0/fold-1/model.safetensors"], "not the attributions of a fold"),
        (["a/repeat-0/fold-1/attributions.nc", "b/repeat-0/fold-1/attributions.nc"], "given twice"),
    ],
)
def test_folds_that_cannot_be_ordered(paths, message):
    with pytest.raises(RankingError, match=message):
        order_folds(paths)


def test_a_missing_fold_is_an_error(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        check_held_out([tmp_path / "repeat-0/fold-0/attributions.nc"])


def test_ten_folds_come_in_the_order_of_numbers():
    paths = [f"repeat-0/fold-{k}/attributions.nc" for k in (10, 9, 1, 0)]
    assert [path.parent.name for path in order_folds(paths)] == [
        "fold-0",
        "fold-1",
        "fold-9",
        "fold-10",
    ]


@pytest.mark.parametrize("wrong", [{"score": "mean"}, {"top_k": 0}, {"null": 1000}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        RankingSection.parse(wrong)


def test_rank__max_is_the_largest_of_averages_over_folds(make_study):
    arguments = make_study(chunks=2, repeats=2).write()
    tables = ranking(arguments, aggregation="max", ld_weighting=False).tables
    genes = tables["genes"].rows.set_index("gene")
    snps = tables["snps"].rows
    # Each SNP is of one gene in this study, and its score is the average over folds.
    largest = snps.groupby("gene")["score"].max()
    for column in ("score", "score_max"):
        np.testing.assert_allclose(genes[column], largest[genes.index], rtol=1e-12)
    assert genes["score"].rank(ascending=False).tolist() == genes["rank"].tolist()


def test_rank__a_snp_that_beats_every_permutation_carries_its_gene(make_study):
    """In every fold another SNP of every gene is lucky; one SNP alone is strong in all folds."""
    study = make_study(chunks=1, draws=39, region=False, n_genes=12, per_gene=8, n=80)
    arguments = study.write()
    rng = np.random.default_rng(5)
    strong = study.snps[8]
    for path in map(Path, arguments["attributions"]):
        dataset = read_attributions(path)
        values = dataset["value_snp"].values
        lucky = np.tile(rng.permutation(8) == 0, 12)
        size = np.where(lucky, 2.0, 1.0)
        size[8] = 1.9
        sign = np.where(np.arange(len(values)) % 2, 1.0, -1.0)[:, None]
        dataset["value_snp"] = (("participant", "snp"), (sign * size).astype(np.float32))
        write_attributions(path, dataset)
    for chunks in null_files([Path(p) for p in arguments["attributions"]], 1):
        for path in chunks:
            dataset = read_dataset(path, null_schema())
            shape = dataset["mean_abs_snp"].shape
            luck = rng.permuted(np.r_[2.0, np.ones(shape[1] - 1)][None].repeat(shape[0], 0), axis=1)
            for score in ("mean_abs", "abs_mean"):
                noise = rng.uniform(0, 0.01, shape)
                dataset[f"{score}_snp"] = (
                    ("permutation", "snp"),
                    (luck + noise).astype(np.float32),
                )
            write_dataset(path, dataset, null_schema())
    tables = ranking(arguments, aggregation="max", ld_weighting=False).tables
    snps = tables["snps"].rows.set_index("snp")
    genes = tables["genes"].rows.set_index("gene")
    assert snps.loc[strong, "p"] == 1 / 40
    assert genes.loc["G1", ["rank", "p", "p_fwer"]].tolist() == [1, 1 / 40, 1 / 40]


def with_evidence(arguments, *, chunks):
    """Give the files of folds, and of their null, evidence; return that of the folds by SNP."""
    rng = np.random.default_rng(11)
    by_fold = []
    for path in map(Path, arguments["attributions"]):
        dataset = read_attributions(path)
        drawn = rng.exponential(size=dataset.sizes["snp"]).astype(np.float32)
        dataset["evidence_snp"] = (("snp",), drawn)
        write_attributions(path, dataset)
        by_fold.append(dict(zip(dataset["snp"].values.tolist(), drawn.tolist(), strict=True)))
    for files in null_files([Path(p) for p in arguments["attributions"]], chunks):
        for path in files:
            dataset = read_dataset(path, null_schema())
            drawn = rng.exponential(size=dataset["mean_abs_snp"].shape).astype(np.float32)
            dataset["evidence_snp"] = (("permutation", "snp"), drawn)
            write_dataset(path, dataset, null_schema())
    return by_fold


def test_rank__evidence_is_pooled_by_gene_in_every_fold(make_study):
    study = make_study(chunks=2, draws=19, region=False, n_genes=8, per_gene=3)
    arguments = study.write()
    by_fold = with_evidence(arguments, chunks=2)
    section = {"score": "evidence", "aggregation": "bayes"}
    result = ranking(arguments, **section)
    tables = result.tables
    notes = " ".join(summary_of(result, **section)["notes"])
    assert "Permutations collect evidence again and fit no network." in notes
    genes = tables["genes"].rows.set_index("gene")
    owner = dict(zip(tables["snps"].rows["snp"], tables["snps"].rows["gene"], strict=True))
    for gene, row in genes.iterrows():
        by_fold_of_gene = [
            [value for snp, value in fold.items() if owner.get(snp) == gene] for fold in by_fold
        ]
        expected = np.mean([np.log(np.mean(np.exp(values))) for values in by_fold_of_gene])
        assert row["score"] == pytest.approx(expected, rel=1e-5)
    assert genes["p"].between(1 / 39, 1).all() and genes["p"].nunique() > 1


@pytest.mark.parametrize("lacking", ["fold", "null"])
def test_rank__evidence_that_a_file_lacks_is_an_error_with_a_remedy(make_study, lacking):
    arguments = make_study(chunks=1, draws=19, region=False).write()
    if lacking == "null":
        with_evidence(arguments, chunks=0)
    section = {"score": "evidence", "aggregation": "bayes"}

    def run():
        options = RankingSection.parse(section).of("gendmr")
        tables = ranking(arguments, score=options.score, aggregation=options.aggregation).tables
        assert tables["genes"].rows["score"].gt(0).any()

    words = "rank the method by another score: ranking.methods.<method>.score: mean_abs"
    with mended("ranking/folds.py", words, RankingError, run) as refused:
        section["methods"] = {"gendmr": {"score": "mean_abs"}}
    assert "holds no evidence of a snp" in refused.what


def test_collect_null__the_largest_of_averages_is_that_of_a_slow_twin(make_study):
    arguments = make_study(chunks=2, region=False).write()
    options = RankingSection(aggregation="max", ld_weighting=False)
    level = level_of("snp").read(arguments["cohort"], "snp", options, arguments["genes"])
    everything = np.arange(len(level.names))
    paths = order_folds(arguments["attributions"])
    files = null_files(paths, 2)
    collector = Collector.of(level, everything, everything)
    mean = collect_null(files, {"snp": collector}, options)["snp"].mean["genes"]
    names = level.names.to_numpy()
    genes = level.file.instances["gene"].to_numpy()
    rows = []
    for chunk in range(2):
        total = 0.0
        for fold in files:
            dataset = read_dataset(fold[chunk], null_schema())
            scores = pd.DataFrame(dataset["mean_abs_snp"].values, columns=dataset["snp"].values)
            total = total + scores.reindex(columns=names, fill_value=0.0) / len(files)
        rows.append(total.T.groupby(genes).max().T)
    expected = pd.concat(rows)[level.groups["genes"].names]
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
