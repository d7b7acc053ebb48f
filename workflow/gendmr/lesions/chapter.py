"""What the page shows of the stage."""

from __future__ import annotations

from gendmr.chapters import Chapter, ChapterFigure

CHAPTER = Chapter(
    title="How large and how bright are the lesions?",
    figures=(
        ChapterFigure(
            path="lesions/figures/lesions.png",
            alt="Sizes and contrasts of the lesions of all people",
            caption="Left: size of each person's lesions, from the smallest to the largest. Right:"
            " how much brighter the lesion is than the rest of the image in each channel, in SDs of"
            " the volume; a channel that is a copy of another is left out. A picture of each person"
            " lies in lesions/pictures.",
        ),
    ),
)
