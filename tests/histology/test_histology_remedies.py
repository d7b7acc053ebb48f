"""What an error of slides says to change is changed, and the bags are made then."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from safetensors.torch import save_file

from gendmr.config.histology import HistologySection, TilesSection
from gendmr.errors import (
    ConfigurationError,
    GendmrError,
    IdentifierError,
    ImageError,
    InputFileError,
    ModalityError,
    ModelError,
    TableError,
)
from gendmr.files.tables import write_table
from gendmr.histology.backbone import check_weights, read_models
from gendmr.histology.collect import collect_slides
from gendmr.histology.image import opened_slide, side_of
from gendmr.histology.preflight import check_slides
from gendmr.histology.slides import find_slides
from remedies import both, each_part, mended, row

FEATURES, SLIDES = "histology/features.py", "histology/slides.py"
BACKBONE, IMAGE = "histology/backbone.py", "histology/image.py"
SMALL = "shufflenet_v2_x0_5"


def square(side: int) -> np.ndarray:
    rows, columns = np.divmod(np.arange(side * side), side)
    return np.stack([columns, rows], axis=1).astype(np.int32) * 256


class Slides:
    """Files of features, the table of slides, and the section; changed by the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, str]] = []
        self.options: dict[str, Any] = {"side": 4}
        for name in "abc":
            self.rows.append({"participant_id": f"P{name}", "slide_id": name, "file": f"{name}.h5"})
            self.write(name)

    def write(self, name: str, **arrays: Any) -> None:
        """Write features as CLAM does, or other arrays."""
        arrays = arrays or {"features": np.arange(48.0).reshape(16, 3), "coords": square(4)}
        with h5py.File(self.folder / f"{name}.h5", "w") as stored:
            for key, values in arrays.items():
                stored[key] = values

    def section(self) -> HistologySection:
        path = self.folder / "slides.tsv"
        columns = list(self.rows[0]) if self.rows else ["participant_id", "slide_id", "file"]
        write_table(path, pd.DataFrame(self.rows, columns=columns))
        return HistologySection.parse({"slides": str(path), **self.options})

    def collect(self) -> None:
        collect_slides(self.section(), self.folder / "out")


@pytest.fixture
def slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slides:
    monkeypatch.setattr("gendmr.histology.figures.draw_slides", lambda *_: None)
    return Slides(tmp_path)


Change = Callable[[Slides], object]


def option(**entries: Any) -> Change:
    return lambda slides: slides.options.update(entries)


def cell(number: int, **values: str) -> Change:
    return lambda slides: slides.rows[number].update(values)


def without_file(slides: Slides) -> None:
    for slide in slides.rows:
        slide.pop("file", None)


def with_file(slides: Slides) -> None:
    for slide in slides.rows:
        slide["file"] = f"{slide['slide_id']}.h5"


def in_folder(slides: Slides) -> None:
    slides.options["folder"] = str(slides.folder)


def two(**arrays: Any) -> Change:
    """Write two of the three slides anew."""
    return lambda slides: [slides.write(name, **arrays) for name in "ab"]


def damaged(slides: Slides) -> None:
    for name in "ab":
        path = slides.folder / f"{name}.h5"
        path.write_bytes(path.read_bytes()[:900])


def pickled(slides: Slides) -> None:
    for slide in slides.rows:
        slide["file"] = f"{slide['slide_id']}.pt"
        (slides.folder / slide["file"]).write_bytes(b"x")


GOOD, EXCLUDED = two(), option(exclude=["a", "b"])
NUMBERS = np.arange(48.0).reshape(16, 3)
AGAIN = "make the features of this slide again"
NAMES = "set `histology: features:` and `coordinates:` to the names in the file"
TILES = {"weights": "w.safetensors"}
TWICE = "leave one row for each slide, of the person whose tissue it is"

# The mistake, then what each part of the remedy changes.
ROWS = [
    row(SLIDES, "list one slide in each row", InputFileError,
        lambda slides: slides.rows.clear(), lambda slides: Slides.__init__(slides, slides.folder)),
    row(SLIDES, "add a column `file`, or set `histology: folder:`", TableError, without_file,
        with_file, in_folder),
    row(SLIDES, "fill the column `file`", TableError, cell(0, file="n/a"), cell(0, file="a.h5")),
    row(SLIDES, ", or set `histology: folder:`", TableError, cell(0, file="n/a"), in_folder),
    row(SLIDES, "slides there: ", InputFileError, option(exclude=["x"]), option(exclude=["a"])),
    row(SLIDES, "rename these slides", IdentifierError, cell(0, slide_id="a b"),
        cell(0, slide_id="ab")),
    row(SLIDES, "rename these people", IdentifierError, cell(0, participant_id="a b"),
        cell(0, participant_id="ab")),
    row(SLIDES, TWICE, IdentifierError, cell(1, slide_id="a"), cell(1, slide_id="b")),
    row(FEATURES, "use the .h5 files of the feature extractor", InputFileError,
        pickled, with_file),
    row(FEATURES, "make the features of this slide again, or name it in `histology: exclude:`",
        InputFileError, damaged, GOOD, EXCLUDED),
    row(FEATURES, "set `histology: coordinates:`, or `order: raster`", ModalityError,
        both(two(features=NUMBERS, places=square(4)), option(order="grid", bag="pad",
        several="largest")),
        both(lambda slides: slides.write("c", features=NUMBERS, places=square(4)),
             option(coordinates="places")), option(order="raster")),
    row(FEATURES, NAMES, ModalityError,
        lambda slides: [slides.write(name, embedding=NUMBERS) for name in "abc"],
        option(features="embedding")),
    row(FEATURES, NAMES, ModalityError,
        lambda slides: [slides.write(name, features=NUMBERS[:, 0], x=NUMBERS) for name in "abc"],
        option(features="x")),
    row(FEATURES, AGAIN, ModalityError, two(features=NUMBERS * np.nan), GOOD),
    row(FEATURES, AGAIN, ModalityError, two(features=NUMBERS * 1e6), GOOD),
    row(FEATURES, AGAIN, ModalityError, two(features=NUMBERS * 0, coords=square(4) * 0), GOOD),
    row(FEATURES, "make the features of this slide again, or set `histology: coordinates:`",
        ModalityError, lambda slides: [slides.write(name, features=NUMBERS, coords=square(3),
                                                    places=square(4)) for name in "abc"],
        option(coordinates="places")),
]  # fmt: skip


@each_part(("module", "remedy", "error", "wrong", "mending"), ROWS)
def test_collect_slides__after_each_part_of_its_remedy(
    slides: Slides,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: Change,
    mending: Change,
) -> None:
    wrong(slides)
    with mended(module, remedy, error, slides.collect):
        mending(slides)


def test_find_slides__images_in_a_column_and_where_they_are(slides: Slides) -> None:
    slides.options = {"tiles": TILES}
    without_file(slides)
    words = "add a column `file`: paths of images, relative to the table"
    with mended(SLIDES, words, TableError, lambda: find_slides(slides.section())):
        with_file(slides)
    slides.options = {"folder": "/nowhere"}
    words = "correct `histology: folder:`, or the column `file`"
    for change in (in_folder, with_file):
        slides.options = {"folder": "/nowhere"}
        without_file(slides)
        with mended(
            "histology/preflight.py",
            words,
            InputFileError,
            lambda: check_slides(slides.section()),
        ):
            change(slides)


# Networks -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(read_models().get_model(SMALL, weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "name"),
    [
        row(BACKBONE, "take one of: ", ConfigurationError, {"backbone": "shufflenet"}, "backbone"),
        row(BACKBONE, "; or a part of one, such as", ConfigurationError, {"layer": "s5"}, "layer"),
        row(
            BACKBONE,
            "name the layer whose output are the features: `histology: tiles:",
            ConfigurationError,
            {"layer": None},
            "conv5",
        ),
        row(
            BACKBONE,
            "set `histology: tiles: backbone:` to the network that the weights are of",
            ModelError,
            {"backbone": "shufflenet_v2_x1_0"},
            SMALL,
        ),
    ],
)
def test_check_weights__a_network_and_a_layer_that_there_are(
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: dict[str, Any],
    name: str,
) -> None:
    options = {"backbone": SMALL, "size": 64, "weights": str(weights), **wrong}
    if name == "conv5":
        # As for a network whose last layer has a name of its own.
        monkeypatch.setattr("gendmr.histology.backbone.HEADS", ())
    with mended(
        module, remedy, error, lambda: check_weights(TilesSection.parse(options))
    ) as refused:
        listed = re.findall(r"'([^']+)'", refused.next_step)
        if name == "backbone":
            assert SMALL in listed and "did you mean 'shufflenet_v2" in refused.what
            options["backbone"] = SMALL
        elif name == "layer":
            assert "stage4" in listed
            options["layer"] = listed[-1]
        else:
            options["layer" if name == "conv5" else "backbone"] = name


def test_check_weights__files_that_are_there_and_whole(tmp_path: Path, weights: Path) -> None:
    path = tmp_path / "w.safetensors"
    section = TilesSection.parse({"backbone": SMALL, "size": 64, "weights": str(path)})
    network = read_models().get_model(SMALL, weights=None)
    words = "save the weights of a backbone of torchvision there:"
    with mended(BACKBONE, words, InputFileError, lambda: check_weights(section)) as refused:
        call = refused.next_step.partition("there: ")[2]
        assert call == "safetensors.torch.save_file(network.state_dict(), path)"
        save_file(network.state_dict(), path)
    path.write_bytes(weights.read_bytes()[:100])
    words = "fetch or convert the weights again"
    with mended(BACKBONE, words, InputFileError, lambda: check_weights(section)):
        save_file(network.state_dict(), path)


def test_network__without_a_device_on_the_processor(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gendmr.histology.extract import extract_features

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    path = tiff(tmp_path / "a.tif", 128, (1.0, 1.0))
    options = {"backbone": SMALL, "size": 64, "mpp": 1.0, "weights": str(weights), "gpu": True}
    words = "set `histology: tiles: gpu: false`, or run on a machine with one"
    with mended(
        "histology/extract.py",
        words,
        ConfigurationError,
        lambda: extract_features("A", str(path), TilesSection.parse(options), tmp_path / "A"),
    ):
        options["gpu"] = False


# Images of slides ---------------------------------------------------------------------------------


def tiff(path: Path, side: int, microns: tuple[float, float] | None) -> Path:
    pixels = np.random.default_rng(1).integers(180, 240, (side, side, 3)).astype(np.uint8)
    options: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb"}
    if microns is not None:
        options |= {"resolution": (1e4 / microns[0], 1e4 / microns[1]), "resolutionunit": 3}
    tifffile.imwrite(path, pixels, **options)
    return path


def test_opened_slide__square_pixels_of_a_known_size(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", 256, (1.0, 2.0))
    options: dict[str, Any] = {"unknown": None, "mpp": 0.5, "size": 64}

    def side() -> None:
        with opened_slide(str(path), options["unknown"]) as slide:
            side_of(slide, options["mpp"], options["size"])

    words = "convert the slide to square pixels, or name it in `histology: exclude:`"
    options["mpp"] = 1.0
    with mended(IMAGE, words, ImageError, side):
        tiff(path, 256, (1.0, 1.0))
    options["mpp"] = 0.25
    with mended(IMAGE, "set `histology: tiles: mpp: ", ImageError, side) as refused:
        options["mpp"] = float(refused.next_step.partition("mpp: ")[2].partition("`")[0])
    words = "check the image, take a smaller `histology: tiles: size:`, or name it in"
    options["size"] = 512
    with mended(IMAGE, words, ImageError, side):
        options["size"] = 128
    path.write_bytes(b"no slide")
    words = "copy the slide again, convert it to a pyramidal TIFF, or name it in"
    with mended(IMAGE, words, InputFileError, side):
        tiff(path, 256, (1.0, 1.0))
