from __future__ import annotations

from tests.licenses import is_forbidden, stated


def test_no_package_obliges_whoever_runs_this_to_the_gpl() -> None:
    found = stated()
    assert len(found) > 50
    assert not {name: text for name, text in found.items() if is_forbidden(text) or text == "says none"}


def test_the_gpl_would_be_seen() -> None:
    assert is_forbidden("GPL-3.0-or-later")
    assert is_forbidden("GNU Affero General Public License v3")
    assert is_forbidden("GNU General Public License v2 (GPLv2)")
    assert not is_forbidden("GNU Library or Lesser General Public License (LGPL)")
    assert not is_forbidden("MIT")
