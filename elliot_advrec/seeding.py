"""Seeds decided by names, so that no result depends on order; free of torch, for worker processes."""

from __future__ import annotations

import hashlib


def stream_seed(*parts: object) -> int:
    """A 63-bit seed decided by ``parts`` alone (their ``str``), the same on every machine and run."""
    # File names may hold bytes that are not UTF-8, which Python holds as surrogates.
    digest = hashlib.blake2b(
        "\x1f".join(map(str, parts)).encode("utf-8", "surrogateescape"), digest_size=8
    ).digest()
    return int.from_bytes(digest, "little") >> 1
