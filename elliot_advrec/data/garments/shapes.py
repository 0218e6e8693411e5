"""The categories: every name with the function that draws its outline."""

from __future__ import annotations

from elliot_advrec.data.garments import accessories, bottoms, full, tops
from elliot_advrec.data.garments.geometry import Shape

SHAPES: dict[str, Shape] = {
    "dress": full.dress,
    "t-shirt": tops.t_shirt,
    "trousers": bottoms.trousers,
    "shoe": accessories.shoe,
    "bag": accessories.bag,
    "sweater": tops.sweater,
    "skirt": bottoms.skirt,
    "hat": accessories.hat,
    "shirt": tops.shirt,
    "shorts": bottoms.shorts,
    "coat": full.coat,
    "boot": accessories.boot,
    "tank top": tops.tank_top,
    "hoodie": full.hoodie,
}
"""Every category by name; a catalog of k categories takes the first k, so the easily told ones come first."""
