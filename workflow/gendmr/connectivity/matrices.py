"""Connectomes made elsewhere: a matrix or a vector of pairs, checked to be correlations."""

from __future__ import annotations

import numpy as np

from gendmr.config.connectivity import ConnectivitySection
from gendmr.connectivity.components import RegionTable
from gendmr.errors import ModalityError
from gendmr.statistics.connectivity import regions_of, to_matrix, to_vector

ASYMMETRY = 1e-3
INDEFINITE = -0.1  # smallest eigenvalue that averaging and rounding leave
LEAST_EQUAL = 1e-6
NO_NETWORKS = 0.02  # excess of correlations within networks below which none are seen


def vector_of(values: np.ndarray, section: ConnectivitySection, where: str) -> np.ndarray:
    """Return the correlations of pairs along rows of the upper triangle, float64 (pair,).

    Parameters
    ----------
    values : float64 (k, k), or (1, pair)
    section : ConnectivitySection
    where : str
        The file, for errors.

    Raises
    ------
    ModalityError
        Not a connectome: no number of pairs, not symmetric, values that no correlation has, or a
        matrix that no signals can have.
    """
    if values.shape[0] == values.shape[1] and values.shape[0] > 1:
        gap = np.abs(values - values.T)
        gap = gap[np.isfinite(gap)].max(initial=0.0)
        one_sided = np.isnan(values).sum() != np.isnan(values + values.T).sum()
        if gap > ASYMMETRY or one_sided:
            raise ModalityError(
                f"{where}: the matrix is not symmetric (largest difference {gap:.3g})",
                cause="a table of something else, one triangle only, or directed connectivity",
                next_step="give the full symmetric matrix, or the vector of its pairs",
            )
        vector = to_vector(values)
        _check_diagonal(np.diag(values), section, where)
    else:
        vector = values.reshape(-1)
        regions = regions_of(vector.size)
        if not regions or min(values.shape) != 1:
            raise ModalityError(
                f"{where}: {values.shape[0]} x {values.shape[1]} numbers are no square matrix and"
                " no vector of pairs",
                cause="time series, or a matrix with a column of names",
                next_step="give time series in `connectivity: series:`",
            )
        if section.components is None:
            raise ModalityError(
                f"{where}: a vector of {vector.size:,} pairs ({regions} regions), and no table of"
                " the regions",
                cause="vectors do not say which pair is which",
                next_step="list the regions in their order in `connectivity: components:` (columns"
                " name, domain), and say with `order` how the vector runs",
            )
        if section.order == "upper_columns":
            rows, columns = np.triu_indices(regions, 1)
            # Sorted by the column first: the place of each pair in the vector that was given.
            vector = vector[np.argsort(np.lexsort((rows, columns)))]
    infinite = np.isinf(vector)
    vector = np.where(infinite, np.nan, vector)
    if section.values == "fisher_z":
        vector = np.tanh(vector)
    check_correlations(vector, section, where)
    return np.asarray(vector)


def check_correlations(vector: np.ndarray, section: ConnectivitySection, where: str) -> None:
    """Refuse values that are no correlations of any signals.

    Raises
    ------
    ModalityError
        Values beyond 1, or a matrix with a clearly negative eigenvalue.
    """
    finite = vector[np.isfinite(vector)]
    largest = float(np.abs(finite).max(initial=0.0))
    if largest > 1 + LEAST_EQUAL:
        raise ModalityError(
            f"{where}: values up to {largest:.3g} are no correlations",
            cause="Fisher z, or covariances",
            next_step="set `connectivity: values: fisher_z`, or give correlations",
        )
    matrix = to_matrix(vector)
    missing = np.isnan(matrix)
    usable = missing.sum(axis=1) < len(matrix) - 1
    matrix = np.where(missing, 0.0, matrix)[np.ix_(usable, usable)]
    if missing[np.ix_(usable, usable)].any() or len(matrix) < 3:
        return  # single pairs are missing: what is left need not be a correlation matrix
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < INDEFINITE:
        raise ModalityError(
            f"{where}: no signals have these correlations (smallest eigenvalue {smallest:.2f})",
            cause="a vector whose pairs run in another order"
            + (", or Fisher z" if section.values == "correlation" else ", or no Fisher z"),
            next_step="compare `connectivity: order:` and `values:` with the program that wrote"
            " the file",
        )


def _check_diagonal(diagonal: np.ndarray, section: ConnectivitySection, where: str) -> None:
    finite = diagonal[np.isfinite(diagonal)]
    zero_or_one = np.isclose(finite, 0, atol=1e-6) | np.isclose(finite, 1, atol=1e-2)
    if section.values == "correlation" and not zero_or_one.all():
        other_values = finite[~zero_or_one]
        raise ModalityError(
            f"{where}: {other_values.size} values on the diagonal are neither 1 nor 0, such as"
            f" {other_values[0]:.3g}: no correlation matrix",
            cause="covariances, or Fisher z",
            next_step="give correlations, or set `connectivity: values: fisher_z`",
        )
    is_one = np.isclose(finite, 1, atol=1e-6)
    if section.values == "fisher_z" and finite.size and is_one.all():
        raise ModalityError(
            f"{where}: the diagonal is 1 throughout, which Fisher z of a correlation never is",
            cause="correlations: they would be transformed twice",
            next_step="set `connectivity: values: correlation`",
        )


def notes_of_order(correlation: np.ndarray, components: RegionTable) -> list[str]:
    """Return a warning where the mean connectome has no networks as the table puts its regions.

    Regions of one network correlate more than those of two in any sound connectome; a vector whose
    pairs run the other way, or a table in another order, mixes both.

    Parameters
    ----------
    correlation : float64 (person, pair)
    components : RegionTable
    """
    domains = components.table["domain"].to_numpy(dtype=object)
    rows, columns = np.triu_indices(len(components), 1)
    within = domains[rows] == domains[columns]
    has_value = np.isfinite(correlation)
    mean = np.where(has_value, correlation, 0.0).sum(axis=0) / np.maximum(has_value.sum(axis=0), 1)
    if within.all() or not within.any():
        return []

    def contrast(values: np.ndarray) -> float:
        return float(values[within].mean() - values[~within].mean())

    other_order = np.argsort(
        np.lexsort((rows, columns))
    )  # the same vector read along the other way
    turned = (mean[other_order], mean[np.lexsort((rows, columns))])
    within_contrast, best = contrast(mean), max(map(contrast, turned))
    if within_contrast >= NO_NETWORKS and within_contrast >= best:
        return []
    finding = (
        f"Regions of one network correlate by {within_contrast:+.3f} more than those of two over"
        f" the mean of {len(correlation)} people"
    )
    if best > max(2 * within_contrast, within_contrast + NO_NETWORKS):
        return [
            f"{finding}, and by {best:+.3f} if the pairs of vectors ran the other way: set the"
            " other `connectivity: order:`, or compare the table of regions with the program that"
            " wrote the file."
        ]
    if within_contrast < NO_NETWORKS:
        return [
            f"{finding}: the networks of the table do not show. Compare its order with the program"
            " that wrote the file."
        ]
    return []
