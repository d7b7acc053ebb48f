"""Where a training stands, so that a killed one goes on instead of starting again.

One file: 64 hexadecimal digits of SHA-256, a line feed, then safetensors, of which `state` is JSON
with the key and all that is not a tensor. No pickle is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.errors import OutputError
from gendmr.files.atomic import atomic_path, remove, remove_abandoned, temporaries, write_json
from gendmr.files.seal import break_seal

NAME = "training.checkpoint"
PROGRESS = "progress.json"
STATE = "state"
DIGEST = 64


@dataclass(frozen=True)
class Checkpoint:
    """A place for checkpoints of one training.

    Parameters
    ----------
    folder : Path
        Beside the results, in a folder of the key's name: Snakemake removes the outputs of a
        failed job, not this.
    key : str
        Of inputs, options, code, fold and seed; a checkpoint with another key is never used.
    epochs_between : int
        From one checkpoint to the next.
    progress : callable
        Gets a line when one is used, refused or set aside.
    place : (repeat, fold), optional
        Whose training it is; with it the history so far lies beside, for those who look on.
    """

    folder: Path
    key: str
    epochs_between: int = 5
    progress: Callable[[str], None] = lambda line: None
    place: tuple[int, int] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.key / NAME

    def save(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; a reader sees the old one or the new one."""
        from safetensors.numpy import save

        text = json.dumps({"key": self.key, **state}, sort_keys=True).encode()
        values = {name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())}
        body = save({**values, STATE: np.frombuffer(text, dtype=np.uint8)})
        digest = hashlib.sha256(body).hexdigest().encode()
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(digest + b"\n" + body)

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return the tensors and the state, or None where there is nothing to go on from.

        A damaged file is renamed to `training.checkpoint.damaged`, one of another key to
        `training.checkpoint.refused`; training then starts again.
        """
        from safetensors.numpy import load

        if not self.path.is_file():
            return None
        content = self.path.read_bytes()
        digest, body = content[:DIGEST], content[DIGEST + 1 :]
        if hashlib.sha256(body).hexdigest().encode() != digest:
            self._set_aside("damaged", "its checksum is wrong")
            return None
        tensors = load(body)
        state: dict[str, Any] = json.loads(tensors.pop(STATE).tobytes())
        if state.pop("key") != self.key:
            self._set_aside("refused", "it belongs to another configuration")
            return None
        phase = f" of phase {state['phase'] + 1}" if state.get("phase") else ""
        self.progress(f"going on from the checkpoint of epoch {state['epoch']}{phase}")
        return tensors, state

    def show(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Leave the history so far in `progress.json`; what it lacks, training does not miss."""
        if self.place is None:
            return
        finite = [
            {
                name: value
                for name, value in line.items()
                if isinstance(value, int | float) and math.isfinite(value)
            }
            for line in history
        ]
        progress = {"repeat": self.place[0], "fold": self.place[1], "history": finite}
        with contextlib.suppress(OSError, OutputError):
            write_json(self.path.with_name(PROGRESS), progress)

    def discard(self) -> None:
        """Remove it after the results are written; a damaged or refused one stays for a look."""
        remove(self.path)
        remove(self.path.with_name(PROGRESS))
        remove_abandoned(self.path.parent, temporaries(NAME))
        remove_abandoned(self.path.parent, temporaries(PROGRESS))
        for folder in (self.path.parent, self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                shutil.rmtree(folder)

    def _set_aside(self, suffix: str, reason: str) -> None:
        unused_path = self.path.with_suffix(f".checkpoint.{suffix}")
        self.path.replace(unused_path)
        break_seal(self.path)
        self.progress(
            f"checkpoint not used, {reason}: kept as {unused_path}; training starts again"
        )
