"""What a child that reads strangers' files may touch: the folders it was given, and no network.

Landlock (Linux 5.13 and later) holds the files, a seccomp filter the sockets; both need no privileges and
can't be undone by the process. Where the kernel has neither (another system, some containers), what is
missing is returned, so that it can be said. Imports nothing heavy.
"""

from __future__ import annotations

import ctypes
import mimetypes
import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

__all__ = ["confine"]

_LIBRARIES = ("/usr", "/lib", "/lib64", "/sys/devices/system")
_FILES = ("/dev/null", "/dev/urandom", "/dev/random", "/etc/ld.so.cache", "/etc/localtime")
_FACTS = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat")  # not /proc: environments lie there

# ---- Landlock: linux/landlock.h -----------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ABI_QUERY = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_EVERYTHING = (1 << 13) - 1  # of the first version: run, write, read, remove, make
_OF_A_FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_REFER, _TRUNCATE, _DEVICES = 1 << 13, 1 << 14, 1 << 15
_RUN = 1 << 0

# ---- seccomp: linux/seccomp.h, linux/filter.h ---------------------------------------------

_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM
_LOAD, _IS, _IS_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_ARCHITECTURES = {  # audit number; socket, io_uring_setup, ptrace
    "x86_64": (0xC000003E, 41, 425, 101),
    "aarch64": (0xC00000B7, 198, 425, 117),
}


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> tuple[str, ...]:
    """Confine this process for good, beside Python's own files; what this kernel can't do is returned.

    readable, writable: folders or files, with all beneath them; those that don't exist are passed over.
    Nothing may be run, no socket can be made.
    """
    if sys.platform != "linux":
        return ("files", "network")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    missing = []
    if not _confine_files(libc, [*_own_files(), *map(Path, readable)], map(Path, writable)):
        missing.append("files")
    if not _refuse_sockets(libc):
        missing.append("network")
    return tuple(missing)


def _own_files() -> list[Path]:
    """Python, its packages, the system's libraries, and this package; not the folder it lies in."""
    package = Path(__file__).parents[1]
    folders = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *_LIBRARIES, *_FILES, *_FACTS}
    folders |= {entry for entry in sys.path if entry.endswith(("-packages", ".zip", "lib-dynload"))}
    return [package, *map(Path, folders), *map(Path, mimetypes.knownfiles)]


def _confine_files(libc: ctypes.CDLL, readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ABI_QUERY)
    if version < 1:
        return False
    handled = _EVERYTHING | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
    handled |= _DEVICES if version > 4 else 0
    rules = _Ruleset(handled)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if ruleset < 0:
        return False
    for path in readable:
        _allow(libc, ruleset, path, _READ_FILE | _READ_DIR)
    for path in writable:
        _allow(libc, ruleset, path, handled & ~_RUN & ~_DEVICES)
    is_held = bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    os.close(ruleset)
    return is_held


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rule = _Beneath(rights if path.is_dir() else rights & _OF_A_FILE, handle)
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(handle)


def _refuse_sockets(libc: ctypes.CDLL) -> bool:
    """EPERM for socket(), and for io_uring and ptrace, which would go around it."""
    numbers = _ARCHITECTURES.get(platform.machine())
    if numbers is None:
        return False
    architecture, *calls = numbers
    last = 4 + len(calls) + 1  # the line that refuses
    lines = [  # (what, lines passed over if true, and if false; value)
        (_LOAD, 0, 0, 4),  # the architecture
        (_IS, 0, last - 2, architecture),  # of another, the numbers are not these
        (_LOAD, 0, 0, 0),  # the call's number
        (_IS_LEAST, last - 4, 0, 0x40000000),  # x32's calls
        *((_IS, last - 5 - at, 0, call) for at, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = _Program(len(lines), ctypes.cast(code, ctypes.c_void_p))
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0)
