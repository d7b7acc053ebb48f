"""Flags: the thresholds of the figure are those by which people are flagged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.config.imaging import Outliers
from gendmr.imaging.flags import JUDGED, flag_outliers, thresholds
from gendmr.imaging.quality_figure import draw_quality

TYPICAL = {
    "dice": 0.96,
    "similarity": 0.7,
    "jacobian_min": 0.5,
    "jacobian_max": 1.8,
    "icv_ratio": 1.0,
    "icv_mm3": 1.4e6,
    "grey_fraction": 0.45,
}


def cohort(n: int, seed: int = 0) -> pd.DataFrame:
    """Ordinary scans, none of which is flagged."""
    rng = np.random.default_rng(seed)
    columns = {
        name: value * (1 + 0.01 * np.clip(rng.normal(size=n), -2, 2))
        for name, value in TYPICAL.items()
    }
    names = [f"p{row:02d}" for row in range(n)]
    return pd.DataFrame({"participant_id": names, **columns, "warnings": ""})


@given(
    name=st.sampled_from(list(JUDGED)),
    share=st.floats(0.2, 3.0),
    n=st.sampled_from([5, 30]),
)
def test_who_is_flagged_lies_beyond_the_drawn_thresholds(name, share, n):
    table = cohort(n)
    table.loc[0, name] *= share
    limits = Outliers()
    flagged = flag_outliers(table, limits)["outlier"].to_numpy()
    bounds = thresholds(table, limits)
    beyond = np.zeros(n, dtype=bool)
    for measure, (low, high) in bounds.items():
        values = table[measure].to_numpy()
        beyond |= (values < low) | (values > high)
    assert flagged.tolist() == beyond.tolist()


@pytest.mark.parametrize(("ratio", "flag"), [(0.8, True), (0.9, False), (1.1, False), (1.2, True)])
def test_a_mask_that_is_not_the_brain_the_template_was_fitted_to_is_flagged(ratio, flag):
    table = cohort(4)
    table.loc[1, "icv_ratio"] = ratio
    row = flag_outliers(table, Outliers(exclude_by=("icv_ratio",))).loc[1]
    assert row["outlier"] == row["excluded"] == flag
    if flag:
        assert "carried to the scan, per volume of the scan's mask" in row["reason"]


def texts(figure) -> list[str]:
    return [text.get_text() for panel in figure.axes for text in panel.texts]


def test_thresholds_are_drawn_and_half_of_them_flagged_is_the_first_word(tmp_path):
    table = cohort(20)
    drawn = flag_outliers(table, Outliers())
    figure = draw_quality(tmp_path / "a.png", drawn, JUDGED, thresholds(table, Outliers()))
    bounds = [bound for pair in thresholds(table, Outliers()).values() for bound in pair]
    assert f"{thresholds(table, Outliers())['similarity'][0]:.4g}" in texts(figure)
    lines = [line for panel in figure.axes for line in panel.lines if line.get_linestyle() == "--"]
    assert len(lines) == np.isfinite(bounds).sum()
    assert figure.get_suptitle().startswith("20 scans, 0 flagged")
    table.loc[:9, "dice"] = 0.5
    drawn = flag_outliers(table, Outliers())
    figure = draw_quality(tmp_path / "b.png", drawn, JUDGED, thresholds(table, Outliers()))
    assert figure.get_suptitle().startswith("HALF OR MORE ARE FLAGGED: 20 scans, 10 flagged")
