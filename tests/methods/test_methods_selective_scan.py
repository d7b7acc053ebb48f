"""The scan of Mamba: equal to its slow twin, causal, and small in memory."""

from __future__ import annotations

import pytest
import torch

from gendmr.methods.selective_scan import CHUNK, MambaBlock, by_kernel, selective_scan


def arguments(steps, batch=2, channels=6, states=4, dtype=torch.float32):
    generator = torch.Generator().manual_seed(steps)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return [
        normal(batch, steps, channels),
        torch.nn.functional.softplus(normal(batch, steps, channels)),
        -torch.exp(normal(channels, states)),
        normal(batch, steps, states),
        normal(batch, steps, states),
        normal(channels),
    ]


def slow_scan(x, delta, a, b, c, d):
    """The recurrence as it is written down, by step, batch and channel."""
    state = torch.zeros(len(x), x.shape[2], a.shape[1], dtype=x.dtype)
    outputs = []
    for step in range(x.shape[1]):
        moved = delta[:, step, :, None]
        state = torch.exp(moved * a) * state + moved * b[:, step, None] * x[:, step, :, None]
        outputs.append((state * c[:, step, None]).sum(-1) + d * x[:, step])
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("steps", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_selective_scan__equals_its_slow_twin_with_gradients(steps):
    results = []
    for scan in (selective_scan, slow_scan):
        inputs = [argument.requires_grad_() for argument in arguments(steps)]
        y = scan(*inputs)
        weight = torch.cos(torch.arange(y.numel(), dtype=y.dtype)).reshape(y.shape)
        results.append((y, torch.autograd.grad((y * weight).sum(), inputs)))
    (ours, gradients), (slow, expected) = results
    torch.testing.assert_close(ours, slow, atol=1e-5, rtol=1e-5)
    for gradient, expected_gradient in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, atol=1e-4, rtol=1e-4)


def test_selective_scan__gradients_are_those_of_differences():
    inputs = [argument.requires_grad_() for argument in arguments(5, 1, 2, 2, torch.float64)]
    assert torch.autograd.gradcheck(selective_scan, inputs)


def test_selective_scan__keeps_less_than_half_of_what_the_twin_keeps():
    """What autograd holds between forward and backward, in bytes."""
    saved_bytes = {}
    for scan in (selective_scan, slow_scan):
        bytes_by_address: dict[int, int] = {}

        def keep(tensor, bytes_by_address=bytes_by_address):
            storage = tensor.untyped_storage()
            bytes_by_address[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = scan(*[argument.requires_grad_() for argument in arguments(256, 2, 16, 8)])
            saved_bytes[scan] = sum(bytes_by_address.values())
        y.sum().backward()
    assert saved_bytes[selective_scan] < saved_bytes[slow_scan] / 2


def test_by_kernel__hands_sequences_over_as_mamba_has_them():
    """The signature of `mamba_ssm.ops.selective_scan_interface.selective_scan_ref`."""

    def kernel(u, delta, a, b, c, d):
        batch, channels, steps = u.shape
        assert delta.shape == u.shape
        assert b.shape == c.shape == (batch, a.shape[1], steps)
        state, outputs = u.new_zeros(batch, channels, a.shape[1]), []
        for step in range(steps):
            moved = delta[:, :, step, None]
            drive = moved * b[:, None, :, step] * u[:, :, step, None]
            state = torch.exp(moved * a) * state + drive
            outputs.append((state * c[:, None, :, step]).sum(-1) + d * u[:, :, step])
        return torch.stack(outputs, dim=2)

    inputs = arguments(21)
    torch.testing.assert_close(
        by_kernel(kernel, *inputs), selective_scan(*inputs), atol=1e-5, rtol=1e-5
    )


def test_mamba_block__is_causal():
    torch.manual_seed(1)
    block = MambaBlock(8, states=4)
    tokens = torch.randn(2, 4 * CHUNK, 8)
    changed = tokens.clone()
    place = CHUNK + 7
    changed[:, place] += 1.0
    before, after = block(tokens), block(changed)
    torch.testing.assert_close(before[:, :place], after[:, :place], atol=0, rtol=0)
    differs = (before != after).any(dim=-1).any(dim=0)
    assert differs[place]
    assert differs[place + 20]


def test_mamba_block__parameters_have_the_names_and_shapes_of_mamba():
    """As `mamba_ssm.Mamba(d_model=32, d_state=16, d_conv=4, expand=2)` has them."""
    shapes = {
        name: tuple(parameter.shape) for name, parameter in MambaBlock(32).state_dict().items()
    }
    assert shapes == {
        "A_log": (64, 16),
        "D": (64,),
        "in_proj.weight": (128, 32),
        "conv1d.weight": (64, 1, 4),
        "conv1d.bias": (64,),
        "x_proj.weight": (2 + 32, 64),
        "dt_proj.weight": (64, 2),
        "dt_proj.bias": (64,),
        "out_proj.weight": (32, 64),
    }
    step = torch.nn.functional.softplus(MambaBlock(32).dt_proj.bias)
    assert step.min() >= 0.99e-3
    assert step.max() <= 1.01e-1
