"""The parts of the method `subspace`: shapes, the fast form of the attention, coordination."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gendmr.config.methods.subspace import MCAT_FAMILIES, SubspaceMethod
from gendmr.config.modalities.patch import PatchSection
from gendmr.config.outcomes import KINDS as OUTCOMES
from gendmr.config.training import MethodOptions
from gendmr.engine.layout import Layout
from gendmr.engine.network import TARGET
from gendmr.errors import TrainingError
from gendmr.methods.bags import attribute
from gendmr.methods.subspace.attention import DeformableAttention, keys_per_side
from gendmr.methods.subspace.method import Subspace, build, genes_of, random_partition
from gendmr.methods.subspace.network import SubspaceEnsemble, SubspaceNet
from gendmr.methods.subspace.terms import concordance, consistency, coordinate
from gendmr.statistics.survival import harrell_c
from remedies import mended


def count(net: torch.nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def test_the_network_of_the_paper_has_its_number_of_parameters() -> None:
    net = SubspaceNet({"tumour": 59, "environment": 361}, 1024, 4)
    assert count(net) == 628_966
    assert keys_per_side(50) == 12


def test_points_have_the_stated_shape_and_padding_counts_for_nothing() -> None:
    torch.manual_seed(0)
    net = SubspaceNet({"a": 5, "b": 3}, 7, 3, width=16, head_width=4).eval()
    used = torch.ones(2, 144)
    used[:, 100:] = 0
    batch = {
        "expression_a": torch.randn(2, 5),
        "expression_b": torch.randn(2, 3),
        "patch": torch.randn(2, 144, 7),
        "patch_used": used,
    }
    outputs = net(batch)
    assert outputs["output"].shape == (2, 3)
    assert outputs["points_a"].shape == (2 * 8, 2, 3, 3)
    garbage = batch["patch"].clone()
    garbage[:, 100:] = 9
    # The rows of patches that are no padding see the padding as zeros, whatever stands in it.
    again = net({**batch, "patch": garbage})
    torch.testing.assert_close(again["tokens_a"][:, :100], outputs["tokens_a"][:, :100])
    assert not outputs["tokens_a"][:, 100:].any()
    parts = outputs["alone_a"] + outputs["alone_b"]
    torch.testing.assert_close(parts, outputs["output"])


@pytest.mark.parametrize("side", [4, 12, 20])
def test_the_fast_attention_is_the_plain_one(side: int) -> None:
    torch.manual_seed(1)
    attention = DeformableAttention(32, 8, 16, dropout=0.0)
    attention.few = 0
    tokens = [torch.randn(2, side * side, 32, requires_grad=True) for _ in range(2)]
    weights = [*tokens, *attention.parameters()]
    results = []
    for plain in (False, True):
        attention.plain = plain
        mixed, points = attention(*tokens)
        # The last bias is the same for all keys, where a softmax has no slope but rounding.
        loss = (mixed**3).sum() + points.square().sum()
        results.append((mixed, torch.autograd.grad(loss, weights)))
    (fast, slopes), (plain_mixed, plain_slopes) = results
    torch.testing.assert_close(fast, plain_mixed, atol=1e-5, rtol=0)
    for slope, plain_slope in zip(slopes, plain_slopes, strict=True):
        torch.testing.assert_close(slope, plain_slope, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("deformable", [True, False])
def test_gated_pooling__shares_of_the_used_patches_add_up_to_the_bag(deformable: bool) -> None:
    torch.manual_seed(6)
    sizes = {"tumour": 5, "environment": 3}
    options = {"width": 16, "heads": 2, "head_width": 4, "deformable": deformable}
    net = SubspaceNet(sizes, 7, 3, gated=True, **options).eval()  # type: ignore[arg-type]
    used = torch.ones(2, 16)
    used[0, 10:] = 0
    batch = {
        "expression_tumour": torch.randn(2, 5),
        "expression_environment": torch.randn(2, 3),
        "patch": torch.randn(2, 16, 7),
        "patch_used": used,
    }
    outputs = net(batch)
    assert not outputs["tokens_tumour"][0, 10:].any()
    mean = SubspaceNet(sizes, 7, 3, **options).eval()  # type: ignore[arg-type]
    mean.load_state_dict(net.state_dict(), strict=False)
    alike = mean(batch)["tokens_tumour"]
    # Both weigh the same tokens: the ratio of a patch is its share over an equal one.
    ratio = (outputs["tokens_tumour"] / alike).nan_to_num().mean(2)  # (person, patch)
    share = ratio * used / used.sum(1, keepdim=True)
    torch.testing.assert_close(share.sum(1), torch.ones(2), atol=1e-4, rtol=0)
    assert share[used > 0].std() > 1e-4


def test_consistency__is_0_where_people_alike_in_genes_sample_alike() -> None:
    torch.manual_seed(2)
    code = torch.randn(4, 18)
    points = code.repeat_interleave(3, dim=0).reshape(12, 2, 3, 3)
    weight = torch.ones(4)
    assert consistency(code, points, 3, weight).item() == pytest.approx(0, abs=1e-6)
    assert consistency(code, points, 3, weight, "released").item() > 0.1


def test_consistency__does_not_depend_on_the_order_of_people() -> None:
    torch.manual_seed(3)
    genes, points, order = torch.randn(5, 6), torch.randn(5, 4, 2, 3, 3), [3, 1, 4, 0, 2]
    weight = torch.tensor([1.0, 1, 0, 1, 1])
    first = consistency(genes, points.flatten(0, 1), 4, weight)
    again = consistency(genes[order], points[order].flatten(0, 1), 4, weight[order])
    torch.testing.assert_close(first, again)


@pytest.mark.parametrize(("projection", "sign"), [("orthogonal", 0), ("released", 1)])
def test_coordinate__turns_the_less_confident_subspace_only(projection: str, sign: int) -> None:
    torch.manual_seed(4)
    gradient = torch.randn(2, 6, 9)
    confidence = torch.tensor([0.3, 0.7])
    turned = coordinate(gradient, confidence, projection)  # type: ignore[arg-type]
    torch.testing.assert_close(turned[1], gradient[1])
    before = torch.cosine_similarity(gradient[0], gradient[1], dim=1)
    after = torch.cosine_similarity(turned[0], turned[1], dim=1)
    against = before < 0
    assert against.any() and not against.all()
    torch.testing.assert_close(turned[0][~against], gradient[0][~against])
    torch.testing.assert_close(after[against], -sign * before[against], atol=1e-5, rtol=1e-4)
    along = (gradient[0] * gradient[1]).sum(1, keepdim=True) / gradient[1].square().sum(
        1, keepdim=True
    )
    norm = (gradient[0] - along * gradient[1]).norm(dim=1)
    torch.testing.assert_close(turned[0].norm(dim=1)[against], norm[against])


def test_concordance__is_that_of_the_package() -> None:
    random = np.random.default_rng(5)
    time, event = random.permutation(30).astype(float) + 1, random.uniform(size=30) < 0.5
    risk = random.normal(size=30).round(1)
    expected = harrell_c(time, event, risk)
    ours = concordance(*map(torch.from_numpy, (risk, time, event.astype(float))))
    assert ours.item() == pytest.approx(expected)
    assert concordance(torch.ones(2), torch.ones(2), torch.zeros(2)).item() == 0.5


def test_genes_of_two_subspaces_are_in_neither() -> None:
    groups = ["Oncogenes", "Oncogenes;Cytokines and Growth Factors", "", "Kinases",
              "Cytokines and Growth Factors"]  # fmt: skip
    places, notes = genes_of(groups, MCAT_FAMILIES)
    assert {name: genes.tolist() for name, genes in places.items()} == {
        "tumour": [0],
        "environment": [4],
    }
    assert notes[1] == "1 gene is in several subspaces, so in none."


def test_a_subspace_without_genes_is_refused_before_training() -> None:
    groups, families = ["Oncogenes", ""], dict(MCAT_FAMILIES)
    words = "name families with genes of their own in `subspaces` of the method"
    module = "methods/subspace/method.py"
    with mended(module, words, TrainingError, lambda: genes_of(groups, families)) as refused:
        assert "subspaces without a gene" in refused.what
        families = {"tumour": ["Oncogenes"], "environment": ["Own"]}
        groups[1] = "Own"


def test_random_partition__has_the_same_sizes_and_no_gene_twice() -> None:
    places = {"a": np.arange(5), "b": np.arange(5, 12)}
    drawn = random_partition(places, 40, seed=1)
    assert [len(genes) for genes in drawn.values()] == [5, 7]
    assert len(set(np.concatenate(list(drawn.values())).tolist())) == 12
    assert any((drawn[name] != genes).any() for name, genes in places.items())


def method_of(task: str = "diagnosis", **options: object) -> Subspace:
    section = SubspaceMethod(outcome=task, width=8, heads=2, head_width=4, **options)  # type: ignore[arg-type]
    outcome = OUTCOMES["binary"]()
    return build(
        MethodOptions(
            method=section,
            outcome=task,
            task=outcome,
            reads=("expression", "patch"),
            modalities={},
            covariates=(),
            optimisation=None,
        )
    )


@pytest.mark.parametrize(
    ("options", "genes", "features", "terms"),
    [
        ({}, 5, 7, {"task", "consistency"}),
        ({"consistency": "none"}, 5, 7, {"task"}),
        ({"deformable": False}, 5, 7, {"task"}),
        ({}, 0, 7, {"task"}),
        ({}, 5, 0, {"task"}),
    ],
)
def test_consistency_is_a_term_where_genes_guide_the_sampling(
    options: dict[str, object], genes: int, features: int, terms: set[str]
) -> None:
    method = method_of(**options)
    net = SubspaceNet(
        {"a": genes, "b": genes}, features, 2, width=8, heads=2, head_width=4,
        deformable=method.options.deformable,
    )  # fmt: skip
    problem = SimpleNamespace(task=method.task)
    (phase,) = method.phases(SubspaceEnsemble([net]), [problem])  # type: ignore[list-item]
    assert set(phase.terms) == terms


def test_subspace_ensemble__is_the_mean_of_networks_trained_apart() -> None:
    torch.manual_seed(7)
    sizes, options = {"a": 5, "b": 3}, {"width": 8, "heads": 2, "head_width": 4}
    nets = [SubspaceNet(sizes, 0, 1, **options) for _ in range(2)]  # type: ignore[arg-type]
    method = method_of(seeds=2)
    ensemble, batch = SubspaceEnsemble(nets), {"expression_a": torch.randn(6, 5)}
    batch["expression_b"] = torch.randn(6, 3)
    ensemble.eval()
    outputs = ensemble(batch)
    apart = [net(batch)["output"] for net in nets]
    torch.testing.assert_close(outputs["output"], torch.stack(apart).mean(0))
    # Coordination: the head of each network is turned as it would be alone.
    target = {f"{TARGET}case": torch.tensor([0.0, 1, 1, 0, 1, 0]), "weight": torch.ones(6)}
    turned = []
    for module in (ensemble, SubspaceEnsemble(nets[1:])):
        method.seeds = len(module.networks)
        layout = Layout(module)
        torch.manual_seed(8)
        head = torch.randn(2, 1, 16)[-method.seeds :]
        row = torch.zeros(1, layout.width)
        for number in range(method.seeds):
            layout.unflatten(row[0])[f"networks.{number}.head.weight"].copy_(head[number])
        replicate_outputs = {name: value[None].detach() for name, value in module(batch).items()}
        gradients = {"task": row}
        whole = {name: value[None] for name, value in target.items()}
        result = method.on_before_optimizer_step(gradients, replicate_outputs, whole, layout)
        assert not torch.equal(result, row)
        name = f"networks.{method.seeds - 1}.head.weight"
        turned.append(layout.unflatten(result[0])[name].clone())
    torch.testing.assert_close(*turned)


def test_attribute__genes_by_each_network_are_on_average_those_of_the_output() -> None:
    torch.manual_seed(9)
    options = {"width": 8, "heads": 2, "head_width": 4}
    net = SubspaceEnsemble([SubspaceNet({"a": 6}, 0, 2, **options) for _ in range(2)]).eval()  # type: ignore[arg-type]
    genes = torch.randn(5, 6, requires_grad=True)
    outputs = net({"expression_a": genes})
    weight = np.array([[1.0, -1.0]] * 5)
    fitted = SimpleNamespace(
        modalities=("expression",),
        outputs=lambda people, slopes: [(outputs, {"expression": genes})],
        task=SimpleNamespace(contrast=lambda output: weight),
        preparation=SimpleNamespace(instances=lambda name: range(6)),
    )
    people = SimpleNamespace(present={"expression": np.array([True] * 4 + [False])})
    result = attribute(fitted, people, ["output@0", "output@1"])["expression"]  # type: ignore[arg-type]
    assert result.seeds is not None and result.seeds.shape == (2, 5, 6)
    assert np.isnan(result.seeds[:, 4]).all() and np.isfinite(result.seeds[:, :4]).all()
    np.testing.assert_allclose(result.seeds.mean(axis=0)[:4], result.value[:4], atol=1e-6)
    assert np.abs(result.seeds[0, :4] - result.seeds[1, :4]).max() > 1e-3
    scalar = (outputs["output"].detach().numpy() * weight).sum(axis=1)
    np.testing.assert_allclose((result.value.sum(1) + result.baseline)[:4], scalar[:4], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "reads", "networks"),
    [
        ({}, ("expression",), 5),
        ({}, ("expression", "patch"), 1),
        ({"seeds": 3}, ("expression", "patch"), 3),
        ({"compat": "released"}, ("expression",), 1),
    ],
)
def test_networks__are_several_where_they_cost_little(
    options: dict[str, object], reads: tuple[str, ...], networks: int
) -> None:
    assert SubspaceMethod(**options).networks(reads) == networks  # type: ignore[arg-type]


def test_released_takes_all_defects_at_once() -> None:
    method = method_of(compat="released")
    assert (method.projection, method.grouping) == ("released", "released")
    patch = method.options.adapt("patch", PatchSection())
    assert patch.scale == "none"


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValidationError, match="no multiple of heads"):
        SubspaceMethod(width=30, heads=8)


@pytest.mark.parametrize(("side", "stride", "keys"), [(8, 4, 2), (8, 2, 4), (8, 1, 8), (12, 3, 4)])
def test_keys_are_a_stride_apart_and_stay_within_reach(side: int, stride: int, keys: int) -> None:
    torch.manual_seed(3)
    tokens = torch.randn(2, side * side, 16)
    for reach in (0.0, 0.25):
        attention = DeformableAttention(16, 2, 4, 0.0, stride=stride, reach=reach)
        with torch.no_grad():
            attention.offset[-1].weight.mul_(1e3)  # as far as they may go
            _, points = attention(tokens, tokens)
        assert points.shape == (4, 2, keys, keys) and keys_per_side(side, stride) == keys
        steps = torch.arange(keys, dtype=torch.float32)
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        far = (points - torch.stack([across, down])).abs().max()
        assert far == pytest.approx(reach * (keys - 1), rel=1e-4)


def test_gene_dropout__hides_genes_in_training_and_nowhere_else() -> None:
    torch.manual_seed(4)
    net = SubspaceNet({"a": 5}, 7, 3, width=16, head_width=4, dropout=0.0, gene_dropout=0.5)
    batch = {
        "expression_a": torch.randn(64, 5),
        "patch": torch.randn(1, 16, 7).expand(64, 16, 7),
        "patch_used": torch.ones(64, 16),
    }
    net.train()
    torch.manual_seed(5)
    trained = net(batch)["output"]
    torch.manual_seed(5)
    without = net({**batch, "expression_a": torch.zeros(64, 5)})["output"]
    hidden = (trained == without).all(1)
    assert 0.25 < hidden.float().mean() < 0.75
    net.eval()
    plain = SubspaceNet({"a": 5}, 7, 3, width=16, head_width=4, dropout=0.0).eval()
    plain.load_state_dict(net.state_dict())
    torch.testing.assert_close(net(batch)["output"], plain(batch)["output"], rtol=0, atol=0)
