"""Features that were extracted before: NumPy arrays, Elliot's folders, binary files of VBPR and DVBPR."""

from __future__ import annotations

from pathlib import Path

from elliot_advrec.data.features.arrays import ArchiveFile, ArrayFile
from elliot_advrec.data.features.base import FeatureFile, FeatureMatrix, read_matrix
from elliot_advrec.data.features.elliot_folder import ElliotFolder
from elliot_advrec.data.features.manifest import Manifest
from elliot_advrec.data.features.partitioned import Partitioned, read_partitioned
from elliot_advrec.data.features.vbpr_binary import BinaryFile
from elliot_advrec.data.sources.base import existing
from elliot_advrec.errors import UserError

__all__ = [
    "FeatureFile",
    "FeatureMatrix",
    "Manifest",
    "Partitioned",
    "open_features",
    "read_matrix",
    "read_partitioned",
]


def open_features(path: Path, *, numbered: bool = False) -> FeatureFile:
    """Features on disk; their form is told by the name: ``.npy``, ``.npz``, ``.b``, or a folder of Elliot's.

    Args:
        path: the file or folder.
        numbered: a ``.npy`` without a manifest has the items '0', '1', ... as rows, and the numbers of
            Elliot's folder are ids, whatever lies beside it.

    Raises:
        UserError: nothing there, an unknown form, or one that cannot be read.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return ElliotFolder(path, numbered=numbered)
    existing(path, folder=False)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return ArrayFile(path, numbered=numbered)
    if suffix == ".npz":
        return ArchiveFile(path)
    if suffix == ".b":
        return BinaryFile(path)
    raise UserError(
        f"features in a '{suffix}' file are not known",
        where=str(path),
        remedy="known: .npy, .npz, .b, or a folder of one .npy an item",
    )
