"""The network of `mil`: padding, sums, and which part looks at what."""

from __future__ import annotations

import pytest
import torch

from gendmr.methods.gated_attention import GatedAttention, masked_share
from gendmr.methods.mil.network import MilNet


def batch_of(families: int, patches: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    batch = {f"family_{number}": torch.randn(3, 4) for number in range(families)}
    if patches:
        batch["patch"] = torch.randn(3, 16, 5)
        batch["patch_used"] = torch.ones(3, 16)
        batch["patch_used"][:, 12:] = 0
        batch["patch_used"][2] = 0  # no slides
    return batch


@pytest.mark.parametrize(("families", "features"), [(0, 5), (1, 0), (3, 5)])
def test_what_stands_in_empty_places_counts_for_nothing(families: int, features: int) -> None:
    batch = batch_of(families, bool(features))
    net = MilNet([4] * families, features, 2, width=6, attention=4, dropout=0.1).eval()
    outputs = net(batch)
    assert outputs["output"].shape == (3, 2) and torch.isfinite(outputs["output"]).all()
    if not features:
        assert set(outputs) == {"output"}
        return
    garbage = torch.where(batch["patch_used"][..., None] > 0, batch["patch"], 99.0)
    torch.testing.assert_close(net({**batch, "patch": garbage})["output"], outputs["output"])
    assert not outputs["tokens_patch"][:, 12:].any() and not outputs["tokens_patch"][2].any()


def test_slides_alone_are_a_sum_over_patches_and_the_bias() -> None:
    net = MilNet([], 5, 2, width=6, attention=4, dropout=0.0).eval()
    outputs = net(batch_of(0, True))
    by_patch = outputs["tokens_patch"] @ net.head.weight.T  # (person, place, output)
    torch.testing.assert_close(by_patch.sum(1) + net.head.bias, outputs["output"])
    torch.testing.assert_close(outputs["output"][2], net.head.bias)


def test_gated_attention__is_the_published_formula() -> None:
    torch.manual_seed(2)
    attention = GatedAttention(4, 3)
    tokens = torch.randn(1, 5, 4)
    expected = []
    for token in tokens[0]:  # Ilse et al. 2018, equation 9
        v = torch.tanh(attention.say.weight @ token + attention.say.bias)
        u = torch.sigmoid(attention.gate.weight @ token + attention.gate.bias)
        expected.append((attention.score.weight[0] * v * u).sum())
    shares = torch.softmax(torch.stack(expected), 0)
    torch.testing.assert_close(attention(tokens, torch.ones(1, 5))[0], shares)


def test_masked_share__of_nothing_is_nothing() -> None:
    assert not masked_share(torch.randn(2, 3), torch.zeros(2, 3)).any()


def test_genes_decide_where_co_attention_looks() -> None:
    batch = batch_of(2, True)
    net = MilNet([4, 4], 5, 1, width=6, attention=4, dropout=0.0).eval()
    shares = [
        net({**batch, "family_0": genes})["tokens_patch"][0].norm(dim=-1)
        for genes in (batch["family_0"], 3 - batch["family_0"])
    ]
    assert (shares[0] - shares[1]).abs().max() > 1e-4
