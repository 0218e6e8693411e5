"""Where catalogs come from: one class a kind of data, named in a recipe's ``catalog.source``."""

from elliot_advrec.data.sources.base import Source
from elliot_advrec.registry import Registry

SOURCES: Registry[Source] = Registry(
    "source",
    Source,  # type: ignore[type-abstract]
    {
        "synthetic": "elliot_advrec.data.sources.synthetic:Synthetic",
        "folder": "elliot_advrec.data.sources.folder:Folder",
        "deepfashion": "elliot_advrec.data.sources.deepfashion:DeepFashion",
        "amazon": "elliot_advrec.data.sources.amazon:Amazon",
        "dvbpr": "elliot_advrec.data.sources.amazon_partitioned:DVBPR",
        "tradesy": "elliot_advrec.data.sources.tradesy:Tradesy",
        "pinterest": "elliot_advrec.data.sources.pinterest:Pinterest",
    },
)

__all__ = ["SOURCES", "Source"]
