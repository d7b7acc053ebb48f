"""What the page shows of the stage."""

from __future__ import annotations

from gendmr.chapters import Chapter, ChapterFigure

CHAPTER = Chapter(
    title="Which regions act together?",
    figures=(
        ChapterFigure(
            path="connectivity/figures/connectome.png",
            alt="Mean correlations between regions",
            caption="Mean correlation of each pair of regions over all people whose scan can be"
            " used, ordered by domain where domains are told. A picture of each person's own"
            " connectome lies in connectivity/pictures.",
        ),
    ),
)
