"""Slides to bags: known bags, broken slides listed, and what stops before anything is computed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.histology import HistologySection
from gendmr.errors import ConfigurationError, GendmrError, IdentifierError, ModalityError
from gendmr.files.tables import write_table
from gendmr.histology.bag import EMPTY, make_bag, make_grid
from gendmr.histology.collect import collect_slides
from gendmr.modalities.store import read_modality


def write_slide(
    path: Path, features: np.ndarray, coords: np.ndarray | None = None, **attributes: float
) -> None:
    """Write features as CLAM and TRIDENT do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as stored:
        stored["features"] = features
        if coords is not None:
            stored["coords"] = coords
            stored["coords"].attrs.update(attributes)


def square(side: int, step: int = 256) -> np.ndarray:
    rows, columns = np.divmod(np.arange(side * side), side)
    return np.stack([columns, rows], axis=1).astype(np.int32) * step


def numbered(patches: int, features: int = 3, start: float = 0) -> np.ndarray:
    return start + np.arange(patches)[:, None] + np.zeros((1, features), np.float32)


def study(root: Path, rows: list[tuple[str, str, str]], **options: object) -> HistologySection:
    table = pd.DataFrame(rows, columns=["participant_id", "slide_id", "file"])
    write_table(root / "slides.tsv", table)
    return HistologySection.parse({"slides": str(root / "slides.tsv"), "side": 4, **options})


def collected(folder: Path, section: HistologySection) -> tuple[object, pd.DataFrame]:
    collect_slides(section, folder / "out")
    slides = pd.read_csv(folder / "out" / "slides.tsv", sep="\t", dtype=str, keep_default_na=False)
    return read_modality(folder / "out" / "patches.nc", "patch"), slides.set_index("slide_id")


def test_several_slides_of_a_person_are_one_bag_in_raster_order(tmp_path: Path) -> None:
    # The file of the first slide runs along columns; the bag runs along rows.
    places = square(3)[:, ::-1].copy()
    write_slide(tmp_path / "a.h5", numbered(9), places)
    write_slide(tmp_path / "b.h5", numbered(4, start=100)[None], square(2))
    rows = [("P1", "S1", "a.h5"), ("P1", "S2", "b.h5"), ("P2", "S3", "n/a")]
    write_slide(tmp_path / "S3.h5", numbered(40, start=500), square(7)[:40])
    bags, slides = collected(tmp_path, study(tmp_path, rows, folder=str(tmp_path)))
    first = bags["embedding"].values[0, :, 0]
    assert first.tolist() == [0, 3, 6, 1, 4, 7, 2, 5, 8, 100, 101, 102, 103, 0, 3, 6]
    assert bags["slide"].values[0].tolist() == [0] * 9 + [1] * 4 + [0] * 3
    assert bags["source"].values[0, :3].tolist() == [0, 3, 6]
    assert bags["x"].values[0, :4].tolist() == [0, 256, 512, 0]
    second = bags["embedding"].values[1, :, 0] - 500
    assert second.tolist() == np.round(np.arange(16) * 2.5).tolist()
    assert slides.loc[["S1", "S2", "S3"], "used"].tolist() == ["9", "4", "16"]
    assert slides.loc[["S1", "S2", "S3"], "rule"].tolist() == ["tiled", "tiled", "spaced"]


def test_padding_is_missing_and_counts_for_nothing(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.h5", numbered(9), square(3))
    bags, _ = collected(tmp_path, study(tmp_path, [("P1", "S1", "a.h5")], bag="pad"))
    assert np.isnan(bags["embedding"].values[0, 9:]).all()
    assert bags["slide"].values[0].tolist() == [0] * 9 + [EMPTY] * 7


def test_the_grid_keeps_neighbours_neighbours(tmp_path: Path) -> None:
    places = np.array([[0, 0], [768, 0], [256, 512]])
    write_slide(tmp_path / "a.h5", numbered(3), places, patch_size_level0=256)
    section = study(tmp_path, [("P1", "S1", "a.h5")], bag="pad", order="grid", several="largest")
    bags, _ = collected(tmp_path, section)
    grid = bags["embedding"].values[0, :, 0].reshape(4, 4)
    assert grid[0, 0] == 0 and grid[0, 3] == 1 and grid[2, 1] == 2
    assert np.isfinite(grid).sum() == 3
    # A slide of 8 x 8 patches in a bag of 4 x 4: each place is one of the four in its corner.
    bag = make_grid(square(8).astype(float), 4, 256.0)
    rows, columns = np.divmod(bag.patch.reshape(4, 4), 8)
    assert (rows == 2 * np.arange(4)[:, None]).all() and (columns == 2 * np.arange(4)).all()


def test_broken_empty_and_unowned_slides_are_listed_with_the_reason(tmp_path: Path) -> None:
    for name in "abcd":
        write_slide(tmp_path / f"{name}.h5", numbered(16), square(4))
    write_slide(tmp_path / "nan.h5", np.full((4, 3), np.nan), square(2))
    write_slide(tmp_path / "none.h5", np.zeros((0, 3)), np.zeros((0, 2)))
    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:900])
    rows = [
        *((f"P{name}", f"S{name}", f"{name}.h5") for name in "abcd"),
        *(("Pa", "Snan", "nan.h5"), ("Pe", "Snone", "none.h5"), ("Pf", "Scut", "cut.h5")),
        *(("n/a", "Snobody", "x.h5"), ("Pg", "Sgone", "gone.h5")),
    ]
    bags, slides = collected(tmp_path, study(tmp_path, rows, exclude=["Sd"]))
    assert bags["participant"].values.tolist() == ["Pa", "Pb", "Pc"]
    assert slides["status"].to_dict() == {
        **dict.fromkeys(["Sa", "Sb", "Sc"], "used"),
        **dict.fromkeys(["Snan", "Scut", "Sgone"], "broken"),
        **{"Sd": "excluded", "Snone": "empty", "Snobody": "no person"},
    }
    assert "12 of 12 features are NaN" in slides.loc["Snan", "reason"]
    omitted = pd.read_csv(tmp_path / "out" / "attrition.tsv", sep="\t", dtype=str)
    assert sorted(omitted.loc[omitted["kind"] == "participant", "id"]) == ["Pd", "Pe", "Pf", "Pg"]
    assert set(omitted.loc[omitted["kind"] == "slide", "id"]) == set(
        slides.index[slides["status"] != "used"]
    )
    assert (tmp_path / "out" / "figures" / "quality.png").stat().st_size > 5000


def test_features_of_different_lengths_are_refused(tmp_path: Path) -> None:
    for name, length in (("a", 3), ("b", 3), ("c", 5)):
        write_slide(tmp_path / f"{name}.h5", numbered(4, length), square(2))
    section = study(tmp_path, [(f"P{name}", f"S{name}", f"{name}.h5") for name in "abc"])
    with pytest.raises(ModalityError, match=r"1 slides differ .*'Sc'") as error:
        collect_slides(section, tmp_path / "out")
    assert "histology: exclude:" in error.value.next_step
    # The remedy that is printed works.
    collect_slides(section.model_copy(update={"exclude": ("Sc",)}), tmp_path / "out")


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    command = f"touch {tmp_path / 'ran'}"
    (tmp_path / "a.pt").write_bytes(f"cos\nsystem\n(S{command!r}\ntR.".encode())
    with pytest.raises(GendmrError, match="no HDF5 file") as error:
        collect_slides(study(tmp_path, [("P1", "S1", "a.pt")]), tmp_path / "out")
    assert "Python objects" in error.value.cause and not (tmp_path / "ran").exists()


def test_a_slide_or_a_file_of_two_people_is_refused(tmp_path: Path) -> None:
    for rows in (
        [("P1", "S1", "a.h5"), ("P2", "S1", "b.h5")],
        [("P1", "S1", "a.h5"), ("P2", "S2", "a.h5")],
    ):
        with pytest.raises(IdentifierError, match=r"stand for two people: .*P1 and P2"):
            collect_slides(study(tmp_path, rows), tmp_path / "out")


@pytest.mark.parametrize(
    ("features", "coords", "what"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2)), "stand twice at one place"),
        (np.zeros((4, 3)), square(3), "coordinates of shape"),
        (np.full((4, 3), 1e6), square(2), "beyond 65504"),
        (np.zeros(4), square(2), "not patches x features"),
        (np.array([[b"x"]]), square(1), "not numbers"),
    ],
)
def test_what_no_features_are_is_named(
    tmp_path: Path, features: np.ndarray, coords: np.ndarray, what: str
) -> None:
    write_slide(tmp_path / "a.h5", features, coords)
    with pytest.raises(ModalityError, match=what):
        collect_slides(study(tmp_path, [("P1", "S1", "a.h5")]), tmp_path / "out")


def test_other_names_of_arrays_are_named_in_the_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as stored:
        stored["Res_feature"] = numbered(16)[None]
    rows = [("P1", "S1", "a.h5")]
    with pytest.raises(ModalityError, match="no array 'features'; there are 'Res_feature'"):
        collect_slides(study(tmp_path, rows), tmp_path / "out")
    collect_slides(study(tmp_path, rows, features="Res_feature"), tmp_path / "out")


def test_a_grid_of_tiled_bags_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="order: grid needs"):
        HistologySection.parse({"slides": "x", "order": "grid"})


@settings(max_examples=60, deadline=None)
@given(
    patches=st.integers(1, 400),
    size=st.integers(1, 200),
    rule=st.sampled_from(["tile", "sample", "pad"]),
)
def test_a_bag_is_full_in_order_and_of_the_slide(patches: int, size: int, rule: str) -> None:
    bag = make_bag(patches, size, rule, "P1")  # type: ignore[arg-type]
    filled = bag.patch[bag.patch != EMPTY]
    assert len(bag.patch) == size and filled.max() < patches
    assert bag.used == (size if patches >= size else patches)
    assert len(filled) == (size if rule == "tile" or patches >= size else patches)
    if patches >= size or rule != "tile":
        assert (np.diff(filled) > 0).all()
