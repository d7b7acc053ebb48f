"""Figures are written as PNG and SVG, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.artist import Artist
from PIL import Image

from gendmr import style


def figure():
    drawn, axes = style.canvas(size=(style.COLUMN, 1.0), layout="constrained")
    axes.plot([1, 2, 4], label="<line> & more")
    axes.legend()
    return drawn


def test_both_files_have_the_size_of_print_and_no_date(tmp_path):
    style.save(figure(), tmp_path / "a" / "b.png", crop=False)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.png", "b.svg"]
    with Image.open(tmp_path / "a" / "b.png") as picture:
        assert picture.size == (1003, 300)  # 85 mm and an inch at 300 dots
        assert picture.info.keys() == {"dpi"}
    text = (tmp_path / "a" / "b.svg").read_text()
    assert "&lt;line&gt; &amp; more</text>" in text
    assert "dc:date" not in text
    assert str(tmp_path) not in text


def test_a_picture_of_a_scan_has_no_vector_form(tmp_path):
    style.save(figure(), tmp_path / "b.png", vector=False)
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_neither_file_changes_when_drawing_fails(tmp_path):
    class Broken(Artist):
        def draw(self, renderer):
            if type(renderer).__name__ == "MixedModeRenderer":  # that of SVG
                raise RuntimeError("no such stroke")

    for suffix in ("png", "svg"):
        (tmp_path / f"b.{suffix}").write_text("from before")
    drawn = figure()
    drawn.add_artist(Broken())
    with pytest.raises(RuntimeError, match="no such stroke"):
        style.save(drawn, tmp_path / "b.png", crop=False)
    contents = {path.name: path.read_bytes() for path in Path(tmp_path).iterdir()}
    assert contents == {"b.png": b"from before", "b.svg": b"from before"}


def test_names_are_cut_where_they_are_too_long():
    assert style.short("APOE") == "APOE"
    assert style.short("a" * 26) == "a" * 26
    assert style.short("a" * 27) == "a" * 25 + "…"


def test_names_are_neither_formulas_nor_markup(tmp_path):
    names = ["$\\frac{$", "a$b$c", "<script>alert(1)</script>", "& \"x\" 'y'", "\\nope{"]
    figure, axes = style.canvas(size=(3, 2))
    axes.set_yticks(range(len(names)), names)
    axes.set_title(names[0])
    style.save(figure, tmp_path / "f.png")
    text = (tmp_path / "f.svg").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for name in names[:2]:
        assert name in text
