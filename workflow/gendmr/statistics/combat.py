"""Site effects by ComBat, fitted on some people and applied to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

FEWEST = 5  # people of a site; a variance of fewer is noise
FEWEST_FEATURES = 3  # from which the spread of site effects is estimated
TOLERANCE = 1e-4  # relative change at which the iteration ends
MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Combat:
    """Location and scale of each site, shrunk towards those of all features of the site.

    Johnson 2007, doi:10.1093/biostatistics/kxj037; for images Fortin 2018,
    doi:10.1016/j.neuroimage.2017.11.024. A missing value stays missing and counts for nothing.

    Parameters
    ----------
    sites : tuple of str
        Those with enough people, in order.
    small : dict of str to int
        The others with their numbers: nothing is removed there.
    intercept : float64 (feature,)
        Mean over sites, weighted by people.
    slopes : float64 (covariate, feature)
        Of what is preserved.
    scale : float64 (feature,)
        Residual standard deviation; NaN where a feature cannot be fitted: it stays as it is.
    location, spread : float64 (site, feature)
        Site effects in units of `scale`: shift, and variance.
    """

    sites: tuple[str, ...]
    small: dict[str, int]
    intercept: np.ndarray
    slopes: np.ndarray
    scale: np.ndarray
    location: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, site: np.ndarray, preserved: np.ndarray) -> Self:
        """Fit on training people.

        Parameters
        ----------
        values : float64 (person, feature)
            NaN where missing.
        site : object (person,)
            Text, None where unknown.
        preserved : float64 (person, covariate)
            What explains differences between sites that shall stay; no missing values.
        """
        labels, counts = np.unique(
            np.array([text for text in site if text is not None], dtype=str), return_counts=True
        )
        numbers = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        sites = tuple(name for name, count in numbers.items() if count >= FEWEST)
        small = {name: count for name, count in numbers.items() if count < FEWEST}
        members = _members(site, sites)
        enough = members.any(axis=1)
        members, values = members[enough], values[enough]
        middle = preserved.mean(axis=0) if len(preserved) else np.zeros(preserved.shape[1])
        centred = (preserved - middle)[enough]
        n_features = values.shape[1]
        intercept, scale = np.full(n_features, np.nan), np.full(n_features, np.nan)
        slopes = np.zeros((preserved.shape[1], n_features))
        design = np.column_stack([members, centred])
        for feature in range(n_features if len(sites) > 1 else 0):
            observed = np.isfinite(values[:, feature])
            counted = members[observed].sum(axis=0)
            if observed.sum() <= design.shape[1] or (counted < 2).any():
                continue
            fitted = np.linalg.lstsq(design[observed], values[observed, feature], rcond=None)[0]
            residual = values[observed, feature] - design[observed] @ fitted
            deviation = float(np.sqrt((residual**2).mean()))
            if deviation <= 1e-9 * (abs(fitted).max() + 1e-12):
                continue
            slopes[:, feature] = fitted[len(sites) :]
            # Of the preserved covariates at their own value, not at their mean.
            intercept[feature] = (
                counted @ fitted[: len(sites)] / counted.sum() - middle @ slopes[:, feature]
            )
            scale[feature] = deviation
        standard = (values - intercept - preserved[enough] @ slopes) / scale
        usable = np.isfinite(scale)
        location = np.zeros((len(sites), n_features))
        spread = np.ones((len(sites), n_features))
        if usable.any():
            for row in range(len(sites)):
                location[row, usable], spread[row, usable] = _shrunken(
                    standard[members[:, row] > 0][:, usable]
                )
        return cls(sites, small, intercept, slopes, scale, location, spread)

    def apply(self, values: np.ndarray, site: np.ndarray, preserved: np.ndarray) -> np.ndarray:
        """Return values without the effects of their sites, float64 (person, feature).

        Who is of a site that is not known here keeps the values.
        """
        members = _members(site, self.sites)
        usable = np.isfinite(self.scale) & np.asarray(members.any(axis=1))[:, None]
        scale = np.where(np.isfinite(self.scale), self.scale, 1.0)
        expected = np.nan_to_num(self.intercept) + preserved @ self.slopes
        standard = (values - expected) / scale
        location, spread = members @ self.location, members @ self.spread
        harmonised = (standard - location) / np.sqrt(np.where(usable, spread, 1.0))
        return np.asarray(np.where(usable, harmonised * scale + expected, values))

    def unknown(self, site: np.ndarray) -> np.ndarray:
        """Return who is of no site that is known here, bool (person,)."""
        return np.asarray(~_members(site, self.sites).any(axis=1))


def _members(site: np.ndarray, sites: tuple[str, ...]) -> np.ndarray:
    """Return indicators, float64 (person, site)."""
    return np.asarray(
        np.array([[text == name for name in sites] for text in site], dtype=float).reshape(
            len(site), len(sites)
        )
    )


def _shrunken(standard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shift and variance of a site, each (feature,), from its standardised values.

    Empirical Bayes: a normal prior of shifts and an inverse gamma prior of variances, both by the
    moments over features.
    """
    observed = np.isfinite(standard)
    n = observed.sum(axis=0)
    filled = np.where(observed, standard, 0.0)
    shift = filled.sum(axis=0) / n
    variance = (np.where(observed, standard - shift, 0.0) ** 2).sum(axis=0) / (n - 1)
    if len(n) < FEWEST_FEATURES:
        return shift, variance
    prior_mean, prior_variance = shift.mean(), shift.var(ddof=1)
    mean, moment = variance.mean(), variance.var(ddof=1)
    if not (prior_variance > 0 and moment > 0):
        return shift, variance
    shape, rate = (2 * moment + mean**2) / moment, (mean * moment + mean**3) / moment
    location, spread = shift, variance
    for _ in range(MOST_ITERATIONS):
        before = location, spread
        location = (prior_variance * n * shift + spread * prior_mean) / (
            prior_variance * n + spread
        )
        squares = (np.where(observed, standard - location, 0.0) ** 2).sum(axis=0)
        spread = (0.5 * squares + rate) / (n / 2 + shape - 1)
        change = max(
            float((np.abs(new - old) / np.maximum(np.abs(old), 1e-12)).max())
            for new, old in zip((location, spread), before, strict=True)
        )
        if change < TOLERANCE:
            break
    return location, spread
