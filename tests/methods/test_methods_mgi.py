"""Parts of MGI against slow twins and known answers; what pre-training and fusion owe."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch.nn import functional

from contract.members import add_outcomes, options
from gendmr.cohort.view import FoldView
from gendmr.config.methods.mgi import MgiMethod
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, TrainingError
from gendmr.files.tables import read_table
from gendmr.methods.base import FitInputs
from gendmr.methods.mgi.contrastive import (
    RETRIEVAL,
    PairedSlices,
    info_nce,
    ranks_of,
    recall_table,
)
from gendmr.methods.mgi.network import MgiNet, Shape, Sizes
from gendmr.methods.mgi.order import order_of
from gendmr.methods.mgi.readout import PairedEmbeddings
from gendmr.methods.mgi.rows import EXPRESSION
from gendmr.methods.slices import SLICE, training_rows
from gendmr.preprocessing.preparation import Preparation
from gendmr.tasks import task_of
from gendmr.training.fold import build_method, train_fold
from remedies import mended

SHAPE = Shape(channels=1, rows=16, columns=12, genes=10)
SIZES = Sizes(
    patch=4, image_width=8, image_layers=2, image_heads=2, gene_width=6, gene_layers=1,
    gene_expand=2, gene_states=4, gene_patch=3, gene_tokens=3, projection=5, temperature=0.07,
    fusion="none", skips="image",
)  # fmt: skip
FUSIONS = ("concat", "film", "cross_attention")


def unit(random, people, width):
    rows = torch.from_numpy(random.normal(size=(people, width)))
    return rows / rows.norm(dim=1, keepdim=True)


def test_info_nce__is_the_logarithm_of_the_batch_for_people_who_are_all_alike():
    alike = torch.ones(7, 4) / 2
    loss, chance = info_nce(alike, alike, torch.tensor(14.0))
    assert loss.item() == pytest.approx(math.log(7)) == pytest.approx(chance.item())


def test_info_nce__is_0_for_people_who_are_aligned():
    axes = torch.eye(6)
    loss, _ = info_nce(axes, axes, torch.tensor(100.0))
    assert loss.item() < 1e-6
    wrong, chance = info_nce(axes, axes.roll(1, 0), torch.tensor(100.0))
    assert wrong > chance


def test_info_nce__equals_its_slow_twin():
    random = np.random.default_rng(1)
    image, gene = unit(random, 5, 3), unit(random, 5, 3)
    total = 0.0
    for anchor, candidates in ((image, gene), (gene, image)):
        for person in range(5):
            scores = [9.0 * float(anchor[person] @ candidates[place]) for place in range(5)]
            total += math.log(sum(map(math.exp, scores))) - scores[person]
    loss, _ = info_nce(image, gene, torch.tensor(9.0, dtype=torch.float64))
    assert loss.item() == pytest.approx(total / 10)


def test_mgi_net__starts_near_chance():
    """Embeddings of random weights tell nobody apart: about ln(batch), never far below."""
    torch.manual_seed(0)
    net = MgiNet(SHAPE, replace(SIZES, projection=64, temperature=1.0))
    images, genes = torch.randn(24, 1, 16, 12), torch.randn(24, 10)
    loss, chance = info_nce(net.embed_images(images), net.embed_genes(genes), net.scale)
    assert loss.item() == pytest.approx(chance.item(), abs=0.4)


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_ranks_of__equals_its_slow_twin_with_ties(people, seed):
    random = np.random.default_rng(seed)
    similarity = random.integers(0, 4, (people, people)).astype(float)
    group = random.integers(0, 3, people)
    ranks = ranks_of(similarity, group)
    first = 2
    recalls, places = [], []
    for person in range(people):
        peers = [peer for peer in range(people) if group[peer] == group[person]]
        if len(peers) < 2:
            continue
        better = sum(similarity[person, peer] > similarity[person, person] for peer in peers)
        equal = sum(similarity[person, peer] == similarity[person, person] for peer in peers)
        chances = [better + place + 1 <= first for place in range(equal)]
        recalls.append(np.mean(chances))
        places.append(np.mean([better + place + 1 for place in range(equal)]))
    assert len(ranks.rank) == len(places)
    if places:
        assert ranks.recall(first) == pytest.approx(np.mean(recalls))
        np.testing.assert_allclose(ranks.rank, places)


def test_recall_table__a_retriever_of_hospitals_says_nothing_within_one():
    hospital = np.array(["a", "a", "b", "b", "b"])
    table = recall_table(np.eye(5), hospital).set_index(["retriever", "query", "among"])
    assert table.loc[("network", "image", "all"), "recall_1"] == 1
    assert table.loc[("network", "genes", "hospital"), "mean_rank"] == 1
    within = table.loc[("hospital", "image", "hospital")]
    assert within["recall_1"] == pytest.approx(within["chance_1"])
    assert within["mean_rank"] == pytest.approx(within["chance_rank"])
    everybody = table.loc[("hospital", "image", "all")]
    assert everybody["recall_1"] == pytest.approx((2 / 2 + 3 / 3) / 5)
    assert everybody["recall_1"] > everybody["chance_1"]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_gated_fusion__adds_nothing_at_the_start_and_something_later(fusion):
    torch.manual_seed(3)
    net = MgiNet(SHAPE, replace(SIZES, fusion=fusion)).eval()
    images, owner = torch.randn(3, 1, 16, 12), torch.tensor([0, 1, 1])
    genes, has = torch.randn(2, 10), torch.tensor([1.0, 0.0])
    alone = net.segment(images, owner, None, None)
    assert alone.shape == (3, 16, 12)
    torch.testing.assert_close(net.segment(images, owner, genes, has), alone, rtol=0, atol=0)
    with torch.no_grad():
        net.fusion.gate.fill_(0.5)
    moved = net.segment(images, owner, genes, has)
    assert (moved[0] != alone[0]).any()
    # Who has no genes is segmented by images alone, however the gate stands.
    torch.testing.assert_close(moved[1:], alone[1:], rtol=0, atol=0)


def test_mgi_net__encodes_genes_once_for_all_slices_of_a_person():
    torch.manual_seed(4)
    net = MgiNet(SHAPE, replace(SIZES, fusion="film")).eval()
    with torch.no_grad():
        net.fusion.gate.fill_(1.0)
    images, genes = torch.randn(4, 1, 16, 12), torch.randn(2, 10)
    owner = torch.tensor([0, 1, 0, 1])
    together = net.segment(images, owner, genes, None)
    apart = torch.cat(
        [
            net.segment(images[[row]], torch.tensor([0]), genes[owner[row], None], None)
            for row in range(4)
        ]
    )
    torch.testing.assert_close(together, apart)
    copied = net.segment(images, owner, genes, None, copies=1)
    twice = net.segment(images, torch.cat([owner, owner]), genes, None, copies=2)
    torch.testing.assert_close(twice, torch.cat([copied, copied]))


@pytest.mark.parametrize("skips", ["none", "image", "unetr"])
@pytest.mark.parametrize("patch", [4, 8, 16])
def test_decoder__returns_every_pixel_and_reaches_all_weights(skips, patch):
    torch.manual_seed(5)
    net = MgiNet(replace(SHAPE, genes=0), replace(SIZES, patch=patch, skips=skips))
    logits = net.segment(torch.randn(2, 1, 16, 12), torch.zeros(2, dtype=torch.int64), None, None)
    assert logits.shape == (2, 16, 12)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.decoder.parameters())


def test_decoder__tells_small_lesions_from_large_ones_and_from_none():
    """Discs of any size with a dark centre in the noise of a pixel, a third of slices without."""
    random = np.random.default_rng(3)
    radius = np.where(np.arange(96) % 3 == 0, 0.0, random.uniform(1.5, 6.0, 96))
    centre = random.uniform(6, 10, (96, 2))
    rows, columns = np.mgrid[:16, :16]
    away = np.hypot(rows - centre[:, :1, None], columns - centre[:, 1:, None])
    mask = torch.from_numpy((away < radius[:, None, None]).astype(np.float32))
    image = 0.6 * np.where(away < 0.5 * radius[:, None, None], -1.0, mask.numpy())
    image = torch.from_numpy(image + 0.12 * random.normal(size=image.shape)).float()[:, None]
    torch.manual_seed(1)
    net = MgiNet(
        Shape(channels=1, rows=16, columns=16, genes=0), replace(SIZES, image_width=16, patch=8)
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.01)
    owner = torch.zeros(64, dtype=torch.int64)
    for _ in range(120):
        loss = functional.binary_cross_entropy_with_logits(
            net.segment(image[:64], owner, None, None), mask[:64]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        predicted = net.segment(image[64:], owner[:32], None, None) > 0
    true = mask[64:] > 0
    for size_class in (radius[64:] > 4, (radius[64:] > 0) & (radius[64:] < 3)):
        overlap = (predicted[size_class] & true[size_class]).sum()
        assert 2 * overlap / (predicted[size_class].sum() + true[size_class].sum()) > 0.9
    assert predicted[radius[64:] == 0].float().mean() < 0.005


def test_order_of__depends_on_names_and_places_not_on_the_file():
    genes = pd.DataFrame({"expression": ["B", "A", "D", "C"], "place": [0, 2, -1, 1]})
    named = genes["expression"].to_numpy()
    assert named[order_of(genes, "alphabetical")].tolist() == ["A", "B", "C", "D"]
    assert named[order_of(genes, "genomic")].tolist() == ["B", "C", "A", "D"]
    reordered = genes.iloc[[3, 1, 0, 2]].reset_index(drop=True)
    for order in ("alphabetical", "genomic", "random"):
        assert (
            reordered["expression"].to_numpy()[order_of(reordered, order)].tolist()
            == named[order_of(genes, order)].tolist()
        )
    for change in ("order", "place"):
        unplaced, order = genes.assign(place=-1), ["genomic"]
        words = "set expression.positions, or choose `gene_order: alphabetical`"
        with mended(
            "methods/mgi/order.py",
            words,
            TrainingError,
            lambda unplaced=unplaced, order=order: order_of(unplaced, order[0]),
        ) as refused:
            assert "none of 4 genes has a place" in refused.what
            if change == "order":
                order[0] = "alphabetical"
            else:
                unplaced["place"] = genes["place"]


def test_alignment__calls_embeddings_that_collapsed():
    random = np.random.default_rng(6)
    people = np.ones((5, 1))
    spread = unit(random, 5, 8).numpy()
    collapsed = np.repeat(spread[:1], 5, axis=0)
    assert PairedEmbeddings(people, spread, spread).alarms() == []
    (alarm,) = PairedEmbeddings(people, collapsed, spread).alarms()
    assert "embeddings of images" in alarm and "collapsed" in alarm


# -- in a fold -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort_with_slices(shared_cohort, tmp_path_factory):
    """60 people, most of them with slices and with genes."""
    small = shared_cohort(people=60, snps=20, regions=4, genes=8, folds=3)
    return add_outcomes(small, tmp_path_factory.mktemp("slices") / "cohort")


@pytest.fixture(scope="module")
def inputs(cohort_with_slices):
    return prepared(cohort_with_slices)


def prepared(cohort: Path, **changes) -> tuple[object, FitInputs, FoldView]:
    configuration = options("mgi", "tumour", **changes)
    task = task_of(configuration.outcome, configuration.task)
    view = FoldView.open(cohort, 0, 0, task=task, modalities=tuple(configuration.modalities))
    preparation = Preparation.fit(view, configuration)
    train, validation = preparation.apply(view.train), preparation.apply(view.validation)
    return build_method(configuration), FitInputs(train, validation, preparation, 3), view


def test_paired_slices__nobody_is_twice_in_a_batch_and_nobody_lacks_genes(inputs):
    method, given_, _ = inputs
    problem = method.prepare(given_).problem
    rows = training_rows(problem)
    paired = np.flatnonzero(rows.people.present[EXPRESSION])
    assert 0 < len(paired) < len(rows.people)
    batches = []
    for epoch in (1, 2, 3):
        people = []
        for piece in PairedSlices(8)(problem, "pretraining", epoch, 99):
            members = rows.person[piece.rows]
            assert len(set(members)) == len(members) <= 8
            people += members.tolist()
        assert sorted(people) == paired.tolist()
        batches.append(
            [tuple(piece.rows) for piece in PairedSlices(8)(problem, "pretraining", epoch, 99)]
        )
    assert all(before != after for before, after in pairwise(batches))


def test_mgi__a_resumed_fit_has_the_pretrained_weights_too(cohort_with_slices, tmp_path):
    class Killed(RuntimeError):
        pass

    def train(folder, progress):
        train_fold(
            cohort_with_slices, folder, method="mgi", repeat=0, fold=0,
            options=options("mgi", "tumour"), seed=3, device="cpu", checkpoint_every=1,
            progress=progress,
        )  # fmt: skip

    lines = []
    train(tmp_path / "whole" / "r" / "f", lines.append)
    assert any("ln_batch" in line and "contrastive" in line for line in lines)

    def stop(line):
        if line.startswith("epoch 3"):  # the first of the segmentation
            raise Killed

    folder = tmp_path / "killed" / "r" / "f"
    with pytest.raises(Killed):
        train(folder, stop)
    train(folder, lines.append)
    assert any("going on" in line and "phase 2" in line for line in lines)
    for path in (tmp_path / "whole" / "r" / "f").iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_mgi__attributions_sum_to_the_predicted_size(cohort_with_slices):
    method, given_, view = prepared(cohort_with_slices, skips="none")
    fitted = method.fit(given_, device="cpu", progress=lambda line: None)
    view.seal()
    people = given_.preparation.apply(view.held_out)
    attribution = fitted.attributions(people)[EXPRESSION]
    output = fitted.predict(people)
    has = people.present[EXPRESSION]
    assert np.isnan(attribution.value[~has]).all()
    for person in np.flatnonzero(has)[:4]:
        size = 100 / (1 + np.exp(-output[person])).size * (1 / (1 + np.exp(-output[person]))).sum()
        total = attribution.value[person].sum() + attribution.baseline[person]
        assert total == pytest.approx(size, rel=1e-3)


def test_mgi__keeps_the_order_of_its_genes_and_says_how_pretraining_ended(
    cohort_with_slices, tmp_path
):
    folder = tmp_path / "r" / "f"
    train_fold(
        cohort_with_slices, folder, method="mgi", repeat=0, fold=0,
        options=options("mgi", "tumour", gene_order="random", shuffled={"expression": []}), seed=3,
        device="cpu",
    )  # fmt: skip
    order = load_file(folder / "model.safetensors")["gene_order"]
    assert sorted(order.tolist()) == list(range(len(order)))
    notes = json.loads((folder / "run.json").read_text())["notes"]
    assert any("random order" in note for note in notes)
    assert any("A control" in note for note in notes)
    assert any("logarithm of the batch" in note for note in notes)
    table = read_table(folder / "retrieval.tsv", RETRIEVAL)
    notes = json.loads((folder / "fold.json").read_text())["notes"]
    assert any("chance" in note and "within hospitals" in note for note in notes)
    assert set(table["retriever"]) == {"network", "hospital"}
    assert table["chance_1"].between(0, 1).all()


def test_mgi__leaves_an_empty_table_where_nobody_has_both(cohort_with_slices, tmp_path):
    """Files that are outputs of the job are there whoever is held out."""
    method, given_, view = prepared(cohort_with_slices)
    fitted = method.fit(given_, device="cpu", progress=lambda line: None)
    view.seal()
    people = given_.preparation.apply(view.held_out)
    absent = {**people.present, EXPRESSION: np.zeros(len(people), dtype=bool)}
    notes = method.leave(fitted, tmp_path, replace(people, present=absent))
    assert any("Nobody could be found" in note for note in notes)
    assert len(read_table(tmp_path / "retrieval.tsv", RETRIEVAL)) == 0
    assert (tmp_path / "retrieval.png").stat().st_size > 0
    assert method.options.left_files(("slice",)) == ()


def test_mgi__says_how_many_training_people_have_one_of_the_two_alone(cohort_with_slices):
    """Somebody with genes and no image is in neither phase, with images and no genes in one."""
    method, given_, _ = prepared(cohort_with_slices)
    present = dict(given_.train.present)
    present[EXPRESSION] = np.arange(len(given_.train)) % 4 > 0
    present[SLICE] = np.arange(len(given_.train)) % 5 > 0
    prepared_fit = method.prepare(replace(given_, train=replace(given_.train, present=present)))
    images = int((~present[EXPRESSION] & present[SLICE]).sum())
    genes = int((present[EXPRESSION] & ~present[SLICE]).sum())
    assert images and genes
    assert any(
        f"{images} training people have images and no genes, {genes} genes and no images" in note
        for note in prepared_fit.notes
    )
    assert len(training_rows(prepared_fit.problem).people) == present[SLICE].sum()


def test_mgi__no_pretraining_is_a_note_where_too_few_have_both(cohort_with_slices):
    method, given_, _ = prepared(cohort_with_slices)
    lonely = replace(
        given_.train,
        present={**given_.train.present, EXPRESSION: np.arange(len(given_.train)) < 2},
    )
    prepared_fit = method.prepare(replace(given_, train=lonely))
    assert any(note.startswith("No pre-training") for note in prepared_fit.notes)
    module = method.network(prepared_fit.architecture)
    assert [phase.name for phase in method.phases(module, [prepared_fit.problem])] == [
        "segmentation"
    ]


# -- configuration ---------------------------------------------------------------------------------


def test_check_cohort__refuses_a_hospital_that_is_no_label():
    study = {
        "study": "one", "seed": 1,
        "lesions": {"tif": "made-up", "channels": ["flair"]},
        "expression": {"matrices": [{"path": "made-up", "unit": "log2"}]},
        "modalities": {"slice": {"side": 32}},
        "cohort": {"participants": "p.tsv", "covariates": ["age"], "categorical": [],
                   "outcomes": {"tumour": {"kind": "segmentation"}}},
        "training": {"covariates": ["age"],
                     "methods": {"m": {"kind": "mgi", "hospital": "site"}}},
    }  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        Study.parse(study)
    assert "hospital = 'site'" in str(caught.value)
    study["cohort"] |= {"covariates": ["age", "site"], "categorical": ["site"]}
    Study.parse(study)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"image_width": 10, "image_heads": 4}, "no multiple"),
        ({"reads": ["expression"]}, "nothing to segment"),
    ],
)
def test_mgi_method__refuses_what_does_not_fit_together(entry, said):
    with pytest.raises(ConfigurationError, match=said):
        MgiMethod.parse({"kind": "mgi", **entry}, where="training.methods.m")


def test_ranked__is_false_where_genes_do_not_act_on_the_prediction():
    """A fold without fusion leaves no attributions of genes: a ranking of them would fail."""
    read = ("slice", "expression")
    assert MgiMethod.parse({"kind": "mgi"}, where="m").ranked(read)
    assert not MgiMethod.parse({"kind": "mgi", "fusion": "none"}, where="m").ranked(read)


def test_mgi_method__a_preset_fills_in_what_is_left_out():
    small = MgiMethod.parse({"kind": "mgi", "preset": "small", "gene_width": 32}, where="m")
    assert (small.image_width, small.image_layers, small.gene_width) == (384, 12, 32)
