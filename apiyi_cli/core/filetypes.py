"""Detects a file's type by its first bytes: the only home of format signatures."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

HEAD_BYTES: Final = 4096
"""How many bytes of a file `detect_type` wants to see; more are never needed but for an SVG
whose comments are long."""

Family = Literal["image", "audio", "video", "document", "office", "data", "archive", "text"]


class FileType(NamedTuple):
    """A format: its family, MIME type and usual extension.

    `document` is PDF alone, which models read; `office` is what a word processor or a
    spreadsheet writes, `data` a table or database in binary form, `text` a text whose first
    bytes name its encoding.
    """

    family: Family
    mime: str
    extension: str


PNG: Final = FileType("image", "image/png", "png")
JPEG: Final = FileType("image", "image/jpeg", "jpg")
GIF: Final = FileType("image", "image/gif", "gif")
WEBP: Final = FileType("image", "image/webp", "webp")
AVIF: Final = FileType("image", "image/avif", "avif")
HEIC: Final = FileType("image", "image/heic", "heic")
HEIF: Final = FileType("image", "image/heif", "heif")
SVG: Final = FileType("image", "image/svg+xml", "svg")
BMP: Final = FileType("image", "image/bmp", "bmp")
TIFF: Final = FileType("image", "image/tiff", "tiff")
JXL: Final = FileType("image", "image/jxl", "jxl")
ICO: Final = FileType("image", "image/vnd.microsoft.icon", "ico")
PDF: Final = FileType("document", "application/pdf", "pdf")
WAV: Final = FileType("audio", "audio/wav", "wav")
MP3: Final = FileType("audio", "audio/mpeg", "mp3")
AAC: Final = FileType("audio", "audio/aac", "aac")
M4A: Final = FileType("audio", "audio/mp4", "m4a")
MP4: Final = FileType("video", "video/mp4", "mp4")
GZIP: Final = FileType("archive", "application/gzip", "gz")
ZIP: Final = FileType("archive", "application/zip", "zip")
XLSX: Final = FileType(
    "office", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"
)
PARQUET: Final = FileType("data", "application/vnd.apache.parquet", "parquet")

PICTURES: Final = (PNG, JPEG, WEBP, GIF, AVIF, SVG, HEIC, HEIF, BMP, TIFF, JXL, ICO)

_MARKS: Final[tuple[tuple[int, bytes, FileType], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"GIF87a", GIF),
    (0, b"GIF89a", GIF),
    (0, b"II*\x00", TIFF),
    (0, b"MM\x00*", TIFF),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", JXL),
    (0, b"\x00\x00\x01\x00", ICO),
    (0, b"%PDF-", PDF),
    (0, b"fLaC", FileType("audio", "audio/flac", "flac")),
    (0, b"OggS", FileType("audio", "audio/ogg", "ogg")),
    (0, b"#!AMR", FileType("audio", "audio/amr", "amr")),
    (0, b"caff\x00\x01", FileType("audio", "audio/x-caf", "caf")),
    (0, b"0&\xb2u\x8ef\xcf\x11", FileType("audio", "audio/x-ms-wma", "wma")),
    (0, b"\x1aE\xdf\xa3", FileType("video", "video/webm", "webm")),
    (0, b"FLV\x01", FileType("video", "video/x-flv", "flv")),
    (0, b"\x00\x00\x01\xba", FileType("video", "video/mpeg", "mpg")),
    (0, b"\x1f\x8b\x08", GZIP),
    (0, b"BZh", FileType("archive", "application/x-bzip2", "bz2")),
    (0, b"\xfd7zXZ\x00", FileType("archive", "application/x-xz", "xz")),
    (0, b"(\xb5/\xfd", FileType("archive", "application/zstd", "zst")),
    (0, b"7z\xbc\xaf'\x1c", FileType("archive", "application/x-7z-compressed", "7z")),
    (0, b"Rar!\x1a\x07", FileType("archive", "application/vnd.rar", "rar")),
    (257, b"ustar", FileType("archive", "application/x-tar", "tar")),
    (0, b"PAR1", PARQUET),
    (0, b"ARROW1\x00\x00", FileType("data", "application/vnd.apache.arrow.file", "arrow")),
    (0, b"SQLite format 3\x00", FileType("data", "application/vnd.sqlite3", "sqlite")),
    (0, b"\x93NUMPY", FileType("data", "application/x-npy", "npy")),
    (0, b"Obj\x01", FileType("data", "application/avro", "avro")),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        FileType("office", "application/x-ole-storage", "doc"),
    ),
    (0, b"{\\rtf1", FileType("office", "application/rtf", "rtf")),
)

# https://mp4ra.org/registered-types/brands; a brand that is not here is a film.
_BRANDS: Final = {
    brand: kind
    for kind, brands in (
        (AVIF, (b"avif", b"avis")),
        (HEIC, (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")),
        (HEIF, (b"mif1", b"msf1")),
        (M4A, (b"M4A ", b"M4B ", b"F4A ")),
        (FileType("video", "video/quicktime", "mov"), (b"qt  ",)),
    )
    for brand in brands
}

_OOXML: Final = "application/vnd.openxmlformats-officedocument"
# The names of the first files in a ZIP show its kind.
_PACKED: Final = (
    (b"xl/", XLSX),
    (b"word/", FileType("office", f"{_OOXML}.wordprocessingml.document", "docx")),
    (b"ppt/", FileType("office", f"{_OOXML}.presentationml.presentation", "pptx")),
    (b"mimetypeapplication/epub", FileType("office", "application/epub+zip", "epub")),
    (
        b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
        FileType("office", "application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ),
    (
        b"mimetypeapplication/vnd.oasis.opendocument",
        FileType("office", "application/vnd.oasis.opendocument.text", "odt"),
    ),
)

# ISO 32000-1, annex H, implementation note 13: readers take the mark within the first 1024
# bytes. What precedes it is not a line of text that mentions PDF.
_LATE_PDF: Final = re.compile(rb"(?:[\r\n\x00-\x08]|[^\x00-\x7f])%PDF-\d\.\d *[\r\n]")
_PDF_WITHIN: Final = 1024

_CONTROLS: Final = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")

_SVG_ROOT: Final = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s/>]")
# XML 1.0, 2.8: blanks, comments, instructions, and a DOCTYPE with what it declares.
_MISC: Final = re.compile(
    rb"\s+|<!--.*?-->|<\?.*?\?>|"
    rb"<!DOCTYPE\s+(?:[A-Za-z_][\w.-]*:)?svg\b[^\[>]*(?:\[.*?\]\s*)?>",
    re.DOTALL | re.IGNORECASE,
)

_BYTE_ORDER_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xef\xbb\xbf", "utf-8"),
)
_BMP_HEADER_SIZES: Final = (12, 16, 40, 52, 56, 64, 108, 124)


def detect_type(content: bytes) -> FileType | None:
    """Return a file's type by its first bytes, None for plain text or unknown bytes.

    `content` is the whole file or its first `HEAD_BYTES`. A text is known only by a byte
    order mark of UTF-16 or UTF-32.
    """
    head = content[:HEAD_BYTES]
    # Before the marks: the size of its first box may look like one.
    if kind := _detect_container(head):
        return kind
    for offset, mark, kind in _MARKS:
        if head.startswith(mark, offset):
            return kind
    return (
        _detect_unmarked_audio(head)
        or (BMP if _is_bmp(head) else None)
        or (SVG if _is_svg(content) else None)
        or (PDF if _LATE_PDF.search(head[:_PDF_WITHIN]) else None)
        or _detect_text(head)
    )


def is_binary(content: bytes) -> bool:
    """Return True for a known format that is not text, or control characters."""
    kind = detect_type(content)
    if kind is not None:
        return kind.family != "text"
    return bool(_CONTROLS.search(content[:HEAD_BYTES]))


def is_multi_picture(content: bytes) -> bool:
    """Return True for a JPEG that holds several pictures (MPO, as phones write them).

    The segment that says so comes before the picture itself, behind Exif and its thumbnail.
    Source: CIPA DC-007.
    """
    at = 2 if content.startswith(b"\xff\xd8") else len(content)
    while at + 8 <= len(content) and content[at] == 0xFF:
        marker, size = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == 0xE2 and content.startswith(b"MPF\0", at + 4):
            return True
        if marker == 0xDA or size < 2:
            return False
        at += 2 + size
    return False


def detect_picture(content: bytes) -> FileType | None:
    """Return the type of a picture by its first bytes, None for anything else."""
    kind = detect_type(content)
    return kind if kind is not None and kind.family == "image" else None


def find_byte_order_mark(head: bytes) -> tuple[str, int] | None:
    """Return the encoding of a byte order mark and its length, None without one."""
    marks = ((name, len(mark)) for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark))
    return next(marks, None)


def find_svg_root(content: bytes) -> int:
    """Return the offset of the root element `svg`, -1 without it.

    Before it may stand what XML allows: a byte order mark, blanks, comments, instructions and
    a DOCTYPE.
    """
    at = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    while prefix := _MISC.match(content, at):
        at = prefix.end()
    return at if _SVG_ROOT.match(content, at) else -1


def _detect_container(head: bytes) -> FileType | None:
    if head[:4] in (b"RIFF", b"RF64", b"FORM"):
        inner = head[8:12]
        if head[:4] == b"FORM":
            is_aiff = inner in (b"AIFF", b"AIFC")
            return FileType("audio", "audio/aiff", "aiff") if is_aiff else None
        if inner == b"AVI ":
            return FileType("video", "video/x-msvideo", "avi")
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(inner)
    if head[4:8] == b"ftyp":
        return _detect_brand(head)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((kind for name, kind in _PACKED if name in head), ZIP)
    return None


def _detect_brand(head: bytes) -> FileType:
    """Return the type of an ISO base media file (14496-12, 4.3): by its brands."""
    kind = _BRANDS.get(head[8:12], MP4)
    if kind is not HEIF:
        return kind
    # A general picture brand: the compatible brands name the codec.
    end = min(int.from_bytes(head[:4], "big"), len(head))
    others = (_BRANDS.get(head[at : at + 4]) for at in range(16, end - 3, 4))
    return next((other for other in others if other in (AVIF, HEIC)), HEIF)


def _detect_unmarked_audio(head: bytes) -> FileType | None:
    if len(head) < 4:
        return None
    if head[:3] == b"ID3" and head[3] in (2, 3, 4):
        return MP3
    if _is_mp3_frame(head[0], head[1], head[2]):
        return MP3
    # ADTS (ISO 13818-7): twelve bits of sync, layer 0, a rate that is defined.
    if head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] & 0x3C < 0x34:
        return AAC
    return None


def _is_mp3_frame(sync: int, kind: int, rate: int) -> bool:
    """Return True for an untagged MPEG layer III audio frame (ISO 11172-3, 2.4.1.3).

    The looser rule of eleven set bits would take UTF-16 text for music.
    """
    is_frame = sync == 0xFF and kind & 0xE6 == 0xE2 and kind & 0x18 != 0x08
    return is_frame and rate & 0xF0 != 0xF0 and rate & 0x0C != 0x0C


def _is_bmp(head: bytes) -> bool:
    """Return True for a bitmap; checking two letters would match a text such as BMW."""
    if head[:2] != b"BM" or head[6:10] != bytes(4):
        return False
    return int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES


def _is_svg(content: bytes) -> bool:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content[:HEAD_BYTES].decode("utf-16", "replace").encode()
    return find_svg_root(content) >= 0


def _detect_text(head: bytes) -> FileType | None:
    prefix = find_byte_order_mark(head)
    if prefix is None or prefix[0] == "utf-8":
        return None
    return FileType("text", f"text/plain;charset={prefix[0][:6]}", "txt")
