"""The method `migtrans`: sizes, absent modalities, attributions that add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gendmr.config.cohort import CohortSection
from gendmr.config.methods import KINDS
from gendmr.config.methods.ridge import RidgeMethod
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.errors import ConfigurationError
from gendmr.methods.base import FitInputs
from gendmr.methods.integrated_gradients import integrated_gradients
from gendmr.methods.migtrans.encoders import RegionEncoder, VectorEncoder
from gendmr.methods.migtrans.image import ConvLstm, ImageEncoder, sines
from gendmr.methods.migtrans.network import ONE_SEED, AttentionStep, MigtransNet, in_steps
from gendmr.methods.migtrans.readout import draw_gate, gate_table
from gendmr.methods.migtrans.shortcut import SHARE, SHARES, best_share, fit_shortcut
from gendmr.methods.ridge.method import Ridge
from gendmr.preprocessing.partition import stratified_parts
from gendmr.ranking.scores import rank_correlation
from gendmr.seeds import generator
from gendmr.tasks import task_of
from gendmr.tasks.binary.outcome import CaseStatus
from gendmr.training.fold import build_method

SMALL = {"kind": "migtrans", "width": 8, "hidden": [16, 12], "tokens": 2}


def count(module: torch.nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def small_net(**changes: object) -> MigtransNet:
    torch.manual_seed(0)
    options = {"dropout": 0.1, "modality_dropout": 0.5, "inputs": {}} | changes
    encoders = {
        "snp": VectorEncoder(20, (16, 12), 2, 8, 0.1),
        "edge": VectorEncoder(15, (16, 12), 2, 8, 0.1),
        "region": RegionEncoder(4, 3, 8, 0.1),
    }
    return MigtransNet(encoders, 8, 2, 4, 2, **options)  # type: ignore[arg-type]


def batch_of(people: int, **has: list[float]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    shapes = {"snp": (20, 1), "edge": (15, 1), "region": (4, 3)}
    batch = {name: torch.randn(people, *shape) for name, shape in shapes.items()}
    for name in shapes:
        batch[f"has_{name}"] = torch.tensor(has.get(name, [1.0] * people))
    return batch


def test_the_parts_have_the_parameters_of_the_reconstruction() -> None:
    snp, edge = (VectorEncoder(inputs, (2048, 1536), 12, 128, 0.3) for inputs in (1500, 1378))
    # The layer that gives tokens their width is counted with what follows.
    assert count(snp) - count(snp.project) == 6_228_480
    assert count(edge) - count(edge.project) == 5_978_624
    fusion = MigtransNet({"snp": snp, "edge": edge}, 128, 4, 4, 2, 0.1, 0.2, {})
    # Tokens (2 layers), one step for connectomes, the class token, its step and the head.
    assert count(fusion) - 6_228_480 - 5_978_624 == 2 * 16_512 + 2 * 198_528 + 128 + 514


def test_the_whole_network_has_the_parameters_of_the_reconstruction() -> None:
    with torch.device("meta"):  # numbers of weights, without weights
        image = ImageEncoder((121, 145, 121), True, "convlstm", 0, 128, 128)
        snp, edge = (VectorEncoder(inputs, (2048, 1536), 12, 128, 0.3) for inputs in (1500, 1378))
        encoders = {"snp": snp, "edge": edge, "volume": image}
        net = MigtransNet(encoders, 128, 4, 4, 2, 0.1, 0.2, {})
    assert image.attention is not None
    assert count(image.features) == 11_242_624
    assert count(image.attention) == 2_754_688
    assert count(net) == 26_964_866


@pytest.mark.parametrize("attention", ["convlstm", "se", "none"])
def test_image_encoder__gives_a_token_for_each_position(attention: str) -> None:
    torch.manual_seed(3)
    grid = (46, 55, 46)
    encoder = ImageEncoder(grid, False, attention, 1, 8, 12).eval()
    places = torch.arange(0, 46 * 55 * 46, 7)
    with torch.no_grad():
        tokens, gate = encoder(torch.randn(1, len(places), 1), places)
        empty, _ = encoder(torch.zeros(1, len(places), 1), places)
    assert tokens.shape == (1, 27, 12)
    assert (tokens - empty).abs().max() > 1e-4
    assert (gate is None) == (attention == "none")
    if gate is not None:
        assert gate.shape == (1, 3, 3, 3) and gate.min() > 0 and gate.max() < 1


def test_conv_lstm__is_the_one_written_down() -> None:
    torch.manual_seed(4)
    cell, sequence = ConvLstm(3), torch.randn(2, 4, 3, 5, 6)
    state = memory = torch.zeros(2, 3, 5, 6)
    weight, bias = cell.gates.weight, cell.gates.bias
    for step in range(4):
        stacked = torch.cat([sequence[:, step], state], dim=1)
        write, keep, show, candidate = (
            torch.nn.functional.conv2d(stacked, weight[3 * n : 3 * n + 3], bias[3 * n : 3 * n + 3],
                                       padding=1)
            for n in range(4)
        )  # fmt: skip
        memory = keep.sigmoid() * memory + write.sigmoid() * candidate.tanh()
        state = show.sigmoid() * memory.tanh()
        torch.testing.assert_close(cell(sequence)[:, step], state)


def test_sines__tell_all_positions_apart() -> None:
    codes = sines((3, 4, 3), 24)
    assert len({tuple(code) for code in codes.tolist()}) == 36


def test_an_absent_modality_says_nothing_whatever_stands_in_it() -> None:
    net = small_net().eval()
    batch = batch_of(2, edge=[0.0, 1.0], snp=[1.0, 0.0])
    outputs = net(batch)["output"]
    garbage = {**batch, "edge": batch["edge"].clone(), "snp": batch["snp"].clone()}
    garbage["edge"][0] = 9
    garbage["snp"][1] = -9
    torch.testing.assert_close(net(garbage)["output"], outputs)
    garbage["edge"][1] = 9
    assert (net(garbage)["output"][1] - outputs[1]).abs().max() > 1e-4


def test_modality_dropout_leaves_everybody_something() -> None:
    net = small_net(modality_dropout=0.9).train()
    has = net._has(batch_of(200, snp=[0.0] * 100 + [1.0] * 100))
    table = torch.stack(list(has.values()))
    assert (table.sum(0) >= 1).all()
    assert (table.sum(0) < 3).any()
    assert not has["snp"][:100].any()


def test_a_step_without_keys_is_its_feed_forward_layer() -> None:
    torch.manual_seed(2)
    step = AttentionStep(8, 2, 4, 0.0).eval()
    queries, keys = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    alone = step(queries, keys, torch.zeros(3))
    assert step.feed_forward is not None
    torch.testing.assert_close(alone, queries + step.feed_forward(queries))
    assert AttentionStep(8, 2, 0, 0.0).feed_forward is None


def test_in_steps__keeps_the_order_whatever_is_read() -> None:
    assert in_steps(("snp", "edge", "region"), ("region", "snp")) == ("snp", "region")


def test_integrated_gradients__of_a_product_are_known() -> None:
    # x * y along the straight path from 0: half of it belongs to each.
    inputs = {"x": torch.tensor([[1.0], [2.0]]), "y": torch.tensor([[3.0], [-1.0]])}

    def product(points: Mapping[str, torch.Tensor], people: np.ndarray) -> torch.Tensor:
        return (points["x"] * points["y"])[:, 0]

    values, start, end = integrated_gradients(product, inputs)
    np.testing.assert_allclose(values["x"][:, 0], [1.5, -1.0], rtol=1e-6)
    np.testing.assert_allclose(values["y"][:, 0], [1.5, -1.0], rtol=1e-6)
    assert start.tolist() == [0, 0] and end.tolist() == [3, -2]


def test_integrated_gradients__add_up_for_the_network() -> None:
    net = small_net().eval()
    with torch.no_grad():
        for value in net.parameters():
            value.mul_(2)  # far from linear
    batch = batch_of(6, edge=[1, 1, 0, 1, 1, 1])
    names = ("snp", "edge", "region")

    def scalar(points: Mapping[str, torch.Tensor], people: np.ndarray) -> torch.Tensor:
        has = {f"has_{name}": batch[f"has_{name}"][people] for name in names}
        return torch.as_tensor(net({**points, **has})["output"][:, 0])

    values, start, end = integrated_gradients(scalar, {name: batch[name] for name in names})
    total = sum(value.reshape(6, -1).sum(axis=1) for value in values.values())
    assert np.abs(end - start).max() > 0.1
    np.testing.assert_allclose(total, end - start, atol=1e-3, rtol=1e-3)
    assert not values["edge"][2].any()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"autoencoder": "joint", "auxiliary": 0.3, "shortcut": "none"},
        {"autoencoder": "pretrain", "pretrain_epochs": 2},
        {"tokens": 1, "feed_forward": 0, "modality_dropout": 0.0, "order": ["region", "snp"]},
        {"seeds": 2, "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_each_switch_trains_and_attributions_sum_to_the_logit(
    prepare: Callable, cohort: Path, changes: dict[str, object]
) -> None:
    fold = prepare(cohort, {**SMALL, **changes}, epochs=2)
    fitted = fold.fit()
    phases = {line.get("phase") for line in fitted.history}
    assert phases == ({"autoencoder", "fit"} if changes.get("autoencoder") == "pretrain" else
                      {None})  # fmt: skip
    if changes.get("autoencoder") == "joint":
        assert {"autoencoder", "auxiliary"} <= set(fitted.history[0])
    attributions = fitted.attributions(fold.held_out)
    logit = fitted.predict(fold.held_out)[:, 0]
    total = sum(
        np.nansum(attribution.value, axis=1) + np.nan_to_num(attribution.baseline)
        for attribution in attributions.values()
    )
    some = np.any([fold.held_out.present[name] for name in attributions], axis=0)
    np.testing.assert_allclose(total[some], logit[some], atol=1e-5)
    for name, attribution in attributions.items():
        assert (np.isnan(attribution.value).all(axis=1) == ~fold.held_out.present[name]).all()


def test_a_preset_fills_what_is_left_out() -> None:
    section = KINDS["migtrans"].parse({"kind": "migtrans", "preset": "paper", "heads": 8})
    assert (section.width, section.heads, section.hidden) == (128, 8, (2048, 1536))
    assert section.optimised(section.optimisation).learning_rate == 1e-4
    assert KINDS["migtrans"].parse(section.dump()) == section
    with pytest.raises(ConfigurationError, match="no multiple of heads"):
        KINDS["migtrans"].parse({"kind": "migtrans", "width": 10})


@pytest.fixture(scope="module")
def small_fold(prepare: Callable, cohort: Path) -> Any:
    return prepare(cohort, {**SMALL, "seeds": 2}, epochs=2)


def test_fit_shortcut__is_ridge_and_leaves_training_people_out(small_fold: Any) -> None:
    fold, names = small_fold, ("snp", "region")
    inputs = FitInputs(fold.train, fold.validation, fold.preparation, 5)
    shortcut = fit_shortcut(inputs, names)
    ridge = Ridge(RidgeMethod(), names).fit(inputs, device="cpu", progress=print)
    expected = ridge.predict(fold.train)
    part = stratified_parts(fold.train, 5, generator(5, "shortcut"))
    alone = RidgeMethod(penalties=(float(ridge.history[0]["penalty"]),))
    for number in np.unique(part):
        remaining = FitInputs(
            fold.train.take(np.flatnonzero(part != number)), fold.validation, fold.preparation, 5
        )
        of_rest = Ridge(alone, names).fit(remaining, device="cpu", progress=print)
        left_out = fold.train.take(np.flatnonzero(part == number))
        got = shortcut.offset.numpy()[part == number]
        np.testing.assert_allclose(got, of_rest.predict(left_out), rtol=1e-4, atol=1e-5)
    assert np.abs(shortcut.offset.numpy() - expected).max() > 0.01


def test_settle__chooses_a_share_and_share_0_is_ridge(small_fold: Any) -> None:
    fold = small_fold
    method = build_method(fold.options)
    inputs = FitInputs(fold.train, fold.validation, fold.preparation, 5)
    fitted = method.fit(inputs, device="cpu", progress=print)
    assert float(fitted.fixed[SHARE]) in SHARES
    assert any("Beside its ridge the network counts by" in note for note in fitted.notes)
    task, people = fold.preparation.task, fold.validation
    losses = []
    for share in SHARES:
        fitted.fixed[SHARE] = torch.tensor(share)
        weight = task.weights(people.outcome)
        losses.append(weight / weight.sum() * task.losses(fitted.predict(people), people.outcome))
    share_note = next(note for note in fitted.notes if "Beside its ridge" in note)
    best = int(np.argmin([loss.sum() for loss in losses]))
    gain = losses[0] - losses[best]
    clear = gain.sum() > np.std(gain, ddof=1) * len(gain) ** 0.5
    assert f"counts by {SHARES[best] if clear else 0:g}:" in share_note
    fitted.fixed[SHARE] = torch.tensor(0.0)
    ridge = Ridge(RidgeMethod(), fitted.modalities).fit(inputs, device="cpu", progress=print)
    np.testing.assert_allclose(
        fitted.predict(fold.held_out), ridge.predict(fold.held_out), rtol=1e-3, atol=1e-4
    )


def test_best_share__is_0_unless_the_gain_exceeds_its_standard_error() -> None:
    task = task_of("diagnosis", BinaryOutcome()).fit(CaseStatus(np.array([0, 1] * 20)))
    outcome = CaseStatus(np.array([0, 1] * 20))
    sign = np.where(outcome.case == 1, 1.0, -1.0)[:, None]
    helpful, losses = best_share(task, outcome, lambda share: share * sign)
    assert helpful == 1 and losses[1.0] < losses[0.5] < losses[0.0]
    assert best_share(task, outcome, lambda share: -share * sign)[0] == 0
    # Right in 22 people and wrong in 18: a smaller loss, by less than its standard error.
    mostly = 0.3 * sign * np.where(np.arange(40) < 22, 1.0, -1.0)[:, None]
    best, losses = best_share(task, outcome, lambda share: share * mostly)
    assert best == 0 and min(losses.values()) < losses[0.0]


def test_seeds__the_output_is_their_mean_and_attributions_tell_them_apart(small_fold: Any) -> None:
    fold = small_fold
    fitted = fold.fit()
    fitted.fixed[SHARE] = torch.tensor(1.0)
    (outputs, _), *_ = fitted.outputs(fold.held_out)
    seed_outputs = [outputs[f"seed_{number}_output"] for number in range(2)]
    torch.testing.assert_close(outputs["output"], (seed_outputs[0] + seed_outputs[1]) / 2)
    assert (seed_outputs[0] - seed_outputs[1]).abs().max() > 1e-5
    attribution = fitted.attributions(fold.held_out)["region"]
    assert attribution.seeds is not None and attribution.seeds.shape[0] == 2
    np.testing.assert_allclose(
        attribution.seeds.mean(axis=0), attribution.value, atol=1e-6, equal_nan=True
    )
    assert np.nanmax(np.abs(attribution.seeds[0] - attribution.seeds[1])) > 1e-7


def test_one_seed__asks_a_single_network() -> None:
    from gendmr.methods.migtrans.network import SeveralSeeds

    nets = SeveralSeeds([small_net(), small_net()]).eval()
    with torch.no_grad():
        for value in nets.networks[1].parameters():
            value.mul_(1.5)
    batch = batch_of(3)
    joint = nets(batch)
    for number in range(2):
        alone = nets({**batch, ONE_SEED: torch.tensor(number)})
        torch.testing.assert_close(alone["output"], joint[f"seed_{number}_output"])


def test_rank_correlation__is_spearman_over_pairs() -> None:
    from scipy.stats import spearmanr

    scores = np.random.default_rng(0).normal(size=(3, 12)).round(1)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([spearmanr(scores[a], scores[b]).statistic for a, b in pairs])
    assert rank_correlation(scores) == pytest.approx(expected)
    assert rank_correlation(np.ones((2, 5))) == 0


def test_label_smoothing__is_refused_where_there_are_no_labels() -> None:
    section = KINDS["migtrans"].parse({"kind": "migtrans", "label_smoothing": 0.1})
    outcome = {"kind": "quantitative", "column": "memory"}
    cohort = CohortSection.parse({"participants": "p.tsv", "outcomes": {"memory": outcome}})
    with pytest.raises(ConfigurationError, match=r"label_smoothing = 0\.1 with an outcome"):
        section.check_cohort(cohort)


def test_label_smoothing__is_cross_entropy_with_smoothed_labels() -> None:
    from gendmr.engine.network import Step
    from gendmr.methods.migtrans.method import _even_loss

    logit = torch.tensor([[2.0], [-1.0], [0.5]])
    label, weight = torch.tensor([1.0, 0.0, 1.0]), torch.ones(3)
    hard = torch.nn.functional.binary_cross_entropy_with_logits(logit[:, 0], label)
    soft = torch.nn.functional.binary_cross_entropy_with_logits(logit[:, 0], 0.8 * label + 0.1)
    step = Step.__new__(Step)
    object.__setattr__(step, "batch", {"weight": weight})
    torch.testing.assert_close(0.8 * hard + 0.2 * _even_loss(logit, step), soft)


def test_draw_gate__says_where_it_is_open(tmp_path: Path) -> None:
    gate = np.full((4, 3, 3, 2), 0.4)
    gate[:, 0] = 0.9
    table = gate_table(gate, [np.array([-60.0, 0, 60]), np.array([-80.0, 0, 60]),
                              np.array([-20.0, 40])])  # fmt: skip
    assert len(table) == 18 and table["sd"].max() == 0
    assert set(table.loc[table["gate"] > 0.5, "x"]) == {-60.0}
    draw_gate(table, tmp_path / "gate.png")
    assert (tmp_path / "gate.png").stat().st_size > 10_000


def test_leave_no_gate__writes_what_the_job_must_leave(tmp_path):
    from gendmr.config.methods.migtrans import GATE_FILES, MigtransMethod
    from gendmr.methods.migtrans.readout import leave_no_gate

    assert MigtransMethod().left_files(("edge", "volume")) == GATE_FILES
    assert MigtransMethod().left_files(("edge", "snp")) == ()
    assert MigtransMethod(image_attention="none").left_files(("volume",)) == ()
    assert "empty" in leave_no_gate(tmp_path)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(GATE_FILES)
    assert pd.read_csv(tmp_path / GATE_FILES[0], sep="\t").empty
