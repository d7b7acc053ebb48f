"""Columns of predictions.tsv that hold times, risks and survival curves."""

from __future__ import annotations

import numpy as np
import pandas as pd

GRID = 16  # times at which survival curves are stored
HORIZONS = tuple(f"horizon_{number:02}" for number in range(1, GRID + 1))
SURVIVAL = tuple(f"survival_{number:02}" for number in range(1, GRID + 1))


def arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time, event and risk."""
    return (
        rows["time"].to_numpy(float),
        rows["event"].to_numpy(int) == 1,
        rows["risk"].to_numpy(float),
    )
