"""The ninth room: finished folds, replayed into MLflow for comparison.

Training writes files and knows nothing of MLflow; this stage reads those files afterwards. It takes
``run.json``, ``fold.json`` and ``history.jsonl`` of every fold, ``metrics.tsv`` of every method
and the figures and tables of its ranking. It leaves ``tracking/synced.json``, the listing of folds
with the checksums of what was replayed, and beside it a database ``mlflow.db`` and a folder
``artifacts`` that MLflow's own user interface opens.

The database is neither input nor output of a rule: deleting it loses nothing, for
``gendmr tracking rebuild`` makes it again from the files at any time. What MLflow does not take (a
locked or read-only database, a full disk, a server that is away) is a note of the report, and a
later ``gendmr tracking sync`` sends it; it decides no exit status.

One parent run stands for a method in a study, one child run for a fold of a repeat. Replaying is
idempotent: a fold whose files are unchanged is left alone; a fold that was trained again becomes a
new run, and the older run is tagged ``gendmr.state = superseded`` and moved to MLflow's deleted
runs, so that a comparison shows each fold once.

With ``tracking.live``, a process beside the workflow also sends curves to a server while folds
train (`gendmr.tracking.follow`).
"""
