"""Simulated signals: what is planted shows in correlations, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.disease import draw_affected, plant
from gendmr.simulate.signals import draw_motion, draw_signals, regions_of_networks, simulate_signals

PEOPLE, PLANTED = 60, "default ~ control"
SECTION = SimulateSection.parse(
    {"functional": True, "connections": [PLANTED], "volumes": 200, "susceptibility": 0.02}
)


def table(weaker: np.ndarray, motion: float = 0.15, people: int = PEOPLE) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{number:03d}" for number in range(people)],
            "site": "site1",
            "motion": motion,
            PLANTED: weaker,
        }
    )


def of_networks(series: np.ndarray) -> pd.DataFrame:
    """Return mean correlations by pair of networks, (person, pair)."""
    domains = regions_of_networks()["domain"].to_numpy()
    rows, columns = np.triu_indices(len(domains), 1)
    names = [" ~ ".join(sorted(pair)) for pair in zip(domains[rows], domains[columns], strict=True)]
    edges = np.array([np.corrcoef(signals.T)[rows, columns] for signals in series])
    return pd.DataFrame(edges.T).assign(pair=names).groupby("pair").mean().T


def test_a_planted_connection_is_weaker_and_no_other() -> None:
    case = np.arange(PEOPLE) % 2 == 1
    means = of_networks(draw_signals(table(0.15 * case), SECTION, seed=1))
    difference = means[case].mean() - means[~case].mean()
    assert difference.pop("control ~ default") == pytest.approx(-0.15, abs=0.03)
    assert np.abs(difference).max() < 0.03


def test_motion_raises_all_correlations() -> None:
    still, moving = (
        of_networks(draw_signals(table(np.zeros(PEOPLE), motion), SECTION, seed=2)).mean()
        for motion in (0.15, 0.3)
    )
    assert (moving > still).all()


def test_cases_move_more_only_where_that_is_asked_for() -> None:
    case = np.arange(400) % 2 == 1
    confounded = SECTION.model_copy(update={"motion_of_cases": 0.8})
    for section, shift in ((SECTION, 0.0), (confounded, 0.8)):
        motion = np.log(draw_motion(case, section, seed=3)) / 0.4
        assert motion[case].mean() - motion[~case].mean() == pytest.approx(shift, abs=0.25)


def test_simulate_signals__writes_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "connections.tsv"
    table(np.zeros(3), people=3).to_csv(path, sep="\t", index=False)
    outputs = []
    for number in range(2):
        series, components = tmp_path / f"{number}.npz", tmp_path / f"{number}.tsv"
        simulate_signals(path, SECTION, 1, series, components)
        outputs.append(series.read_bytes() + components.read_bytes())
        with np.load(series, allow_pickle=False) as stored:
            assert stored["series"].shape == (3, 200, 35)
    assert outputs[0] == outputs[1]


def test_genes_act_through_connections() -> None:
    section = SimulateSection.parse(
        {
            "functional": True,
            "connections": [PLANTED],
            "regions": [],
            "through_regions": 1.0,
            "planted": 3,
        }
    )
    variants = pd.DataFrame({"gene": ["A", "B", "C"], "inside": True})
    planted = plant(section, ["A", "B", "C"], variants, np.full(3, 0.3), seed=1)
    assert [item.through for item in planted] == ["diagnosis", PLANTED, PLANTED]
    random = np.random.default_rng(1)
    copies = random.binomial(2, 0.3, (3, 4000))
    state = draw_affected(section, planted, copies, np.full(4000, 70.0) + random.normal(size=4000),
                          np.zeros(4000, dtype=bool), seed=1)  # fmt: skip
    assert state.loss.shape == (4000, 1)
    assert np.corrcoef(copies[1], state.loss[:, 0])[0, 1] > 0.05
    assert abs(np.corrcoef(copies[0], state.susceptibility[:, 0])[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"functional": False}, "functional: true"),
        ({"connections": ["default"]}, "first ~ second"),
        ({"connections": ["default ~ nowhere"]}, "nowhere"),
        ({"connections": [PLANTED, "control ~ default"]}, "twice"),
        ({"outcomes": {"memory": {"kind": "quantitative"}}}, "leave `outcomes` out"),
    ],
)
def test_wrong_connections_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        SimulateSection.parse({"functional": True, "connections": [PLANTED], **wrong})
