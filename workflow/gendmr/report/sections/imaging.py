"""The chapter on images: how well they were registered, who is flagged, whose are not used."""

from __future__ import annotations

from pathlib import Path

from gendmr.files.tables import Kind, read_table
from gendmr.report.numbers import finite
from gendmr.report.schema import Registration

MODALITY = "region"
QUALITY: dict[str, Kind] = {"participant_id": "text", "dice": "number", "outlier": "flag"}
LISTED, PICTURED = 20, 60  # people
HALF = 0.5  # share of people, from which on nothing else is worth reading first
MANY = 0.1  # share of people, from which on it is no single scan's fault


def registration(path: Path) -> Registration | None:
    """Summarise ``imaging/quality.tsv``: overlap with the template, who is flagged or left out.

    Where measurements were given nobody has an overlap.
    """
    if not path.is_file():
        return None
    table = read_table(path, QUALITY, extra=True, key="participant_id")
    if "status" not in table:
        table["status"] = "measured"
    n_people = len(table)
    left_out = table[table["status"] != "measured"]
    # Flagged scans keep overlap and picture, because readers judge a removal by them.
    table = table[(table["status"] == "measured") | table["outlier"]]
    dice = table["dice"].dropna()
    flagged = table[table["outlier"]].sort_values("dice", kind="stable")
    reasons = (
        flagged["reason"] if "reason" in flagged else flagged["participant_id"].map(lambda _: "")
    )
    return Registration(
        n=len(table),
        dice_min=finite(dice.min()) if len(dice) else None,
        dice_median=finite(dice.median()) if len(dice) else None,
        dice_max=finite(dice.max()) if len(dice) else None,
        n_outliers=len(flagged),
        outliers=[
            {"participant_id": str(participant), "dice": finite(value), "reason": str(reason)}
            for participant, value, reason in zip(
                flagged["participant_id"], flagged["dice"], reasons, strict=True
            )
        ][:LISTED],
        n_left_out=len(left_out),
        n_people=n_people,
        n_flagged_or_lost=len({*flagged["participant_id"], *left_out["participant_id"]}),
        left_out=[
            {"participant_id": str(participant), "status": str(status), "reason": str(reason)}
            for participant, status, reason in zip(
                left_out["participant_id"], left_out["status"], left_out["reason"], strict=True
            )
        ][:LISTED],
        pictured=[
            str(participant)
            for participant in table.sort_values(
                ["outlier", "dice"], ascending=[False, True], kind="stable"
            )["participant_id"][:PICTURED]
        ],
    )


def registration_alarm(registration: Registration | None) -> list[str]:
    """Return what stands above all else: half of the people are flagged or have no regions."""
    if not registration:
        return []
    everybody, n_unusable = registration.n_people, registration.n_flagged_or_lost
    if n_unusable < HALF * everybody:
        return []
    return [
        f"{n_unusable} of {everybody} people have an image or measurements that are flagged or not"
        " used: do not believe the regions before the cause is known. It is in how all of them were"
        " measured (what `imaging.brain` says of them, the atlas, the units), rarely in the people."
    ]


def registration_warnings(registration: Registration | None) -> list[str]:
    """Return warnings where many scans are flagged or not used."""
    if not registration:
        return []
    sentences = []
    n, n_left_out = registration.n, registration.n_left_out
    if n_left_out > MANY * (n + n_left_out):
        sentences.append(
            f"{n_left_out} of {n + n_left_out} people have an image or measurements that are not"
            " used: when so many scans fail, the cause is rarely the single scan. The reasons are"
            " in imaging/quality.tsv."
        )
    if registration.n_outliers <= MANY * n:
        return sentences
    if registration.dice_median is None:
        return [
            *sentences,
            f"{registration.n_outliers} of {n} people are flagged as outliers by"
            " their region measurements: look at imaging/quality.tsv before using the regions.",
        ]
    return [
        *sentences,
        f"{registration.n_outliers} of {n} registrations are flagged as"
        " outliers: look at their pictures before using the regions.",
    ]
