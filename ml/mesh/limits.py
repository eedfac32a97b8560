"""How much of a stranger's file is believed before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MIB", "MeshLimits", "SourceLimits"]

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class MeshLimits:
    """Limits on one model.

    max_bytes       of the mesh file alone; refused above
    max_faces       refused above: reading them would take gigabytes
    target_faces    decimated to this above it: more can't be seen at 224 px and slow the browser
    texture_side    longer side, pixels; larger textures are reduced to it
    texture_bytes   of one texture's file; the texture is left out above
    texture_pixels  told by its header, before decoding; the texture is left out above
    textures        textures kept in one model
    """

    max_bytes: int = 512 * MIB
    max_faces: int = 6_000_000
    target_faces: int = 300_000
    texture_side: int = 1024
    texture_bytes: int = 64 * MIB
    texture_pixels: int = 64_000_000
    textures: int = 256


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Limits on a whole source; an archive beyond one of them is refused as a whole.

    entries         files in an archive, or found in a folder
    archive_bytes   of the archive itself
    unpacked_bytes  of all its entries together
    entry_bytes     of one entry, unpacked
    ratio           unpacked / packed of one entry above `ratio_floor` bytes (deflate reaches
                    1,032 at most; honest meshes and pictures stay under 50)
    """

    entries: int = 200_000
    archive_bytes: int = 4096 * MIB
    unpacked_bytes: int = 8192 * MIB
    entry_bytes: int = 1024 * MIB
    ratio: float = 200.0
    ratio_floor: int = 1 * MIB
