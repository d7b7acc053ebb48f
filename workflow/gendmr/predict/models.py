"""Which models are asked for: those of a study's folds, or one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gendmr.errors import ConfigurationError, InputFileError, did_you_mean, first_few
from gendmr.training.model import FoldModel, read_model

FILE = "model.safetensors"


def find_models(
    source: Path, methods: Sequence[str] = (), fold: tuple[int, int] | None = None
) -> dict[str, list[Path]]:
    """Return the files of models by method.

    Parameters
    ----------
    source : Path
        `results/<study>`, or a model.safetensors.
    methods : sequence of str
        Those that are wanted; none: all.
    fold : (repeat, fold), optional
        The one that is wanted; without it all.

    Raises
    ------
    InputFileError
        No model is there.
    ConfigurationError
        No such method.
    """
    if source.is_file():
        return {read_model(source).method: [source]}
    pattern = "repeat-*/fold-*" if fold is None else f"repeat-{fold[0]}/fold-{fold[1]}"
    paths: dict[str, list[Path]] = {}
    for path in sorted(source.glob(f"training/*/{pattern}/{FILE}")):
        paths.setdefault(path.parents[2].name, []).append(path)
    if not paths:
        raise InputFileError(
            f"{source}: no training/<method>/{pattern}/{FILE}",
            cause="another folder than results/<study>, a study that has not run yet, or no such"
            " fold: repeats and folds count from 0",
            next_step="name the folder of a finished study, or a model.safetensors",
        )
    unknown = [name for name in methods if name not in paths]
    if unknown:
        raise ConfigurationError(
            f"{source}: no method {first_few(unknown)}; it has {first_few(paths, 30)}"
            f"{did_you_mean(unknown, paths)}",
            next_step="name one of these with --method, or none for all",
        )
    return {name: paths[name] for name in methods or paths}


def read_models(paths: Sequence[Path]) -> list[FoldModel]:
    """Return the models of one method; see `read_model`."""
    return [read_model(path) for path in paths]
