"""The shared training: replicates, phases, buffers, randomness, batches, hooks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.toys import (
    CPU,
    LeastSquares,
    OnDisk,
    Plain,
    followed,
    perceptron,
    plain_phase,
    problem,
    run,
    shuffled_order,
)
from gendmr.engine.batches import Tensors
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.device import choose_device
from gendmr.engine.layout import Layout
from gendmr.engine.network import FitProblem, Network
from gendmr.engine.phase import Phase, Term
from gendmr.errors import TrainingError
from remedies import mended


class Deep(Network):
    """Any module of torch."""

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        return {"output": module(batch["x"])}


def deep() -> nn.Module:
    return nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 1)
    )


def test_together_and_apart_are_the_same_training() -> None:
    problems = [problem(1, people=20), problem(2, people=13)]  # others take fewer steps
    together, _ = run(Plain(), perceptron, problems, [followed()])
    apart, _ = run(Plain(), perceptron, problems, [followed()], replicates="apart")
    torch.testing.assert_close(together.weights, apart.weights, rtol=1e-5, atol=1e-6)
    assert together.best_epoch == apart.best_epoch
    for ours, theirs in zip(together.history, apart.history, strict=True):
        assert [line.keys() for line in ours] == [line.keys() for line in theirs]
        for line, other in zip(ours, theirs, strict=True):
            assert line == pytest.approx(other, rel=1e-4, abs=1e-6)
    assert together.history[0][-1]["step"] > together.history[1][-1]["step"]


def test_a_replicate_does_not_depend_on_its_neighbours() -> None:
    problems = [problem(seed, people) for seed, people in ((1, 20), (2, 7), (3, 20))]
    together, _ = run(Plain(), perceptron, problems, [followed()])
    for place, replicate in enumerate(problems):
        alone, _ = run(Plain(), perceptron, [replicate], [followed()])
        torch.testing.assert_close(alone.weights[0], together.weights[place], rtol=1e-5, atol=1e-6)
    assert (together.weights[0] - together.weights[2]).abs().max() > 0.01


def test_the_history_tells_the_loss_of_the_task_on_both_sides() -> None:
    fitted, layout = run(Plain(), perceptron, [problem(1)], [followed()], stopping="last")
    line = fitted.history[0][-1]
    assert set(line) == {
        "epoch", "step", "train_loss", "validation_loss", "train_error", "validation_error",
        "learning_rate", "follow", "seen",
    }  # fmt: skip
    judged = problem(1)
    weights = layout.unflatten(fitted.weights[0])
    x = judged.validation.tensors["x"].numpy()  # type: ignore[attr-defined]
    hidden = np.tanh(x @ weights["first.weight"].numpy().T + weights["first.bias"].numpy())
    output = hidden @ weights["last.weight"].numpy().T + weights["last.bias"].numpy()
    error = judged.validation_outcome.value - output[:, 0]  # type: ignore[attr-defined]
    assert line["validation_loss"] == pytest.approx((error**2).mean() / 2, rel=1e-5)
    assert line["validation_error"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert line["seen"] == pytest.approx(1 - 0.5**4)  # once an epoch, halved after each


class Stop(RuntimeError):
    """Stands for a signal."""


@pytest.mark.parametrize("stop_at", ["epoch 1", "epoch 5", "phase second", "epoch 6", "epoch 10"])
@pytest.mark.parametrize("replicates", ["together", "apart"])
def test_a_killed_fit_goes_on_in_its_phase_to_the_same_bytes(
    tmp_path: Path, replicates: str, stop_at: str
) -> None:
    first = plain_phase("first", trainable=lambda name: not name.startswith(("last", "4")))
    phases = [first, plain_phase("second", keep="last")]
    network, make = (Deep(), deep) if replicates == "apart" else (Plain(), perceptron)
    more: dict[str, Any] = {"epochs": 5, "patience": 5, "replicates": replicates}
    whole, _ = run(network, make, [problem(1)], phases, **more)

    def stop(line: str) -> None:
        if line.startswith(stop_at):
            raise Stop(line)

    lines: list[str] = []
    checkpoint = Checkpoint(tmp_path, "key", epochs_between=2, progress=lines.append)
    with pytest.raises(Stop):
        run(network, make, [problem(1)], phases, checkpoint=checkpoint, progress=stop, **more)
    again, _ = run(network, make, [problem(1)], phases, checkpoint=checkpoint, **more)
    assert torch.equal(again.weights, whole.weights)
    assert again.history == whole.history and again.best_epoch == whole.best_epoch == [10]
    for name, value in whole.buffers.items():
        assert torch.equal(again.buffers[name], value)
    expected = {
        "epoch 1": [],
        "epoch 5": ["of epoch 4"],
        "phase second": ["of epoch 0 of phase 2"],
        "epoch 6": ["of epoch 0 of phase 2"],
        "epoch 10": ["of epoch 4 of phase 2"],
    }
    assert [line.removeprefix("going on from the checkpoint ") for line in lines] == expected[
        stop_at
    ]


def test_weights_that_a_phase_does_not_train_stay() -> None:
    frozen = plain_phase("fit", trainable=lambda name: name.startswith("last"), keep="last")
    fitted, layout = run(Plain(), perceptron, [problem(1)], [frozen])
    free, _ = run(Plain(), perceptron, [problem(1)], [plain_phase(keep="last")])
    begun, _ = run(Plain(), perceptron, [problem(1)], [plain_phase(epochs=1)], learning_rate=1e-30)
    final, moved, start = (layout.unflatten(result.weights[0]) for result in (fitted, free, begun))
    assert torch.equal(final["first.weight"], start["first.weight"])
    assert not torch.equal(final["last.weight"], start["last.weight"])
    assert not torch.equal(moved["first.weight"], start["first.weight"])


def test_a_phase_that_predicts_nothing_is_not_judged() -> None:
    class Encoder(Plain):
        def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
            return {"hidden": module.first(batch["x"])}  # type: ignore[operator]

    small = Term(lambda step: (step.outputs["hidden"] ** 2).mean())
    fitted, _ = run(Encoder(), perceptron, [problem(1)], [Phase("pretraining", {"size": small})])
    lines = fitted.history[0]
    assert fitted.best_epoch == [4]
    assert "validation_loss" not in lines[0] and lines[-1]["size"] < lines[0]["size"]


def test_running_statistics_are_those_of_the_batches() -> None:
    fitted, _ = run(
        Deep(), lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)), [problem(4)],
        [plain_phase(keep="last")], replicates="apart", epochs=2, batch_size=10,
    )  # fmt: skip
    x = problem(4).train.tensors["x"]  # type: ignore[attr-defined]
    mean = torch.zeros(3)
    for epoch in (1, 2):
        for rows in np.array_split(shuffled_order(4, "fit", epoch, 20), 2):
            mean = 0.9 * mean + 0.1 * x[rows].mean(0)
    torch.testing.assert_close(fitted.buffers["0.running_mean"][0], mean)
    assert fitted.buffers["0.num_batches_tracked"].tolist() == [4]


def test_running_statistics_are_refused_together() -> None:
    options: dict[str, Any] = {}
    words = 'set `replicates = "apart"` in the method, or use GroupNorm'
    with mended(
        "engine/together.py",
        words,
        TrainingError,
        lambda: run(Deep(), deep, [problem(1)], [plain_phase()], **options),
    ) as refused:
        assert "running statistics (1) cannot train" in refused.what
        options["replicates"] = "apart"


def test_choose_device__without_a_device_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wanted = ["cuda"]
    words = "use --device cpu, or install the CUDA build"
    with mended("engine/device.py", words, TrainingError, lambda: choose_device(wanted[0])):
        wanted[0] = "cpu"


def test_kept_statistics_belong_to_the_kept_epoch() -> None:
    class Worse(LeastSquares):
        """The first epoch is the best."""

        calls = 0

        def score(self, output: np.ndarray, outcome: Any) -> float:
            Worse.calls += 1
            return float(Worse.calls)

    plain = problem(1)
    judged = FitProblem(
        1, Worse(), plain.train, plain.validation, plain.outcome, plain.validation_outcome, fixed={}  # type: ignore[arg-type]
    )  # fmt: skip
    fitted, _ = run(
        Deep(), deep, [judged], [plain_phase(keep="best_metric")], replicates="apart", patience=2
    )
    assert fitted.best_epoch == [1] and len(fitted.history[0]) == 3
    assert fitted.buffers["1.num_batches_tracked"].tolist() == [4]  # 20 people in steps of 6


def test_standard_dropout_depends_on_the_seed_alone() -> None:
    def train(before: int, rate: float = 0.4) -> torch.Tensor:
        torch.manual_seed(before)
        return run(
            Deep(),
            lambda: nn.Sequential(nn.Linear(3, 8), nn.Dropout(rate), nn.Linear(8, 1)),
            [problem(1)],
            [plain_phase()],
            replicates="apart",
        )[0].weights

    assert torch.equal(train(1), train(2))
    assert not torch.equal(train(1), train(1, rate=0.0))


def test_a_transformer_layer_with_dropout_trains_apart() -> None:
    class Tokens(Network):
        def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
            return {
                "output": module(batch["x"][:, :, None].expand(-1, -1, 4)).mean((1, 2))[:, None]
            }

    def layer() -> nn.Module:
        return nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, batch_first=True)

    fitted, _ = run(Tokens(), layer, [problem(1), problem(2)], [plain_phase()], replicates="apart")
    assert torch.isfinite(fitted.weights).all()
    assert fitted.history[0][0]["validation_loss"] != fitted.history[0][-1]["validation_loss"]


@pytest.mark.parametrize("replicates", ["together", "apart"])
def test_nobody_is_read_but_in_batches(replicates: str) -> None:
    more: dict[str, Any] = {"replicates": replicates, "batch_size": 4}
    stored, in_memory = problem(1, rows=OnDisk), problem(1)
    read, _ = run(Plain(), perceptron, [stored], [followed()], **more)
    from_memory, _ = run(Plain(), perceptron, [in_memory], [followed()], **more)
    assert torch.equal(read.weights, from_memory.weights)
    assert stored.train.largest == stored.validation.largest == 4  # type: ignore[attr-defined]


def test_a_batch_size_of_everybody_is_gradient_descent() -> None:
    sizes: list[int] = []

    class Counting(Plain):
        def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
            sizes.append(len(batch["x"]))
            return super().forward(module, batch)

    run(Counting(), perceptron, [problem(1)], [plain_phase()], replicates="apart", batch_size=50)
    assert sizes == [20, 9] * 4
    sizes.clear()
    run(Counting(), perceptron, [problem(1)], [plain_phase()], replicates="apart", batch_size=5)
    assert sizes == [5, 5, 5, 5, 5, 4] * 4


@pytest.mark.parametrize("replicates", ["together", "apart"])
def test_a_hook_is_given_the_gradient_of_each_term(replicates: str) -> None:
    gradients_seen: list[Tensors] = []

    class Looking(Plain):
        def on_before_optimizer_step(
            self, gradients: Mapping[str, torch.Tensor], outputs: Tensors, batch: Tensors,
            layout: Layout,
        ) -> torch.Tensor:  # fmt: skip
            gradients_seen.append(dict(gradients))
            return super().on_before_optimizer_step(gradients, outputs, batch, layout)

    class Deaf(Looking):
        def on_before_optimizer_step(
            self, gradients: Mapping[str, torch.Tensor], outputs: Tensors, batch: Tensors,
            layout: Layout,
        ) -> torch.Tensor:  # fmt: skip
            return gradients["task"]

    more: dict[str, Any] = {"replicates": replicates}
    plain, _ = run(Plain(), perceptron, [problem(1)], [followed()], **more)
    looking, _ = run(Looking(), perceptron, [problem(1)], [followed()], **more)
    torch.testing.assert_close(plain.weights, looking.weights, rtol=1e-5, atol=1e-6)
    assert (
        set(gradients_seen[0]) == {"task", "follow"}
        and gradients_seen[0]["task"].shape == plain.weights.shape
    )
    deaf, _ = run(Deaf(), perceptron, [problem(1)], [followed()], **more)
    alone, _ = run(Plain(), perceptron, [problem(1)], [plain_phase()], **more)
    torch.testing.assert_close(deaf.weights, alone.weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("growth", "words"), [(3.0e4, "the loss is"), (float("nan"), "the loss is not finite")]
)
def test_a_loss_that_grows_without_bound_is_refused(growth: float, words: str) -> None:
    # However large a loss is at first: it is its growth that shows overshooting.
    large = Term(lambda step: 1e6 * (step.outputs["output"] ** 2).mean())
    run(Plain(), perceptron, [problem(1)], [Phase("fit", {"large": large})])
    epochs = iter([1.0, growth, growth, growth])
    growing = Term(large.loss, lambda epoch: next(epochs))
    with pytest.raises(TrainingError, match=words + ".* epoch 2, step 4 .replicate 0"):
        run(Plain(), perceptron, [problem(1)], [Phase("fit", {"large": growing})])


def test_layout_takes_apart_what_it_put_together() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    layout = Layout(module)
    back = layout.unflatten(layout.flatten(module))
    for name, value in module.named_parameters():
        torch.testing.assert_close(back[name], value.detach())
    larger = Layout(nn.Sequential(nn.Linear(5, 2), nn.LayerNorm(2)))
    padded = larger.flatten(module)
    assert float(larger.unflatten(padded)["0.weight"][:, 3:].abs().max()) == 0
    assert torch.equal(larger.trim(padded, layout), layout.flatten(module))


def test_a_gpu_that_is_not_there_is_a_named_error() -> None:
    assert choose_device("cpu") == CPU
    if torch.cuda.is_available():
        assert choose_device("cuda").type == "cuda"
    else:
        with pytest.raises(TrainingError, match="no CUDA device"):
            choose_device("cuda")
