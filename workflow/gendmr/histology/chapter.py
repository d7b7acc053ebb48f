"""What the page shows of the stage."""

from __future__ import annotations

from gendmr.chapters import Chapter, ChapterFigure

CHAPTER = Chapter(
    title="What do the slides hold?",
    figures=(
        ChapterFigure(
            path="histology/figures/quality.png",
            alt="Patches of all slides",
            caption="Left: patches of each slide, found and used. Right: where they lie on three of"
            " them; a slide whose patches are no tissue shows here.",
        ),
    ),
)
