"""The files of the page, in a table that is made at the start.

No path of a request reaches the file system.
"""

import gzip
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

FOLDER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


class PageFile(NamedTuple):
    content_type: str
    etag: str
    packed: bytes
    """By gzip."""


def read_page(folder: str = FOLDER) -> Mapping[str, PageFile]:
    """The name of each file of the page, and the file. Empty without a folder."""
    if not os.path.isdir(folder):
        return {}
    files = {}
    for name in sorted(os.listdir(folder)):
        content_type = TYPES.get(os.path.splitext(name)[1])
        if content_type is not None:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            etag = f'"{sha256(data).hexdigest()[:16]}"'
            files[name] = PageFile(content_type, etag, gzip.compress(data, 9, mtime=0))
    return files
