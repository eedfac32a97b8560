"""Where models come from: a folder, an archive, a furniture library or one file. Nothing in it is
lost silently: every file is a model, a resource of one, a named failure or a noted leftover."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ml.errors import BadSource
from ml.mesh import manifests, sweethome
from ml.mesh.archives import file_hash, unpack
from ml.mesh.limits import SourceLimits
from ml.mesh.reading import MESH_SUFFIXES
from ml.mesh.resources import ROOT_MARKER, references
from ml.types import ModelFile

__all__ = ["IgnoredFile", "Source", "SourceFailure", "SourceLimits", "content_hash", "open_source"]

Kind = Literal["sh3f", "zip", "folder", "file"]

_ARCHIVES = {".sh3f", ".zip"}
_KNOWN_UNREAD = {
    ".3dm", ".3ds", ".amf", ".blend", ".c4d", ".catpart", ".catproduct", ".dwg", ".dxf", ".f3d", ".fbx",
    ".iam", ".ifc", ".iges", ".igs", ".ipt", ".jt", ".lwo", ".ma", ".max", ".mb", ".prt", ".sat", ".skp",
    ".sldasm", ".sldprt", ".usd", ".usda", ".usdc", ".usdz", ".vrml", ".wrl", ".x3d", ".x_t",
}  # fmt: skip
_RESOURCES = {
    ".mtl", ".bin", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tga", ".tif", ".tiff", ".webp", ".ktx2",
    ".hdr", ".exr", ".dds",
}  # fmt: skip
_RANK = {suffix: rank for rank, suffix in enumerate(MESH_SUFFIXES)}


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A product that can't be had.

    code: missing_entry, bad_entry, unsupported_format, refused_entry or bad_source.
    """

    key: str
    name: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class IgnoredFile:
    """A file that is no model and belongs to none; path as in the source."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """What was found.

    name, license  of the whole, '' where unknown
    root           the folder models lie in (the unpacked archive's)
    resources      materials, textures, buffers, icons and manifests, as paths relative to root
    """

    kind: Kind
    path: Path
    name: str
    root: Path
    models: tuple[ModelFile, ...]
    failures: tuple[SourceFailure, ...] = ()
    ignored: tuple[IgnoredFile, ...] = ()
    resources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    license: str = ""


def open_source(path: Path, *, workdir: Path, limits: SourceLimits = SourceLimits()) -> Source:  # noqa: B008
    """The models in `path`; archives are unpacked under `workdir`, once per content.

    Keys: in a folder or ZIP the path without suffix; in a .sh3f the item's id. Meshes are not read
    here. Raises BadSource where nothing can be opened at all.
    """
    if not path.exists():
        raise BadSource(f"there is no file or folder {path}")
    suffix = path.suffix.lower()
    if path.is_dir():
        return _folder(path, path.resolve(), "folder", workdir, limits)
    if suffix == ".sh3f":
        return _library(path, workdir, limits)
    if suffix == ".zip":
        return _zip(path, workdir, limits)
    if suffix in MESH_SUFFIXES:
        found = references(path)
        model = ModelFile(key=path.stem, path=path, name=_title(path))
        used = tuple(resource.name for resource in found.found)
        return Source("file", path, path.name, path.parent, (model,), resources=used)
    known = ", ".join(sorted({name[1:] for name in (*_ARCHIVES, *MESH_SUFFIXES)}))
    raise BadSource(f"{path.name} is no catalog or model; give a folder or one of: {known}")


def content_hash(model: ModelFile) -> str:
    """SHA-256, hex, over the mesh file and everything it refers to (names as well as bytes)."""
    digest = hashlib.sha256()
    found = references(model.path)
    digest.update(f"{model.path.suffix.lower()} {file_hash(model.path)}\n".encode())
    for resource in sorted(found.found, key=lambda one: one.name):
        digest.update(f"{resource.name} {file_hash(resource)}\n".encode())
    for name in sorted(found.missing):
        digest.update(f"missing {name}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def _library(path: Path, workdir: Path, limits: SourceLimits) -> Source:
    unpacked = unpack(path, workdir, limits)
    library = sweethome.read_library(unpacked.root, path.stem)
    failures = [SourceFailure(*failure) for failure in library.failures]
    used: set[Path] = {unpacked.root / sweethome.CATALOG_FILE}
    for model in library.models:
        used.update((model.path, *references(model.path, unpacked.root).found))
        if model.icon is not None:
            used.add(model.icon)
    meshes = {model.path for model in library.models}
    ignored = [IgnoredFile(name, reason) for name, reason in unpacked.refused]
    for file in _files(unpacked.root, limits):
        if file not in used:
            shown = file.relative_to(unpacked.root).as_posix()
            translation = file.suffix.lower() == ".properties"
            why = "a translation of the catalog" if translation else "no item of the catalog uses it"
            ignored.append(IgnoredFile(shown, why))
    resources = tuple(
        sorted(file.relative_to(unpacked.root).as_posix() for file in used - meshes if file.exists())
    )
    return Source(
        "sh3f", path, library.name, unpacked.root, library.models, tuple(failures), tuple(ignored), resources,
        license=library.license,
    )  # fmt: skip


def _zip(path: Path, workdir: Path, limits: SourceLimits) -> Source:
    unpacked = unpack(path, workdir, limits)
    if (unpacked.root / sweethome.CATALOG_FILE).is_file():
        return replace(_library(path, workdir, limits), kind="zip")
    source = _folder(path, unpacked.root, "zip", workdir, limits)
    refused = tuple(SourceFailure(name, name, reason, "refused_entry") for name, reason in unpacked.refused)
    return replace(source, failures=(*refused, *source.failures))


@dataclass(slots=True)
class _Found:
    models: dict[str, ModelFile] = field(default_factory=dict)
    failures: list[SourceFailure] = field(default_factory=list)
    ignored: list[IgnoredFile] = field(default_factory=list)
    resources: set[Path] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def _folder(path: Path, root: Path, kind: Kind, workdir: Path, limits: SourceLimits) -> Source:
    files = list(_files(root, limits))
    found = _Found()
    tables = _manifests(files, found)
    listed = {(table.path.parent / name).resolve() for table in tables for name in table.rows}
    by_stem: dict[str, Path] = {}
    others: list[Path] = []
    for file in sorted(files, key=lambda one: (_RANK.get(one.suffix.lower(), 99), one.as_posix())):
        suffix = file.suffix.lower()
        if not file.resolve().is_relative_to(root.resolve()):
            found.ignored.append(
                IgnoredFile(_shown(file, root), "a link that leads outside the folder; refused")
            )
        elif suffix in MESH_SUFFIXES:
            key = file.relative_to(root).with_suffix("").as_posix()
            if key in by_stem and file.resolve() not in listed:
                reason = f"another format of {_shown(by_stem[key], root)}, which is imported"
                found.ignored.append(IgnoredFile(_shown(file, root), reason))
                found.resources.update(references(file, root).found)
                continue
            key = key if key not in by_stem else file.relative_to(root).as_posix()
            by_stem[key] = file
            found.models[key] = ModelFile(key=key, path=file, name=_title(file))
            found.resources.update(references(file, root).found)
        else:
            others.append(file)
    _describe(found, tables)
    for file in sorted(others):
        _account(found, file, root, kind, workdir, limits)
    if not found.models and not found.failures:
        known = ", ".join(name[1:] for name in MESH_SUFFIXES)
        raise BadSource(f"{path.name} holds no model ({len(files)} files looked at); read are: {known}")
    resources = tuple(
        sorted(
            _shown(file, root) for file in found.resources if file.resolve().is_relative_to(root.resolve())
        )
    )
    return Source(
        kind, path, path.stem if kind == "zip" else path.name, root,
        tuple(found.models[key] for key in sorted(found.models)), tuple(found.failures), tuple(found.ignored),
        resources, tuple(found.warnings),
    )  # fmt: skip


def _files(root: Path, limits: SourceLimits) -> Iterator[Path]:
    """Regular files under root in a stable order, hidden ones and archive leftovers included."""
    count = 0
    for name_of_folder, folders, names in os.walk(root):
        folder = Path(name_of_folder)
        folders.sort()
        for name in sorted(names):
            if name != ROOT_MARKER and (folder / name).is_file():
                count += 1
                if count > limits.entries:
                    raise BadSource(
                        f"{root.name} holds more than {limits.entries:,} files; import parts of it"
                    )
                yield folder / name


def _manifests(files: list[Path], found: _Found) -> list[manifests.Manifest]:
    tables = []
    for file in files:
        if file.name.lower() in manifests.MANIFEST_NAMES:
            found.resources.add(file)
            try:
                table = manifests.read_manifest(file)
            except (ValueError, OSError) as error:
                found.warnings.append(str(error))
                continue
            found.warnings.extend(table.warnings)
            tables.append(table)
    return tables


def _describe(found: _Found, tables: list[manifests.Manifest]) -> None:
    by_path = {model.path.resolve(): key for key, model in found.models.items()}
    by_stem = {model.path.resolve().with_suffix(""): key for key, model in found.models.items()}
    rows: set[str] = set()
    for table in tables:
        folder = table.path.parent
        for name, row in table.rows.items():
            target = (folder / name).resolve()
            key = by_path.get(target) or by_stem.get(target)
            if key is None:
                reason = f"{table.path.name} lists {name}, which is not there"
                found.failures.append(SourceFailure(name, row.get("name") or name, reason, "missing_entry"))
                continue
            model, warnings = manifests.described(found.models[key], row, folder)
            found.models[key] = model
            found.warnings.extend(warnings)
            rows.add(key)
            if model.icon is not None:
                found.resources.add(model.icon)
    unlisted = sorted(set(found.models) - rows) if tables else []
    if unlisted:
        shown = ", ".join(unlisted[:5]) + (", ..." if len(unlisted) > 5 else "")
        found.warnings.append(f"{len(unlisted)} models are in no manifest; named after their files: {shown}")


def _account(found: _Found, file: Path, root: Path, kind: Kind, workdir: Path, limits: SourceLimits) -> None:
    """Say what becomes of a file that is no mesh."""
    shown, suffix = _shown(file, root), file.suffix.lower()
    if file in found.resources or file.resolve() in {one.resolve() for one in found.resources}:
        return
    if suffix in _ARCHIVES:
        _nested(found, file, shown, kind, workdir, limits)
    elif suffix in _KNOWN_UNREAD:
        reason = f"{suffix} is not read; export it as GLB, OBJ or STEP"
        found.failures.append(SourceFailure(shown, file.stem, reason, "unsupported_format"))
    elif suffix in _RESOURCES:
        found.ignored.append(IgnoredFile(shown, "no model refers to it"))
    else:
        found.ignored.append(IgnoredFile(shown, "neither a model nor part of one"))


def _nested(found: _Found, file: Path, shown: str, kind: Kind, workdir: Path, limits: SourceLimits) -> None:
    """An archive in a folder is opened; one inside another archive is not."""
    if kind == "zip":
        reason = "an archive inside an archive is not opened; unpack it and import the folder"
        found.failures.append(SourceFailure(shown, file.stem, reason, "unsupported_format"))
        return
    try:
        inner = open_source(file, workdir=workdir, limits=limits)
    except BadSource as error:
        found.failures.append(SourceFailure(shown, file.stem, str(error), "bad_source"))
        return
    found.resources.add(file)
    stem = Path(shown).with_suffix("").as_posix()
    for model in inner.models:
        key = model.key if inner.kind == "sh3f" and model.key not in found.models else f"{stem}/{model.key}"
        found.models[key] = replace(model, key=key)
    found.failures.extend(replace(failure, key=f"{stem}/{failure.key}") for failure in inner.failures)
    found.ignored.extend(IgnoredFile(f"{shown}/{one.path}", one.reason) for one in inner.ignored)
    found.warnings.extend(inner.warnings)


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _title(path: Path) -> str:
    """'oak_chair-2.glb' -> 'oak chair 2'; files called model, scene or mesh take their folder's name."""
    stem = path.stem
    if stem.lower() in {"model", "scene", "mesh", "untitled"} and path.parent.name:
        stem = path.parent.name
    return " ".join(stem.replace("_", " ").replace("-", " ").split()) or path.stem
