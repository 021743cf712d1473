"""Hashes of text that are the same on every machine, and in TensorFlow.

`fingerprint64` is the one of FarmHash, by which TensorFlow puts words into buckets; `siphash24`
takes a key that an adversary does not know. Integers are unsigned, of 64 bits, little-endian.
"""

from __future__ import annotations

_MASK = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_CAT = 0xC6A4A7935BD1E995
_SIPHASH_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def _word(data: bytes, start: int, length: int = 8) -> int:
    return int.from_bytes(data[start : start + length], "little")


def _rotate_right(value: int, shift: int) -> int:
    return ((value >> shift) | (value << (64 - shift))) & _MASK


def _rotate_left(value: int, shift: int) -> int:
    return _rotate_right(value, 64 - shift)


def _shift_mix(value: int) -> int:
    return value ^ (value >> 47)


def _mix(low: int, high: int, factor: int) -> int:
    """Return one word that depends on every bit of two."""
    a = ((low ^ high) * factor) & _MASK
    a ^= a >> 47
    b = ((high ^ a) * factor) & _MASK
    b ^= b >> 47
    return (b * factor) & _MASK


def _up_to_16(data: bytes) -> int:
    size = len(data)
    if size >= 8:
        factor = _K2 + size * 2
        a, b = _word(data, 0) + _K2, _word(data, size - 8)
        c = _rotate_right(b, 37) * factor + a
        d = (_rotate_right(a & _MASK, 25) + b) * factor
        return _mix(c & _MASK, d & _MASK, factor)
    if size >= 4:
        return _mix(size + (_word(data, 0, 4) << 3), _word(data, size - 4, 4), _K2 + size * 2)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return (_shift_mix(((y * _K2) ^ (z * _K0)) & _MASK) * _K2) & _MASK
    return _K2


def _up_to_32(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    a, b = _word(data, 0) * _K1 & _MASK, _word(data, 8)
    c, d = _word(data, size - 8) * factor & _MASK, _word(data, size - 16) * _K2
    return _mix(
        (_rotate_right((a + b) & _MASK, 43) + _rotate_right(c, 30) + d) & _MASK,
        (a + _rotate_right((b + _K2) & _MASK, 18) + c) & _MASK,
        factor,
    )


def _up_to_64(data: bytes) -> int:
    size = len(data)
    factor = _K2 + size * 2
    a, b = _word(data, 0) * _K2 & _MASK, _word(data, 8)
    c, d = _word(data, size - 8) * factor & _MASK, _word(data, size - 16) * _K2
    y = (_rotate_right((a + b) & _MASK, 43) + _rotate_right(c, 30) + d) & _MASK
    z = _mix(y, (a + _rotate_right((b + _K2) & _MASK, 18) + c) & _MASK, factor)
    e, f = _word(data, 16) * factor & _MASK, _word(data, 24)
    g, h = (y + _word(data, size - 32)) * factor, (z + _word(data, size - 24)) * factor
    return _mix(
        (_rotate_right((e + f) & _MASK, 43) + _rotate_right(g & _MASK, 30) + h) & _MASK,
        (e + _rotate_right((f + a) & _MASK, 18) + g) & _MASK,
        factor,
    )


def _weak_hash(data: bytes, start: int, a: int, b: int) -> tuple[int, int]:
    """Return two words that depend on 32 bytes and two words."""
    w, x, y, z = (_word(data, start + offset) for offset in (0, 8, 16, 24))
    a += w
    b = _rotate_right((b + a + z) & _MASK, 21)
    c = a
    a += x + y
    b += _rotate_right(a & _MASK, 44)
    return (a + z) & _MASK, (b + c) & _MASK


def _rounds(data: bytes) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    """Take in all blocks of 64 bytes but the last."""
    seed = 81
    x, y = seed, (seed * _K1 + 113) & _MASK
    z = _shift_mix((y * _K2 + 113) & _MASK) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(data, 0)) & _MASK
    for start in range(0, (len(data) - 1) // 64 * 64, 64):
        x = _rotate_right((x + y + v[0] + _word(data, start + 8)) & _MASK, 37) * _K1 & _MASK
        y = _rotate_right((y + v[1] + _word(data, start + 48)) & _MASK, 42) * _K1 & _MASK
        x ^= w[1]
        y = (y + v[0] + _word(data, start + 40)) & _MASK
        z = _rotate_right((z + w[0]) & _MASK, 33) * _K1 & _MASK
        v = _weak_hash(data, start, v[1] * _K1 & _MASK, (x + w[0]) & _MASK)
        w = _weak_hash(data, start + 32, (z + w[1]) & _MASK, (y + _word(data, start + 16)) & _MASK)
        z, x = x, z
    return x, y, z, v, w


def _long(data: bytes) -> int:
    x, y, z, v, w = _rounds(data)
    factor = (_K1 + ((z & 0xFF) << 1)) & _MASK
    last = len(data) - 64
    w = ((w[0] + ((len(data) - 1) & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x = _rotate_right((x + y + v[0] + _word(data, last + 8)) & _MASK, 37) * factor & _MASK
    y = _rotate_right((y + v[1] + _word(data, last + 48)) & _MASK, 42) * factor & _MASK
    x ^= w[1] * 9 & _MASK
    y = (y + v[0] * 9 + _word(data, last + 40)) & _MASK
    z = _rotate_right((z + w[0]) & _MASK, 33) * factor & _MASK
    v = _weak_hash(data, last, v[1] * factor & _MASK, (x + w[0]) & _MASK)
    w = _weak_hash(data, last + 32, (z + w[1]) & _MASK, (y + _word(data, last + 16)) & _MASK)
    z, x = x, z
    return _mix(
        (_mix(v[0], w[0], factor) + _shift_mix(y) * _K0 + z) & _MASK,
        (_mix(v[1], w[1], factor) + x) & _MASK,
        factor,
    )


def fingerprint64(data: bytes) -> int:
    """Return FarmHash's fingerprint of `data`.

    Source: Pike & Alakuijala 2014, `farmhash::Fingerprint64`.

    Examples
    --------
    >>> fingerprint64(b"layer")
    952823115640459091
    """
    for limit, function in ((16, _up_to_16), (32, _up_to_32), (64, _up_to_64)):
        if len(data) <= limit:
            return function(data)
    return _long(data)


def concatenated_fingerprint(first: int, second: int) -> int:
    """Return the fingerprint of two things, in order, of which each has one.

    Source: TensorFlow `FingerprintCat64`.
    """
    result = first ^ _CAT
    result ^= _shift_mix(second * _CAT & _MASK) * _CAT & _MASK
    result = _shift_mix(result * _CAT & _MASK) * _CAT & _MASK
    return _shift_mix(result)


def _sip_round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    a = (a + b) & _MASK
    c = (c + d) & _MASK
    b = _rotate_left(b, 13) ^ a
    d = _rotate_left(d, 16) ^ c
    a = _rotate_left(a, 32)
    c = (c + b) & _MASK
    a = (a + d) & _MASK
    b = _rotate_left(b, 17) ^ c
    d = _rotate_left(d, 21) ^ a
    return a, b, _rotate_left(c, 32), d


def siphash24(data: bytes, key: tuple[int, int]) -> int:
    """Return the keyed hash of `data`.

    Source: Aumasson & Bernstein 2012, SipHash-2-4.

    Examples
    --------
    >>> hex(siphash24(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))
    '0xa129ca6149be45e5'
    """
    first, second = (part & _MASK for part in key)
    keys = (first, second, first, second)
    a, b, c, d = (start ^ part for start, part in zip(_SIPHASH_START, keys, strict=True))
    padding = -(len(data) + 1) % 8
    padded = data + bytes(padding) + bytes([len(data) & 0xFF])
    for start in range(0, len(padded), 8):
        word = _word(padded, start)
        d ^= word
        a, b, c, d = _sip_round(*_sip_round(a, b, c, d))
        a ^= word
    c ^= 0xFF
    for _ in range(4):
        a, b, c, d = _sip_round(a, b, c, d)
    return a ^ b ^ c ^ d
