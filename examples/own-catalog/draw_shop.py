"""Draw a small shop to follow the tutorial with: a folder of pictures and a file of interactions.

    python draw_shop.py shop

writes ``shop/images/<category>/<item>.jpg`` and ``shop/interactions.tsv`` (user, item, rating, timestamp).
With pictures of your own you need none of this.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from elliot_advrec.data.sources.synthetic import Synthetic, SyntheticConfig


def draw(folder: Path, *, items: int, users: int, seed: int, size: int = 64) -> None:
    """Write the shop; everything is decided by ``seed``."""
    settings = {"items": items, "users": users, "categories": 6, "textures": 8, "seed": seed}
    source = Synthetic(SyntheticConfig.model_validate(settings))
    catalog = source.catalog()
    for item, picture, category in zip(catalog.ids, catalog.pictures, catalog.category, strict=True):
        place = folder / "images" / catalog.categories[category]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.load(size)).save(place / f"{item}.jpg", quality=92)
    frame = source.interactions(catalog).assign(rating=1)
    frame[["user", "item", "rating", "timestamp"]].to_csv(folder / "interactions.tsv", sep="\t", index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    found = parser.parse_args()
    draw(found.folder, items=found.items, users=found.users, seed=found.seed)
