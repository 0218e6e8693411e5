"""Drawn clothes: categories, textures and colours that a person and a network can tell apart."""

from elliot_advrec.data.garments.design import REVISION, Design, design
from elliot_advrec.data.garments.draw import cutout, picture
from elliot_advrec.data.garments.drawn import Drawn
from elliot_advrec.data.garments.palette import FAMILIES
from elliot_advrec.data.garments.photo import snapshot
from elliot_advrec.data.garments.shapes import SHAPES
from elliot_advrec.data.garments.textures import TEXTURES

__all__ = [
    "FAMILIES",
    "REVISION",
    "SHAPES",
    "TEXTURES",
    "Design",
    "Drawn",
    "cutout",
    "design",
    "picture",
    "snapshot",
]
