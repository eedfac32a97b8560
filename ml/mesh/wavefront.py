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
_WITHOUT_UV = re.compile(rb"^f[ \t]+\d+(?:[ \t\r]|//)[^\n]*", re.M)


def prepared_obj(data: bytes) -> bytes:
    """UTF-8 OBJ with absolute indices, and within a material with texture coordinates on every
    face or on none."""
    data = _utf8(data)
    if _RELATIVE.search(data):
        data = _absolute(data)
    if _WITH_UV.search(data) and _WITHOUT_UV.search(data):
        data = _filled(data)
    return data


def prepared_mtl(data: bytes) -> bytes:
    """UTF-8 MTL."""
    return _utf8(data)


def _utf8(data: bytes) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
    return data.removeprefix(b"\xef\xbb\xbf")


def _filled(data: bytes) -> bytes:
    """Faces without texture coordinates get a blank one where their material has others with."""
    head, *chunks = re.split(rb"^(?=usemtl[ \t])", data, flags=re.M)
    names = [chunk.partition(b"\n")[0].strip() for chunk in chunks]
    textured = {name for name, chunk in zip(names, chunks, strict=True) if _WITH_UV.search(chunk)}
    bare = {name for name, chunk in zip(names, chunks, strict=True) if _WITHOUT_UV.search(chunk)}
    mixed = textured & bare
    if not mixed:
        return data
    blank = len(re.findall(rb"^vt[ \t]", data, re.M)) + 1
    for place, name in enumerate(names):
        if name in mixed:
            chunks[place] = _WITHOUT_UV.sub(lambda face: _with_blank(face[0], blank), chunks[place])
    return b"".join([head, *chunks, b"\nvt 0 0\n"])


def _with_blank(face: bytes, blank: int) -> bytes:
    return re.sub(rb"(?<=[ \t])(\d+)(?:/(?=/)|(?![\d/]))", rb"\1/%d" % blank, face)


def _absolute(data: bytes) -> bytes:
    """Indices counted back from a face's own line, counted from the file's start instead."""
    seen = {b"v": 0, b"vt": 0, b"vn": 0}
    out: list[bytes] = []
    for line in data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        words = line.split()
        if words and words[0] in seen:
            seen[words[0]] += 1
        elif words and words[0] == b"f":
            counts = (seen[b"v"], seen[b"vt"], seen[b"vn"])
            line = b"f " + b" ".join(_reference(word, counts) for word in words[1:])
        out.append(line)
    return b"\n".join(out) + b"\n"


def _reference(word: bytes, counts: tuple[int, int, int]) -> bytes:
    """'-1//-2' -> '8//7' where 8 positions and normals came before."""
    parts = word.split(b"/")
    for place, part in enumerate(parts[:3]):
        if part.startswith(b"-"):
            parts[place] = b"%d" % (counts[place] + int(part) + 1)
    return b"/".join(parts)
