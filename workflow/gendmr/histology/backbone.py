"""The network that describes tiles: torchvision's, with the weights of the user."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.config.histology import TilesSection
from gendmr.errors import ConfigurationError, InputFileError, ModelError, did_you_mean, first_few

if TYPE_CHECKING:
    import torch

HEADS = ("fc", "heads", "head", "classifier")  # last layers of torchvision's networks
COUNTER = "num_batches_tracked"  # of batch normalisation: counts training, changes no feature
FEATURES = "features"


def read_models() -> ModuleType:
    """Import torchvision's networks.

    The build of torchvision for CUDA lacks its compiled operators beside a torch for CPUs and then
    cannot be imported, since it declares how shapes of two of them go. No network for
    classification calls them: they are named here, and never computed.
    """
    import torch

    try:
        from torchvision import models
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        names: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            names.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(names)  # what is declared ends with its library
        from torchvision import models
    return models  # type: ignore[no-any-return]


_DECLARED: list[Any] = []


def build_network(section: TilesSection) -> torch.nn.Module:
    """Return the network up to the features, with weights of no use yet.

    Raises
    ------
    ConfigurationError
        torchvision has no such network, or the network no such layer.
    """
    import torch

    models = read_models()
    networks = models.list_models(module=models)
    if section.backbone not in networks:
        raise ConfigurationError(
            f"histology.tiles.backbone = {section.backbone!r}: no network for classification of"
            f" torchvision{did_you_mean([section.backbone], networks)}",
            next_step=f"take one of: {first_few(networks, len(networks))}",
        )
    network: torch.nn.Module = models.get_model(section.backbone, weights=None).eval()
    if section.layer is None:
        head = next((name for name in HEADS if hasattr(network, name)), None)
        if head is None:
            raise ConfigurationError(
                f"histology.tiles.backbone = {section.backbone!r}: its last layer is not known",
                next_step="name the layer whose output are the features: `histology: tiles:"
                " layer:`",
            )
        setattr(network, head, torch.nn.Identity())
        return network
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    nodes = get_graph_node_names(network)[1]
    inner = sorted({node.rsplit(".", depth)[0] for node in nodes for depth in range(3)})
    if section.layer not in inner:
        parts = [name for name in dict(network.named_modules()) if name.count(".") < 1 and name]
        raise ConfigurationError(
            f"histology.tiles.layer = {section.layer!r}: no layer of {section.backbone}"
            f"{did_you_mean([section.layer], inner)}",
            next_step=f"take one of: {first_few(parts, 40)}; or a part of one, such as"
            f" {inner[-1]!r}",
        )
    shortened: torch.nn.Module = create_feature_extractor(network, {section.layer: FEATURES})
    return shortened.eval()


def check_weights(section: TilesSection) -> None:
    """Refuse weights that do not fit the network; no weight is read.

    Raises
    ------
    ConfigurationError, InputFileError, ModelError
        See `build_network` and `read_weights`; or the network cannot read tiles of this size.
    """
    import torch

    shapes = _shapes(section.weights)
    with torch.device("meta"):
        network = build_network(section)
        _refuse_unfit(section, network, shapes)
        try:
            pooled(network(torch.empty(1, 3, section.size, section.size, device="meta")))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ConfigurationError(
                f"histology.tiles.size = {section.size}: {section.backbone} does not read tiles of"
                f" this size ({str(error).splitlines()[0]})",
                cause="a network for pictures of one size, such as 224",
                next_step="set `histology: tiles: size: 224`, or take another backbone",
            ) from error


def read_network(section: TilesSection) -> tuple[torch.nn.Module, int]:
    """Return the network with its weights, and how many tensors of the file it does not use.

    Raises
    ------
    ConfigurationError, InputFileError, ModelError
        See `check_weights`; or weights are not finite.
    """
    import torch
    from safetensors.torch import load_file

    shapes = _shapes(section.weights)
    network = build_network(section)
    needed = _refuse_unfit(section, network, shapes)
    tensors = load_file(section.weights)
    wrong = [name for name in needed if not bool(torch.isfinite(tensors[name].float()).all())]
    if wrong:
        raise ModelError(
            f"{section.weights}: {len(wrong)} tensors hold NaN or infinite numbers:"
            f" {first_few(wrong)}",
            cause="training that diverged, or a damaged file",
            next_step="take other weights",
        )
    state = network.state_dict()
    network.load_state_dict(state | {name: tensors[name].to(state[name].dtype) for name in needed})
    return network, len(set(tensors) - set(needed))


def _shapes(path: str) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="weights that were not fetched: none are shipped, and none are downloaded",
            next_step="save the weights of a backbone of torchvision there:"
            " safetensors.torch.save_file(network.state_dict(), path)",
        )
    try:
        with safe_open(path, framework="np") as stored:
            return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputFileError(
            f"{path}: not readable as safetensors ({error})",
            cause="a damaged or cut file, or a file of torch under another name",
            next_step="fetch or convert the weights again",
        ) from error


def _refuse_unfit(
    section: TilesSection, network: torch.nn.Module, shapes: dict[str, tuple[int, ...]]
) -> list[str]:
    """Return the tensors of the file that the network needs."""
    expected = {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith(COUNTER)
    }
    missing = [name for name in expected if name not in shapes]
    misshapen = [name for name in expected if name in shapes and shapes[name] != expected[name]]
    if missing or misshapen:
        shown = [f"{name} {shapes[name]} for {expected[name]}" for name in misshapen[:3]]
        prefix = _prefix(expected, shapes)
        raise ModelError(
            f"{section.weights}: no weights of {section.backbone}: of {len(expected)} tensors"
            f" {len(missing)} are missing{f': {first_few(missing, 3)}' if missing else ''}"
            f"{f'; {len(misshapen)} have another shape: {first_few(shown)}' if misshapen else ''};"
            f" the file has {len(shapes)}: {first_few(shapes, 3)}",
            cause=f"names that begin with {prefix!r}" if prefix else "weights of another network",
            next_step=f"save them without {prefix!r} before their names"
            if prefix
            else "set `histology: tiles: backbone:` to the network that the weights are of",
        )
    return list(expected)


def _prefix(expected: dict[str, tuple[int, ...]], shapes: dict[str, tuple[int, ...]]) -> str:
    """Return what stands before the names of a file that otherwise fit, such as `module.`."""
    first = next(iter(expected))
    for name in shapes:
        before = name.removesuffix(first)
        if name.endswith(first) and before and all(f"{before}{key}" in shapes for key in expected):
            return before
    return ""


def pooled(output: Any) -> torch.Tensor:
    """Return features (tile, feature): the mean over what places the network still has.

    Maps are (tile, feature, row, column); tokens of a transformer (tile, token, feature).
    """
    values: torch.Tensor = output[FEATURES] if isinstance(output, dict) else output
    if values.ndim == 4:
        return values.mean((2, 3))
    return values.mean(1) if values.ndim == 3 else values


def describe(network: torch.nn.Module, tiles: np.ndarray, section: TilesSection) -> np.ndarray:
    """Return the features of tiles, float32 (tile, feature).

    Parameters
    ----------
    network : Module
    tiles : uint8 (tile, y, x, 3)
    section : TilesSection
    """
    import torch

    device = next(network.parameters()).device
    mean, sd = (np.asarray(statistic, np.float32) for statistic in (section.mean, section.sd))
    values = (tiles.astype(np.float32) / 255 - mean) / sd
    batch = torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
    with torch.inference_mode():
        features = pooled(network(batch.to(device)))
    return np.asarray(features.cpu().numpy(), np.float32)
