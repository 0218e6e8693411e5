"""Filters: pictures in, cleaner pictures out, in front of an extractor that is left as it is."""

from elliot_advrec.filters.base import Filter, FilterConfig
from elliot_advrec.registry import Registry

FILTERS: Registry[Filter] = Registry(
    "filter",
    Filter,  # type: ignore[type-abstract]  # the registry never instantiates it
    {
        "reconstruction": "elliot_advrec.filters.reconstruction:Reconstruction",
        "unet": "elliot_advrec.filters.unet:UNet",
        "jpeg": "elliot_advrec.filters.jpeg:JPEG",
        "bit_depth": "elliot_advrec.filters.bit_depth:BitDepth",
        "median": "elliot_advrec.filters.median:Median",
        "feature_squeezing": "elliot_advrec.filters.feature_squeezing:FeatureSqueezing",
        "resize_pad": "elliot_advrec.filters.resize_pad:ResizePad",
        "total_variation": "elliot_advrec.filters.total_variation:TotalVariation",
        "gaussian": "elliot_advrec.filters.gaussian:Gaussian",
    },
)

__all__ = ["FILTERS", "Filter", "FilterConfig"]
