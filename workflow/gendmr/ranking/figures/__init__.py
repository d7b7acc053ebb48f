"""Pictures of a ranking: genome, null, folds, brain, networks.

Each function writes a PNG and, beside it, an SVG, and returns the figure.
"""

from gendmr.ranking.figures.brain import Atlas, draw_brain, read_atlas
from gendmr.ranking.figures.genome import draw_genome
from gendmr.ranking.figures.glass import draw_edges, draw_voxels
from gendmr.ranking.figures.networks import draw_networks
from gendmr.ranking.figures.qq import draw_qq
from gendmr.ranking.figures.stability import TablePanel, draw_stability

__all__ = [
    "Atlas",
    "TablePanel",
    "draw_brain",
    "draw_edges",
    "draw_genome",
    "draw_networks",
    "draw_qq",
    "draw_stability",
    "draw_voxels",
    "read_atlas",
]
