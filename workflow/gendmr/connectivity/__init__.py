"""Functional data of each person to correlations between regions, with their quality.

Two forms are read: regional time series, and matrices or vectors of pairs made elsewhere. Nothing
is estimated from several people here: what is (the reference of the tangent space) is fitted in
each fold.
"""
