"""The table of the page's files."""

import gzip
from pathlib import Path

from firmware_ctl.remote.web.page_files import read_page


def test_page_has_the_files_of_known_kinds(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "secret.key").write_text("no")
    page = read_page(str(tmp_path))
    assert [*page] == ["index.html"]
    assert gzip.decompress(page["index.html"].packed) == b"<!doctype html>"
    assert page["index.html"].content_type == "text/html; charset=utf-8"


def test_page_without_a_folder_is_empty(tmp_path: Path) -> None:
    assert read_page(str(tmp_path / "missing")) == {}
