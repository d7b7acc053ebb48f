"""Models of finished folds, applied to people of another cohort.

`models` finds them, `cohort` opens the people whose cohort is joined, `matching` compares the two
and refuses what does not go together, `study` writes predictions and metrics.
"""
