"""Arrays and weights that steps hand to one another: checked against their seal when read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gendmr.errors import InputFileError
from gendmr.files.seal import verify


def read_array(path: Path | str) -> np.ndarray:
    """Read the array of a `.npy` file.

    Raises
    ------
    InputFileError
        The file is missing or damaged, or holds Python objects.
    """
    arrays = _loaded(Path(path))
    if "" not in arrays:
        raise _damaged(Path(path), ValueError("several arrays"))
    return arrays[""]


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read all arrays of a `.npz` file by name.

    Raises
    ------
    InputFileError
        The file is missing or damaged, or holds Python objects.
    """
    return _loaded(Path(path))


def read_tensors(path: Path | str) -> dict[str, np.ndarray]:
    """Read all tensors of a `.safetensors` file by name.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    verify(path)
    try:
        tensors: dict[str, np.ndarray] = load(path.read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    return tensors


def _loaded(path: Path) -> dict[str, np.ndarray]:
    verify(path)
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            return {"": archive}
        with archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        # A damaged archive raises what its packing, its header and zlib happen to raise.
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputFileError:
    return InputFileError(
        f"{path}: not readable ({error})",
        cause="the file is missing, cut or damaged",
        next_step=f"rm {path}, then the same command: it is made again",
    )
