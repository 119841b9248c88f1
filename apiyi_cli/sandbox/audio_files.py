"""Audio containers: WAV around given samples, and the packed formats filled with silence.

Each is the smallest stream that a decoder of the format accepts.
"""

from __future__ import annotations

import math
import struct

RATE_HZ = 24000


def wav(samples: bytes) -> bytes:
    """Return a WAV file of 16-bit mono samples."""
    form = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    chunks = b"WAVE" + _riff(b"fmt ", form) + _riff(b"data", samples)
    return _riff(b"RIFF", chunks)


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data


# MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono. An all-zero frame decodes as silence.
_MP3_FRAME = b"\xff\xfb\x90\xc4" + bytes(144 * 128000 // 44100 - 4)
_MP3_FRAME_S = 1152 / 44100


def mp3(seconds: float) -> bytes:
    """Return silent MPEG frames."""
    return _MP3_FRAME * math.ceil(seconds / _MP3_FRAME_S)


_AAC_SILENCE = b"\x00\xc8\x00\x80\x23\x80"
_AAC_FRAME_S = 1024 / RATE_HZ
_AAC_RATE_INDEX = 6


def aac(seconds: float) -> bytes:
    """Return silent AAC-LC frames in ADTS."""
    size = 7 + len(_AAC_SILENCE)
    bits = 0xFFF << 44 | 1 << 40 | 1 << 38 | _AAC_RATE_INDEX << 34 | 1 << 30
    bits |= size << 13 | 0x7FF << 2
    return (bits.to_bytes(7, "big") + _AAC_SILENCE) * math.ceil(seconds / _AAC_FRAME_S)


_OPUS_SILENCE = b"\xf8\xff\xfe"
_OPUS_FRAME_S = 0.02
_OPUS_FRAME_SAMPLES = 960
_OPUS_PACKETS_A_PAGE = 200


def opus(seconds: float) -> bytes:
    """Return silent Opus packets in Ogg (RFC 7845)."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE_HZ, 0, 0)
    vendor = b"[sandbox]"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    pages = [_ogg_page([head], 0, 0, 2), _ogg_page([tags], 1, 0, 0)]
    left, granule = math.ceil(seconds / _OPUS_FRAME_S), 0
    while left:
        count = min(left, _OPUS_PACKETS_A_PAGE)
        left -= count
        granule += count * _OPUS_FRAME_SAMPLES
        last = 4 if not left else 0
        pages.append(_ogg_page([_OPUS_SILENCE] * count, len(pages), granule, last))
    return b"".join(pages)


def _ogg_page(packets: list[bytes], number: int, granule: int, flags: int) -> bytes:
    """Return one page (RFC 3533); each packet is shorter than 255 bytes."""
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, 1, number, 0)
    sizes = bytes([len(packets), *(len(packet) for packet in packets)])
    page = head + sizes + b"".join(packets)
    return page[:22] + struct.pack("<I", _crc(page, 32, 0x04C11DB7)) + page[26:]


_FLAC_BLOCK = 4096


def flac(seconds: float) -> bytes:
    """Return a FLAC file whose frames are constant zero (RFC 9639)."""
    blocks = math.ceil(seconds * RATE_HZ / _FLAC_BLOCK)
    about = RATE_HZ << 44 | 0 << 41 | 15 << 36 | blocks * _FLAC_BLOCK
    info = struct.pack(">HH", _FLAC_BLOCK, _FLAC_BLOCK) + bytes(6) + about.to_bytes(8, "big")
    start = b"fLaC\x80" + (34).to_bytes(3, "big") + info + bytes(16)
    return start + b"".join(_flac_frame(number) for number in range(blocks))


def _flac_frame(number: int) -> bytes:
    # 4096 samples, 24 kHz, mono, 16 bits; the number is coded as UTF-8 codes a character.
    head = b"\xff\xf8\xc7\x08" + chr(number).encode("utf-8", "surrogatepass")
    head += bytes([_crc(head, 8, 0x07)])
    frame = head + b"\x00\x00\x00"
    return frame + struct.pack(">H", _crc(frame, 16, 0x8005))


def _crc(data: bytes, width: int, polynomial: int) -> int:
    """Return the plain CRC of this width: nothing inverted, nothing reflected, start at 0."""
    top, mask, value = 1 << (width - 1), (1 << width) - 1, 0
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value
