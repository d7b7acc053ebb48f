"""Pure statistics: functions of arrays that know neither files nor folds nor methods."""
