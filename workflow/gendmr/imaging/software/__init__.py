"""Measurements of regions as other software leaves them, each form in a module of its own.

A reader is recognised by what a table's header or a folder holds, never by its file name alone, and
returns `SoftwareTable`: values by region and measure, the head size, and the names of what was set
aside. Identifiers are text throughout. `gendmr.imaging.measurements` checks and hands on.
"""
