"""What the page shows of the stage."""

from __future__ import annotations

from gendmr.chapters import Chapter, ChapterFigure

CHAPTER = Chapter(
    title="What do the slides hold?",
    figures=(
        ChapterFigure(
            path="histology/figures/tissue.png",
            alt="Slides with their tissue and tiles",
            caption="Slides whose tiles were cut here, those with the fewest tiles first. Right of"
            " each: what is no tissue is pale, marks of a pen are orange, tiles are outlined. Red"
            " pen is not told from tissue.",
        ),
        ChapterFigure(
            path="histology/figures/quality.png",
            alt="Patches of all slides",
            caption="Left: patches of each slide, found and used. Right: where they lie on three of"
            " them; a slide whose patches are no tissue shows here.",
        ),
    ),
)
