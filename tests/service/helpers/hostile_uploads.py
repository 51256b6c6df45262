"""A table of uploads that are no pictures, broken ones, and such as would cost much."""

import struct
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from tests.service.helpers.pictures import (
    SIGNATURE,
    animated,
    chunk,
    data,
    encoded,
    form,
    header,
    noise,
    png,
    zipped,
)

PNG, ZIP, OCTETS = "image/png", "application/zip", "application/octet-stream"
FORM = "multipart/form-data; boundary=b"
GOOD = encoded(noise(9, 7, 3))
JPEG = encoded(noise(40, 40, 3), "JPEG")
WEBP = encoded(noise(40, 40, 3), "WEBP")
TAKEN = "PNG, JPEG and WebP"
PICTURE = 'Content-Disposition: form-data; name="picture"; filename="a.png"'


class Upload(NamedTuple):
    """A body and its type, and how it is answered: a part of the words, or nothing for 200."""

    body: bytes
    media: str
    status: int
    words: str = ""


def jpeg_that_says(height: int, width: int) -> bytes:
    """A JPEG with another size in its frame header."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]


def jpeg_of_bits(bits: int) -> bytes:
    """A JPEG that says its samples have so many bits."""
    at = JPEG.index(b"\xff\xc0") + 4
    return JPEG[:at] + bytes([bits]) + JPEG[at + 1 :]


def turned(picture: bytes) -> bytes:
    """A JPEG with an orientation that swaps its sides."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + picture[2:]


def webp_that_says(width: int, height: int) -> bytes:
    """A WebP whose canvas is said to be so large."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides
    body = b"WEBP" + canvas + WEBP[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def of_many_scans() -> bytes:
    progressive = encoded(noise(40, 40, 3), "JPEG", progressive=True)
    at = progressive.rindex(b"\xff\xda")
    return progressive[:at] + 500 * progressive[at:-2] + progressive[-2:]


def listing(count: int, size: int) -> bytes:
    """The end of a ZIP that says how much it lists."""
    return struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, size, 0, 0)


def lying_zip() -> bytes:
    """A ZIP whose entry unpacks to more than its list says."""
    body = zipped({"a.png": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    return body.replace(struct.pack("<I", 10**6), struct.pack("<I", 1000))


PNGS = {
    "png of nothing": Upload(SIGNATURE, PNG, 400, "header"),
    "png without data": Upload(png(header(4, 4)), PNG, 400, "decoded"),
    "png without end": Upload(SIGNATURE + header(4, 4) + data(4, 4), PNG, 200),
    "png cut in its header": Upload(GOOD[:20], PNG, 400, "header"),
    "png cut in its data": Upload(encoded(noise(40, 40, 3))[:900], PNG, 400, "decoded"),
    "png of no width": Upload(png(header(0, 4), data(1, 4)), PNG, 400, "picture"),
    "png of no height": Upload(png(header(4, 0), data(4, 1)), PNG, 400, "picture"),
    "png of a negative width": Upload(png(header(2**31, 4), data(4, 4)), PNG, 422, "megapixels"),
    "png of 2^31 pixels a side": Upload(
        png(header(2**31 - 1, 2**31 - 1), data(4, 4)), PNG, 422, "at most 1 megapixels"
    ),
    "png bomb": Upload(png(header(30_000, 30_000), data(30_000, 300)), PNG, 422, "at most 1 mega"),
    "png strip": Upload(png(header(1, 30_000), data(1, 30_000)), PNG, 422, "sides of 16384"),
    "png line": Upload(png(header(30_000, 1), data(30_000, 1)), PNG, 422, "sides of 16384"),
    "png just too large": Upload(png(header(1001, 1000)), PNG, 422, "1001x1000 pixels"),
    "png of more rows than data": Upload(png(header(9, 900), data(9, 3)), PNG, 200),
    "png of more data than rows": Upload(png(header(4, 4), data(4, 40_000)), PNG, 200),
    "png of garbage": Upload(png(header(4, 4), chunk(b"IDAT", b"garbage")), PNG, 400, "decoded"),
    "png of a wrong checksum": Upload(
        SIGNATURE + header(4, 4)[:-4] + b"abcd" + data(4, 4), PNG, 400, "header"
    ),
    "png of an unknown depth": Upload(png(header(4, 4, 7), data(4, 4)), PNG, 400, "picture"),
    "png of an unknown colour": Upload(png(header(4, 4, 8, 5), data(4, 4)), PNG, 400, "picture"),
    "png of an odd filter": Upload(
        png(header(2, 1), chunk(b"IDAT", zlib.compress(b"\x09" + bytes(6)))), PNG, 400, "decoded"
    ),
    "png with its palette missing": Upload(png(header(4, 4, 8, 3), data(4, 4, 1)), PNG, 200),
    "png of a palette beyond its end": Upload(
        png(
            header(4, 4, 8, 3),
            chunk(b"PLTE", bytes(3)),
            chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff\xff" * 4)),
        ),
        PNG,
        200,
    ),
    "png of a transparency that is too long": Upload(
        png(header(4, 4), chunk(b"tRNS", bytes(600)), data(4, 4)), PNG, 200
    ),
    "png of a transparency that is too short": Upload(
        png(header(4, 4), chunk(b"tRNS", b"\0"), data(4, 4)), PNG, 400, "picture"
    ),
    "png text bomb": Upload(
        png(header(4, 4), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))), data(4, 4)),
        PNG,
        400,
        "header",
    ),
    "png of many texts": Upload(
        png(header(4, 4), *[chunk(b"tEXt", b"a\0" + bytes(60_000))] * 30, data(4, 4)), PNG, 200
    ),
    "png profile bomb": Upload(
        png(header(4, 4), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8))), data(4, 4)),
        PNG,
        400,
        "header",
    ),
    "png of a broken profile": Upload(
        png(header(4, 4), chunk(b"iCCP", b"a\0\0broken"), data(4, 4)), PNG, 200
    ),
    "png of broken exif": Upload(
        png(header(4, 4), chunk(b"eXIf", b"MM\0*broken"), data(4, 4)), PNG, 200
    ),
    "png of exif in a circle": Upload(
        png(
            header(4, 4),
            chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"),
            data(4, 4),
        ),
        PNG,
        200,
    ),
    "png of an unknown orientation": Upload(
        encoded(
            noise(4, 6, 3), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0\0\0\0\0"
        ),
        PNG,
        200,
    ),
    "png of 16 bits and grey": Upload(encoded(np.full((4, 4), 40_000, np.uint16)), PNG, 200),
    "png of 16 bits and colours": Upload(
        png(header(2, 1, 16, 2), chunk(b"IDAT", zlib.compress(b"\0" + bytes(12)))), PNG, 200
    ),
    "png of 16 bits and alpha": Upload(
        png(header(2, 1, 16, 6), chunk(b"IDAT", zlib.compress(b"\0" + bytes(16)))), PNG, 200
    ),
    "png of one bit": Upload(
        png(header(9, 2, 1, 0), chunk(b"IDAT", zlib.compress(b"\0\xff\x80\0\0\0"))), PNG, 200
    ),
    "png in passes": Upload(png(header(1, 1, 8, 2, 1), data(1, 1)), PNG, 200),
    "png in passes, as large as allowed": Upload(
        png(header(1000, 1000, 8, 2, 1), data(1000, 2000)), PNG, 200
    ),
    "png bomb of 16 bits": Upload(png(header(16_384, 16_384, 16, 6)), PNG, 422, "at most 1 mega"),
    "png in frames": Upload(animated("PNG"), PNG, 415, "frames one by one"),
    "png of frames that are not there": Upload(
        png(header(4, 4), chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), data(4, 4)),
        PNG,
        415,
        "animation",
    ),
    "png with a zip behind it": Upload(GOOD + zipped({"a": b"b"}), PNG, 200),
    "png with a page behind it": Upload(GOOD + b"<html><script>alert(1)</script>", PNG, 200),
    "png of one pixel": Upload(encoded(noise(1, 1, 3)), PNG, 200),
    "png that is transparent": Upload(encoded(np.zeros((5, 5, 4), np.uint8)), PNG, 200),
    "png called a jpeg": Upload(GOOD, "image/jpeg", 200),
}
JPEGS = {
    "jpeg of nothing": Upload(b"\xff\xd8\xff", "image/jpeg", 400, "header"),
    "jpeg of zeros": Upload(b"\xff\xd8\xff" + bytes(400), "image/jpeg", 400, "header"),
    "jpeg cut in its data": Upload(JPEG[:700], "image/jpeg", 400, "decoded"),
    "jpeg cut in its header": Upload(JPEG[:160], "image/jpeg", 400, "header"),
    "jpeg that says it is large": Upload(
        jpeg_that_says(65_535, 65_535), "image/jpeg", 422, "at most 1 megapixels"
    ),
    "jpeg of 1x30000": Upload(jpeg_that_says(30_000, 1), "image/jpeg", 422, "sides of 16384"),
    "jpeg of no height": Upload(jpeg_that_says(0, 40), "image/jpeg", 400, "picture"),
    "jpeg of other rows": Upload(jpeg_that_says(400, 40), "image/jpeg", 200),
    "jpeg of cmyk": Upload(encoded(noise(5, 5, 3), "JPEG", "CMYK"), "image/jpeg", 415, "to RGB"),
    "jpeg of cmyk that says it is large": Upload(
        encoded(noise(5, 5, 3), "JPEG", "CMYK").replace(b"\0\5\0\5\4", b"\x40\0\x40\0\4", 1),
        "image/jpeg",
        422,
        "at most 1 megapixels",
    ),
    "jpeg of 12 bits": Upload(jpeg_of_bits(12), "image/jpeg", 400, "header"),
    "jpeg on its side": Upload(turned(JPEG), "image/jpeg", 200),
    "jpeg on its side and too long": Upload(
        turned(jpeg_that_says(30_000, 1)), "image/jpeg", 422, "sides of 16384"
    ),
    "jpeg of two headers": Upload(JPEG[:-2] + JPEG, "image/jpeg", 400, "decoded"),
    "jpeg with a zip behind it": Upload(JPEG + zipped({"../a": b"b"}), "image/jpeg", 200),
    "jpeg with a png behind it": Upload(JPEG + GOOD, "image/jpeg", 200),
    "jpeg of grey": Upload(encoded(noise(5, 5), "JPEG"), "image/jpeg", 200),
    "jpeg of many scans": Upload(of_many_scans(), "image/jpeg", 415, "save it anew"),
    "jpeg in scans": Upload(encoded(noise(40, 40, 3), "JPEG", progressive=True), "image/jpeg", 200),
    "jpeg of a broken profile": Upload(
        encoded(noise(5, 5, 3), "JPEG", icc_profile=b"broken"), "image/jpeg", 200
    ),
    "jpeg with a long comment": Upload(
        encoded(noise(5, 5, 3), "JPEG", comment=b"a" * 60_000), "image/jpeg", 200
    ),
    "jpeg with a page behind it": Upload(JPEG + b"<script>", "image/jpeg", 200),
}
WEBPS = {
    "webp of nothing": Upload(b"RIFF\0\0\0\0WEBP", "image/webp", 400, "picture"),
    "webp cut in its data": Upload(WEBP[:200], "image/webp", 400, "picture"),
    "webp that says it is large": Upload(
        webp_that_says(16_000, 16_000), "image/webp", 422, "at most 1 megapixels"
    ),
    "webp beyond all sizes": Upload(webp_that_says(2**24, 2**24), "image/webp", 422, "megapixels"),
    "webp in frames": Upload(animated("WEBP"), "image/webp", 415, "frames one by one"),
    "webp of garbage": Upload(WEBP[:30] + bytes(300), "image/webp", 400, "picture"),
    "wave file": Upload(b"RIFF\x24\0\0\0WAVEfmt ", "image/webp", 400, TAKEN),
}
KINDS = {
    "nothing": Upload(b"", PNG, 400, "empty"),
    "a space": Upload(b" ", PNG, 400, TAKEN),
    "text": Upload(b"a picture of a cat", OCTETS, 400, TAKEN),
    "zeros": Upload(bytes(1000), OCTETS, 400, TAKEN),
    "gif": Upload(animated("GIF"), "image/gif", 415, "allowed are image/png"),
    "gif called a png": Upload(animated("GIF"), PNG, 415, "is a GIF; PNG"),
    "bmp": Upload(encoded(noise(4, 4, 3), "BMP"), OCTETS, 415, "is a BMP; PNG"),
    "tiff": Upload(encoded(noise(4, 4, 3), "TIFF"), OCTETS, 415, "is a TIFF; PNG"),
    "tiff from the other end": Upload(b"MM\0*" + bytes(50), OCTETS, 415, "is a TIFF; PNG"),
    "ico": Upload(b"\0\0\1\0\1\0" + bytes(50), OCTETS, 415, "is an ICO; PNG"),
    "psd": Upload(b"8BPS\0\1" + bytes(50), OCTETS, 415, "is a PSD; PNG"),
    "pdf": Upload(b"%PDF-1.7\n" + bytes(50), OCTETS, 415, "is a PDF; PNG"),
    "heic": Upload(b"\0\0\0\x18ftypheic" + bytes(50), OCTETS, 415, "HEIC or a film; PNG"),
    "heic of another brand": Upload(
        b"\0\0\0\x18ftypmif1" + bytes(50), OCTETS, 415, "HEIC or a film; PNG"
    ),
    "svg behind spaces": Upload(b"\xef\xbb\xbf \n<svg/>", OCTETS, 415, "is an SVG; PNG"),
    "gif with a png behind it": Upload(b"GIF89a" + GOOD, PNG, 415, "is a GIF; PNG"),
    "page with a png behind it": Upload(b"<html>" + GOOD, PNG, 400, TAKEN),
    "heic by its type": Upload(b"\0\0\0\x18ftypheic", "image/heic", 415, "allowed are image/png"),
    "avif": Upload(b"\0\0\0\x18ftypavif" + bytes(50), OCTETS, 415, "is an AVIF; PNG"),
    "film": Upload(b"\0\0\0\x18ftypisom" + bytes(50), OCTETS, 415, "a film; PNG"),
    "jpeg xl": Upload(b"\xff\x0a" + bytes(50), OCTETS, 415, "is a JPEG XL; PNG"),
    "jpeg 2000": Upload(b"\0\0\0\x0cjP  \r\n\x87\n", OCTETS, 415, "is a JPEG 2000; PNG"),
    "svg": Upload(b"<svg xmlns='http://www.w3.org/2000/svg'/>", OCTETS, 415, "is an SVG; PNG"),
    "svg by its type": Upload(b"<svg/>", "image/svg+xml", 415, "allowed are image/png"),
    "svg of entities": Upload(
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><svg>&b;</svg>",
        PNG,
        415,
        "perhaps an SVG; PNG",
    ),
    "page": Upload(b"\n <!doctype html><script>", PNG, 415, "a page, or an SVG"),
    "zip called a png": Upload(zipped({"a.png": GOOD}), PNG, 415, "is a ZIP; PNG"),
    "json": Upload(b"{}", "application/json", 415, "allowed are image/png"),
    "a page by its type": Upload(GOOD, "text/html", 415, "allowed are image/png"),
    "an array": Upload(b"\x93NUMPY\1\0", "application/x-npy", 415, "allowed are image/png"),
    "too many bytes": Upload(GOOD + bytes(2 * 2**20), PNG, 413, "send a smaller one"),
}
ARCHIVES = {
    "zip of nothing": Upload(listing(0, 0), ZIP, 422, "pictures are needed"),
    "zip of folders": Upload(zipped({"a/": b"", "b/": b""}), ZIP, 422, "pictures are needed"),
    "zip of text": Upload(b"PK\3\4 no ZIP", ZIP, 400, "no whole ZIP"),
    "zip cut short": Upload(zipped({"a.png": GOOD})[:-9], ZIP, 400, "no whole ZIP"),
    "zip with a comment": Upload(zipped({"a.png": GOOD}) + b"comment", ZIP, 400, "pack it anew"),
    "zip of 65535 entries": Upload(listing(65_535, 2**20), ZIP, 422, "at most 8 files"),
    "zip of a long list": Upload(bytes(2**20) + listing(2, 2**20), ZIP, 422, "at most 1024"),
    "zip of nine": Upload(
        zipped({f"{n}.png": GOOD for n in range(9)}), ZIP, 422, "at most 8 files"
    ),
    "zip bomb": Upload(
        zipped({"a.png": bytes(10**8)}, zipfile.ZIP_DEFLATED), ZIP, 413, "100000000 bytes in all"
    ),
    "zip of many pixels": Upload(
        zipped({f"{n}.png": png(header(500, 500)) for n in range(5)}), ZIP, 422, "1.2 megapixels"
    ),
}
FORMS = {
    "form without boundary": Upload(b"", "multipart/form-data", 400, "boundary"),
    "form without body": Upload(b"", FORM, 400, "has no part"),
    "form of text": Upload(b"a picture", FORM, 400, "has no part"),
    "form without end": Upload(form("b", (PICTURE, GOOD), end=b""), FORM, 400, "cut short"),
    "form cut short": Upload(form("b", (PICTURE, GOOD))[:90], FORM, 400, "cut short"),
    "form without picture": Upload(
        form("b", ('Content-Disposition: form-data; name="model"', b"larger")), FORM, 422, "absent"
    ),
    "form of two pictures": Upload(
        form("b", (PICTURE, GOOD), (PICTURE, GOOD)), FORM, 422, "once is allowed"
    ),
    "form of an unknown field": Upload(
        form("b", (PICTURE, GOOD), ('Content-Disposition: form-data; name="x"', b"")),
        FORM,
        422,
        "allowed are model, version, scale",
    ),
    "form of a wrong field": Upload(
        form("b", (PICTURE, GOOD), ('Content-Disposition: form-data; name="scale"', b"\xff")),
        FORM,
        422,
        "scale is",
    ),
    "form of a part without name": Upload(form("b", ("A: b", GOOD)), FORM, 400, "no name"),
    "form of a part without head": Upload(b"--b\r\n\r\n--b--", FORM, 400, "head"),
    "form of a long head": Upload(form("b", ("A: " + "b" * 9000, GOOD)), FORM, 400, "head of up"),
    "form of many parts": Upload(
        form("b", *[(f'Content-Disposition: form-data; name="{n}"', b"") for n in range(99)]),
        FORM,
        400,
        "more than 16 parts",
    ),
    "form of a page": Upload(form("b", (PICTURE, b"<svg/>")), FORM, 415, "is an SVG"),
    "form of a long boundary": Upload(b"", FORM[:-1] + "b" * 99, 400, "1 … 70 characters"),
}
UPLOADS = {**PNGS, **JPEGS, **WEBPS, **KINDS, **ARCHIVES, **FORMS}
