"""Seeds derived from the study's one seed and the name of what they are for."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *purpose: object) -> int:
    """Return a 63-bit seed that depends on `seed` and on every part of `purpose`.

    The same purpose always gives the same seed, whatever ran before and in whatever order,
    so that a fold can be rerun alone.
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: object) -> np.random.Generator:
    """Return a numpy generator for one purpose."""
    return np.random.default_rng(derive(seed, *purpose))
