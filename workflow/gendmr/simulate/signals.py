"""Functional scans as signals of regions, whose correlations are weaker where that was planted."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.simulate import NETWORKS, SimulateSection
from gendmr.files.atomic import atomic_path
from gendmr.files.tables import Kind, read_table, write_table
from gendmr.seeds import generator

REGIONS_PER_NETWORK = 5
# mm, MNI: written from textbook anatomy, so that connections can be drawn in a brain.
PLACES = {
    "subcortical": ((-12, 10, 10), (12, 10, 10), (-10, -18, 8), (10, -18, 8), (-26, 4, 2)),
    "auditory": ((-58, -22, 8), (58, -22, 8), (-44, -22, 10), (44, -22, 10), (-60, -30, 0)),
    "sensorimotor": ((-38, -18, 54), (38, -18, 54), (-44, -28, 52), (44, -28, 52), (0, -6, 58)),
    "visual": ((-10, -78, 8), (10, -78, 8), (0, -84, 24), (-16, -68, -6), (34, -84, 8)),
    "control": ((-42, 32, 28), (42, 32, 28), (-44, -52, 48), (44, -52, 48), (0, 26, 38)),
    "default": ((0, -52, 28), (0, 54, 4), (-46, -66, 32), (46, -66, 32), (0, -64, 44)),
    "cerebellar": ((-24, -64, -30), (24, -64, -30), (0, -58, -18), (-38, -68, -36), (38, -68, -36)),
}
WITHIN = 0.45  # mean correlation of regions of one network
BETWEEN = (0.0, 0.2)  # that of two networks: lowest and highest
MOTION = (0.15, 0.4)  # mm: median of the displacement, and SD of its logarithm
MOTION_CORRELATION = 0.03  # added to all correlations per SD of the logarithm of motion
PERSISTENCE = 0.3  # correlation of a signal with itself one volume later
AMPLITUDE = (0.2, 0.2)  # SD of the logarithm of amplitudes: of a person, and of a region in him
SMALLEST_EIGENVALUE = 0.05


def draw_motion(case: np.ndarray, section: SimulateSection, seed: int) -> np.ndarray:
    """Return the mean framewise displacement of people, mm (person,).

    Parameters
    ----------
    case : bool (person,)
    section : SimulateSection
    seed : int
    """
    random = generator(seed, "simulate", "motion")
    logarithm = random.standard_normal(len(case)) + section.motion_of_cases * case
    return np.asarray((MOTION[0] * np.exp(MOTION[1] * logarithm)).round(4))


def regions_of_networks() -> pd.DataFrame:
    """Return the regions in their order: `name`, `domain`, and where they lie (mm, MNI)."""
    return pd.DataFrame(
        [
            (f"{network}{number}", network, *place)
            for network in NETWORKS
            for number, place in enumerate(PLACES[network], start=1)
        ],
        columns=["name", "domain", "x", "y", "z"],
    )


def simulate_signals(
    connections_path: Path | str,
    section: SimulateSection,
    seed: int,
    series_path: Path | str,
    components_path: Path | str,
) -> None:
    """Write signals (person, volume, region) of everybody, and the table of regions.

    Parameters
    ----------
    connections_path : Path or str
        Written by `simulate cohort`: `participant_id`, `site`, `motion` and a column for each of
        `section.connections`: what their correlations are smaller by.
    section : SimulateSection
    seed : int
        The study's seed.
    series_path, components_path : Path or str
        An archive with `participant`, `series` and `motion`, and a table.

    Raises
    ------
    TableError
        A table is malformed.
    """
    columns: dict[str, Kind] = {"participant_id": "text", "site": "text", "motion": "number"}
    columns |= dict.fromkeys(section.connections, "number")
    table = read_table(connections_path, columns, key="participant_id")
    series = draw_signals(table, section, seed)
    archive = io.BytesIO()
    np.savez_compressed(
        archive,
        participant=table["participant_id"].to_numpy(dtype=str),
        series=series,
        motion=table["motion"].to_numpy(dtype=float),
    )
    with atomic_path(Path(series_path)) as temporary:
        temporary.write_bytes(archive.getvalue())
    write_table(components_path, regions_of_networks())


def draw_signals(table: pd.DataFrame, section: SimulateSection, seed: int) -> np.ndarray:
    """Return signals float32 (person, volume, region).

    Correlations of two networks vary between people by `section.susceptibility`, whether or not
    something is planted there. Amplitudes vary without meaning.
    """
    random = generator(seed, "simulate", "signals")
    count = len(NETWORKS)
    typical = np.triu(random.uniform(*BETWEEN, (count, count)), 1)
    typical = typical + typical.T + WITHIN * np.eye(count)
    sites, at = np.unique(table["site"].to_numpy(dtype=str), return_inverse=True)
    of_site = section.site_connectivity * random.standard_normal((len(sites), count, count))
    motion = np.log(table["motion"].to_numpy(dtype=float) / MOTION[0]) / MOTION[1]
    series = np.zeros((len(table), section.volumes, count * REGIONS_PER_NETWORK), np.float32)
    number = {name: place for place, name in enumerate(NETWORKS)}
    pairs = [
        tuple(number[network] for network in name.split(" ~ ")) for name in section.connections
    ]
    planted = table[list(section.connections)].to_numpy(dtype=float)
    for person in range(len(table)):
        deviation = section.susceptibility * random.standard_normal((count, count))
        for (first, second), weaker in zip(pairs, planted[person], strict=True):
            low, high = min(first, second), max(first, second)
            deviation[low, high] = -weaker
        change = deviation + of_site[at[person]]
        change = np.triu(change) + np.triu(change, 1).T
        networks = typical + change + MOTION_CORRELATION * motion[person]
        correlation = _correlation(
            np.kron(networks, np.ones((REGIONS_PER_NETWORK, REGIONS_PER_NETWORK)))
        )
        series[person] = _signals(correlation, section.volumes, random)
    return series


def _correlation(matrix: np.ndarray) -> np.ndarray:
    """Return the nearest thing to a matrix that signals can have as correlations."""
    matrix = matrix.copy()
    np.fill_diagonal(matrix, 1.0)
    values, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    spread = np.sqrt(np.diag(matrix))
    return np.asarray(matrix / np.outer(spread, spread))


def _signals(correlation: np.ndarray, volumes: int, random: np.random.Generator) -> np.ndarray:
    """Return signals (volume, region) of an autoregressive process of order 1."""
    innovation = random.standard_normal((volumes, len(correlation)))
    innovation = innovation @ np.linalg.cholesky(correlation).T
    signals = np.empty_like(innovation)
    signals[0] = innovation[0]
    innovation_scale = np.sqrt(1 - PERSISTENCE**2)
    for volume in range(1, volumes):
        signals[volume] = PERSISTENCE * signals[volume - 1] + innovation_scale * innovation[volume]
    common = AMPLITUDE[0] * random.standard_normal()
    amplitude = np.exp(common + AMPLITUDE[1] * random.standard_normal(len(correlation)))
    return np.asarray(signals * amplitude)
