"""How one brain differs from the template: smooth random anatomy and the atrophy of regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

SPACING = 5.0  # mm of the lattice that holds deformations
# Amplitude and smoothness (SD, mm) of the random displacement: shape of lobes, shape of gyri.
SCALES = ((1.2, 25.0), (0.4, 10.0))
LEAST_JACOBIAN = 0.2
CHUNK = 1 << 14  # points interpolated at a time: they stay in the processor's cache
MARGIN = 1  # lattice points around the template, whose own edges are empty


@dataclass(frozen=True)
class Lattice:
    """A regular grid in template space: voxel to mm is `SPACING` times the index plus `origin`."""

    shape: tuple[int, int, int]
    origin: np.ndarray

    @classmethod
    def around(cls, shape: tuple[int, ...], affine: np.ndarray) -> Lattice:
        """Return the lattice that covers an image whose axes are R+ A+ S+, and a margin."""
        extent = np.asarray(shape) * np.diag(affine)[:3]
        points = np.ceil(extent / SPACING).astype(int) + 2 * MARGIN
        sizes = [fft.next_fast_len(int(size), real=True) for size in points]
        return cls((sizes[0], sizes[1], sizes[2]), affine[:3, 3] - MARGIN * SPACING)

    def index(self, places: np.ndarray) -> np.ndarray:
        """Return fractional indices of places in mm, shape (3, ...)."""
        return np.asarray((places - self.origin.reshape(3, *[1] * (places.ndim - 1))) / SPACING)

    def points(self) -> np.ndarray:
        """Return the places of all points, mm, shape (3, i, j, k)."""
        return np.asarray(np.indices(self.shape) * SPACING + self.origin.reshape(3, 1, 1, 1))


def sample(field: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Interpolate several components at once, linearly; beyond the lattice its edge goes on.

    Parameters
    ----------
    field : ndarray, shape (components, i, j, k)
    index : ndarray, shape (3, ...)
        Fractional indices.

    Returns
    -------
    ndarray of float32, shape (components, ...)
    """
    # Components side by side in memory: each corner is fetched once for all of them.
    table = np.ascontiguousarray(np.moveaxis(field, 0, -1).reshape(-1, len(field)), np.float32)
    flat = index.reshape(3, -1)
    result = np.empty((len(field), flat.shape[1]), dtype=np.float32)
    for start in range(0, flat.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        result[:, part] = _trilinear(table, field.shape[1:], flat[:, part]).T
    return result.reshape(len(field), *index.shape[1:])


def _trilinear(table: np.ndarray, shape: tuple[int, ...], index: np.ndarray) -> np.ndarray:
    """Interpolate rows of a table (i * j * k, components) at indices (3, n)."""
    strides = (shape[1] * shape[2], shape[2], 1)
    first = np.zeros(index.shape[1], dtype=np.int32)
    sides = []
    for axis, size in enumerate(shape):
        place = np.clip(index[axis], 0, size - 1).astype(np.float32)
        corner = np.minimum(place.astype(np.int32), size - 2)
        first += strides[axis] * corner
        high = place - corner
        sides.append((1 - high, high))
    total = np.zeros((index.shape[1], table.shape[1]), dtype=np.float32)
    for i in (0, 1):
        for j in (0, 1):
            weight = sides[0][i] * sides[1][j]
            for k in (0, 1):
                step = i * strides[0] + j * strides[1] + k
                total += (weight * sides[2][k])[:, None] * table.take(first + step, axis=0)
    return total


def random_field(lattice: Lattice, random: np.random.Generator) -> np.ndarray:
    """Return a smooth random displacement in mm, shape (3, i, j, k)."""
    total = np.zeros((3, *lattice.shape))
    for amplitude, smoothness in SCALES:
        noise = random.standard_normal((3, *lattice.shape))
        for axis in range(3):
            smooth = ndimage.gaussian_filter(noise[axis], smoothness / SPACING, mode="wrap")
            total[axis] += amplitude / smooth.std() * smooth
    return total


def shrinking_fields(
    labels: np.ndarray, affine: np.ndarray, indices: Mapping[str, int], lattice: Lattice
) -> dict[str, np.ndarray]:
    """Return for each region the displacement that changes its volume and no other.

    It is the gradient of the solution of Poisson's equation whose source is the region, blurred to
    the lattice: a divergence that is one on average inside and vanishes a few millimetres outside,
    no rotation. Neighbours are moved, not resized.

    Parameters
    ----------
    labels : ndarray of int, shape (i, j, k)
        The atlas; axes R+ A+ S+.
    affine : ndarray, shape (4, 4)
        Voxel to mm of the atlas.
    indices : mapping of region to label
    lattice : Lattice

    Returns
    -------
    dict of region to ndarray, shape (3, i, j, k)
        Displacement in mm for a mean divergence of one.
    """
    waves = np.stack(
        np.meshgrid(
            *(fft.fftfreq(size, SPACING) for size in lattice.shape[:2]),
            fft.rfftfreq(lattice.shape[2], SPACING),
            indexing="ij",
        )
    )
    power = (waves**2).sum(axis=0)
    power[0, 0, 0] = 1  # the mean has no gradient
    points = lattice.points()
    inverse = np.linalg.inv(affine)
    where = np.tensordot(inverse[:3, :3], points, axes=1) + inverse[:3, 3].reshape(3, 1, 1, 1)
    blur = SPACING / 2 / affine[0, 0]
    fields = {}
    for region, number in indices.items():
        inside = ndimage.gaussian_filter((labels == number).astype(np.float64), blur)
        source = ndimage.map_coordinates(inside, where, order=1, mode="constant")
        voxels = np.argwhere(labels == number)
        places = (voxels @ affine[:3, :3].T + affine[:3, 3]).T
        source /= sample(source[None], lattice.index(places)).mean()
        spectrum = fft.rfftn(source)
        fields[region] = np.stack(
            [
                fft.irfftn(-1j * wave * spectrum / (2 * np.pi * power), lattice.shape)
                for wave in waves
            ]
        )
    return fields


def warp(
    lattice: Lattice,
    shrinking: Mapping[str, np.ndarray],
    loss: Mapping[str, float],
    random: np.random.Generator,
) -> np.ndarray:
    """Return where each point of a person's brain comes from in the template.

    Parameters
    ----------
    lattice : Lattice
    shrinking : mapping of region to ndarray
        From `shrinking_fields`.
    loss : mapping of region to float
        Share by which a region has shrunk.
    random : numpy.random.Generator

    Returns
    -------
    ndarray, shape (3, i, j, k)
        Displacement in mm, from the person's (scaled and posed) brain to the template. Its
        Jacobian determinant exceeds `LEAST_JACOBIAN` everywhere: nothing folds.
    """
    points = lattice.points()
    anatomy = random_field(lattice, random)
    # Pulling back from a region that kept 1 - loss of its volume, the map expands by 1/(1 - loss).
    atrophy = np.zeros_like(anatomy)
    for region, share in loss.items():
        atrophy += (1 / (1 - share) - 1) * shrinking[region]
    while True:
        halfway = points + anatomy
        total = anatomy + sample(atrophy, lattice.index(halfway))
        if jacobian(total).min() > LEAST_JACOBIAN:
            return np.asarray(total)
        anatomy *= 0.8
        atrophy *= 0.9


def jacobian(displacement: np.ndarray) -> np.ndarray:
    """Return the Jacobian determinant of a displacement (3, i, j, k) in mm on the lattice."""
    (a, b, c), (d, e, f), (g, h, i) = (np.gradient(part, SPACING) for part in displacement)
    a, e, i = a + 1, e + 1, i + 1
    determinant: np.ndarray = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return determinant
