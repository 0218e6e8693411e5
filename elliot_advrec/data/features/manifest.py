"""What a feature matrix is a matrix of: the JSON beside it that names items, extractor and picture size."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from elliot_advrec.component import explain
from elliot_advrec.errors import UserError
from elliot_advrec.files import write_json

FORMAT = "elliot_advrec features 1"


class Manifest(BaseModel):
    """Row i of the matrix belongs to ``ids[i]``."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    format: str = FORMAT
    """Always ``FORMAT``."""
    ids: list[str]
    """Items, in the order of rows."""
    dim: int = Field(ge=1)
    """Numbers in a row."""
    extractor: str | None = None
    """Digest of the extractor's weights; None where unknown."""
    image_size: int | None = None
    """Side of the square pictures that were embedded, in pixels."""
    normalised: bool = False
    """Whether rows were scaled to unit length."""
    source: dict[str, object] = {}
    """Whatever the writer wants to remember: recipe, defense, seed, versions."""

    def save(self, path: Path) -> None:
        """Write the manifest, atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read what ``save`` wrote.

        Raises:
            UserError: no such file, not JSON, of another form, or an id twice.
        """
        try:
            found = cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(
                f"the manifest that names the items cannot be read ({error.strerror})",
                where=str(path),
                remedy='write one: {"format": "' + FORMAT + '", "ids": ["B0001", ...], "dim": 2048}',
            ) from error
        except ValidationError as error:
            if error.errors()[0]["type"] == "json_invalid":
                raise UserError("the manifest is not JSON", where=str(path)) from error
            raise explain(error, cls, f"{path}: ") from None
        if found.format != FORMAT:
            raise UserError(
                f"the manifest is of the form '{found.format}'", where=str(path), remedy=f"known: {FORMAT}"
            )
        refuse_twice(found.ids, str(path))
        return found


def beside(path: Path) -> Path:
    """Where the manifest of a matrix lies: ``features.npy`` has ``features.json``."""
    return path.with_suffix(".json")


def refuse_twice(ids: list[str], where: str) -> None:
    """Raises ``UserError`` when an id is there twice, naming it and both rows."""
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, int] = {}
    for row, item in enumerate(ids):
        if item in seen:
            raise UserError(f"the item '{item}' is there twice, as rows {seen[item]} and {row}", where=where)
        seen[item] = row
