"""How the parts of results.json are read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Read leniently: a key that a later release adds does no harm, a missing or mistyped one does."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)
