"""What the stage `connectivity` writes and the modalities `edge` and `amplitude` read."""

from __future__ import annotations

import numpy as np

from gendmr.files.datasets import Schema, Variable, not_negative


def correlation(values: np.ndarray) -> str | None:
    """Refuse what no correlation is."""
    n_wrong = int((np.abs(values) > 1 + 1e-6).sum())
    return f"{n_wrong} values lie outside -1 to 1" if n_wrong else None


_OF_PEOPLE = {
    "volumes": Variable(
        ("participant",), "int64", "volumes", "length of the scan after censoring; -1 is unknown"
    ),
    "motion": Variable(
        ("participant",), "float64", "mm", "mean framewise displacement; NaN is unknown",
        not_negative,
    ),
}  # fmt: skip

EDGES: Schema = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "edge": Variable(("edge",), "text", "", "two regions: `first ~ second`"),
    "first": Variable(("edge",), "text", "", "region whose row of the matrix comes first"),
    "second": Variable(("edge",), "text", "", "the other region"),
    "first_domain": Variable(("edge",), "text", "", "network of the first region"),
    "second_domain": Variable(("edge",), "text", "", "network of the second region"),
    **{
        f"{place}_{axis}": Variable(("edge",), "float64", "mm", f"MNI, of the {place} region")
        for place in ("first", "second")
        for axis in "xyz"
    },
    "correlation": Variable(
        ("participant", "edge"), "float32", "", "Pearson's, shrunk (Ledoit-Wolf) where signals were"
        " read; NaN where one of the regions is constant or missing", correlation,
    ),
    **_OF_PEOPLE,
}  # fmt: skip

AMPLITUDES: Schema = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "amplitude": Variable(("amplitude",), "text", "", "region"),
    "domain": Variable(("amplitude",), "text", "", "network of the region"),
    "log_sd": Variable(
        ("participant", "amplitude"), "float64", "log of signal units",
        "logarithm of the SD of the region's signal; NaN where it is constant or missing",
    ),
    **_OF_PEOPLE,
}  # fmt: skip
