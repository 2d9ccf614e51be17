"""Kind of a file by its first bytes, for messages about a file that is not what a command expects."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 512
"""Bytes of a file that are looked at."""

PARQUET = "a Parquet file"

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"root", "a ROOT file"),
    (b"BZh", "a bz2-compressed file"),
    (b"\x1f\x8b", "a gzip-compressed file"),
    (b"\xfd7zXZ\x00", "an xz-compressed file"),
    (b"\x28\xb5\x2f\xfd", "a zstd-compressed file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"PAR1", PARQUET),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"PK\x03\x04", "a zip archive (as are .npz, .xlsx, PyTorch checkpoints and skops models)"),
    (b"HepMC::", "a HepMC file"),
    (b"<LesHouchesEvents", "a Les Houches event file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"%PDF", "a PDF file"),
    (b"\x89PNG", "a PNG picture"),
)
"""First bytes of the kinds of files that people have in the same folders, and what each is called."""

COMPRESSIONS = ("bz2", "gzip", "xz")
"""Compressions that Python reads."""

PICKLE_PROTOCOLS = range(2, 6)
"""Protocols of Python's pickles that begin with their number; older ones look like text."""

TAR_OFFSET = 257

TEXT_STARTS: tuple[tuple[str, str], ...] = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<?xml", "an XML file"),
    ("{", "a JSON file"),
    ("[", "a JSON file"),
)

PICKLES = frozenset(
    ["a Python pickle", "a bz2-compressed file", "a gzip-compressed file", "an xz-compressed file"]
)
"""Kinds of files that may be a pickle, compressed or not."""

NOT_TEXT = frozenset([*(kind for _, kind in SIGNATURES), *PICKLES, "a tar archive"])
"""Kinds of files that are binary."""

NO_TEXT_DATA = NOT_TEXT | {"an HTML page", "an XML file", "a folder"}
"""What is neither CSV, JSON nor YAML, whatever its name is."""

NO_PICKLE = NOT_TEXT - PICKLES | {kind for _, kind in TEXT_STARTS}
"""What can be no pickle, whatever follows its first bytes."""

EVENT_FORMATS = PICKLES | {
    *("a ROOT file", "an HDF5 file", PARQUET, "a HepMC file", "a Les Houches event file"),
}
"""Kinds of files in which people keep events."""


def file_kind(path: Path) -> str:
    """Return what a path is, such as "a ROOT file" or "a folder", to stand in a message after the path.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "events.root"
    >>> _ = path.write_bytes(b"root" + bytes(60))
    >>> file_kind(path)
    'a ROOT file'
    >>> file_kind(path.parent)
    'a folder'
    """
    if path.is_dir():
        return "a folder"
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"a file that cannot be read ({error.strerror or error})"
    return _kind_of(head)


def compression(path: Path) -> str:
    """Return "bz2", "gzip" or "xz" for a file that is compressed so, else an empty string."""
    kind = file_kind(path)
    return next((name for name in COMPRESSIONS if kind.endswith(f" {name}-compressed file")), "")


def _kind_of(head: bytes) -> str:
    if not head:
        return "an empty file"
    for signature, kind in SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[0] == 0x80 and len(head) > 1 and head[1] in PICKLE_PROTOCOLS:
        return "a Python pickle"
    if head[TAR_OFFSET : TAR_OFFSET + 5] == b"ustar":
        return "a tar archive"
    return _text_kind(head) or "a binary file of an unknown kind"


def _text_kind(head: bytes) -> str:
    """Return the kind of a text file; an empty string if it is none."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < HEAD_BYTES - 4:  # a character may be cut off at the end
            return ""
        text = head[: error.start].decode("utf-8")
    if any(ord(character) < ord(" ") and character not in "\t\n\r\f" for character in text):
        return ""
    begin = text.lstrip("\ufeff \t\r\n").lower()
    return next((kind for start, kind in TEXT_STARTS if begin.startswith(start)), "a text file")
