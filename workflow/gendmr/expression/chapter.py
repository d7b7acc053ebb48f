"""What the page shows of the stage."""

from __future__ import annotations

from gendmr.chapters import Chapter, ChapterFigure

CHAPTER = Chapter(
    title="Is the expression alike over people?",
    figures=(
        ChapterFigure(
            path="expression/figures/quality.png",
            alt="Expression of all people",
            caption="Left: median and quartiles of each person; one who is far from the others was"
            " measured or normalised otherwise. Right: the first two components of the people.",
        ),
    ),
)
