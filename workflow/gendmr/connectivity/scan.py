"""One person's scan: from signals or a given connectome to correlations, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gendmr.config.connectivity import ConnectivitySection
from gendmr.errors import ModalityError
from gendmr.statistics.connectivity import constant_regions, shrunk_correlation, to_vector

MEASURED, EXCLUDED, REFUSED = "measured", "excluded", "refused"


@dataclass
class FunctionalScan:
    """What is known of one person's scan.

    Parameters
    ----------
    participant : str
        Label without `sub-`.
    status : str
        `measured`, `excluded` (by an option) or `refused` (it cannot be used).
    reason : str
        Of the latter two.
    correlation : float64 (pair,), optional
        NaN where a region is constant or missing.
    log_sd : float64 (region,), optional
        Of signals.
    volumes, censored : int
        After censoring, and how many that left out; -1 is unknown.
    motion : float
        Mean framewise displacement, mm; NaN is unknown.
    constant : int
        Regions without a signal.
    names : tuple of str, optional
        Columns of its file.
    signals : float32 (volume, region), optional
        Standardised, for the picture.
    error : Exception, optional
        Why it was refused.
    """

    participant: str
    status: str = MEASURED
    reason: str = ""
    correlation: np.ndarray | None = None
    log_sd: np.ndarray | None = None
    volumes: int = -1
    censored: int = -1
    motion: float = float("nan")
    constant: int = 0
    names: tuple[str, ...] | None = None
    signals: np.ndarray | None = None
    error: Exception | None = field(default=None, repr=False)

    @property
    def regions(self) -> int:
        """Number of regions of the data; 0 where nothing could be read."""
        if self.log_sd is not None:
            return len(self.log_sd)
        if self.correlation is None:
            return 0
        from gendmr.statistics.connectivity import regions_of

        return regions_of(len(self.correlation))


def measure_signals(
    scan: FunctionalScan, series: np.ndarray, section: ConnectivitySection
) -> FunctionalScan:
    """Measure amplitudes and correlations of a scan's signals (volume, region).

    Raises
    ------
    ModalityError
        Fewer than two regions have a signal.
    """
    constant = constant_regions(series)
    scan.volumes = len(series)
    scan.constant = int(constant.sum())
    if (~constant).sum() < 2 or len(series) < 3:
        raise ModalityError(
            f"{scan.participant}: {int((~constant).sum())} of {series.shape[1]} regions have a"
            f" signal in {len(series)} volumes",
            cause="an image outside the atlas, or a table of zeros",
            next_step="look at the file, or list the person in `connectivity: exclude:`",
        )
    spread = series.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scan.log_sd = np.where(constant, np.nan, np.log(spread))
        standard = (series - series.mean(axis=0)) / spread
    scan.signals = np.where(constant, np.nan, standard).astype(np.float32)
    scan.correlation = to_vector(shrunk_correlation(series))
    return judged(scan, section)


def judged(scan: FunctionalScan, section: ConnectivitySection) -> FunctionalScan:
    """Leave a scan out where an option says so."""
    share = scan.constant / max(scan.regions, 1)
    if scan.participant in section.exclude:
        scan.status, scan.reason = EXCLUDED, "named in `exclude`"
    elif 0 <= scan.volumes < section.minimum_volumes:
        scan.status = EXCLUDED
        scan.reason = f"{scan.volumes} volumes, fewer than {section.minimum_volumes}"
    elif section.maximum_motion is not None and scan.motion > section.maximum_motion:
        scan.status = EXCLUDED
        scan.reason = f"mean displacement {scan.motion:.2f} mm, above {section.maximum_motion:g}"
    elif share > section.constant_share:
        scan.status = EXCLUDED
        scan.reason = f"{scan.constant} of {scan.regions} regions have no signal"
    return scan
