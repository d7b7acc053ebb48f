"""`gendmr predict`: models of a study applied to another cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from gendmr.predict.matching import TrainingPeople

PATH = click.Path(exists=True, path_type=Path)


class FoldNumbers(click.ParamType[tuple[int, int]]):
    """`0/3`: repeat and fold."""

    name = "repeat/fold"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return repeat and fold."""
        repeat, _, fold = str(value).partition("/")
        if not (repeat.isdecimal() and fold.isdecimal()):
            self.fail(f"{value!r} is not like 0/3: repeat and fold, counted from 0", param, ctx)
        return int(repeat), int(fold)


@click.command(name="predict")
@click.argument("results", type=PATH)
@click.option("--on", required=True, type=PATH, help="Configuration or folder of the new cohort.")
@click.option("--method", "methods", multiple=True, help="Without it all; may be repeated.")
@click.option("--fold", type=FoldNumbers(), help="One fold, 0/3; without it the mean of all.")
@click.option(
    "--overlap",
    default=0.8,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of what a model reads that the new cohort must have.",
)
@click.option(
    "--known",
    "training_people",
    default="refuse",
    show_default=True,
    type=click.Choice(["refuse", "leave-out", "other-people"]),
    help="People of the training set; other-people: equal names are of different people.",
)
@click.option("--output", type=click.Path(path_type=Path), help="RESULTS/predict/<cohort>.")
def group(
    results: Path,
    on: Path,
    methods: tuple[str, ...],
    fold: tuple[int, int] | None,
    overlap: float,
    training_people: str,
    output: Path | None,
) -> None:
    """Apply the models of RESULTS (results/<study>, or a model.safetensors) to other people."""
    from gendmr.predict.study import predict_study

    predictions = predict_study(
        results,
        on,
        output,
        methods=methods,
        fold=fold,
        overlap=overlap,
        training_people=cast("TrainingPeople", training_people),
        progress=click.echo,
    )
    for prediction in predictions:
        for note in prediction.notes:
            click.echo(f"  note ({prediction.method}): {note}")
