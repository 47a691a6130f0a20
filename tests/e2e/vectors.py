# SPDX-License-Identifier: ISC
"""Octets that some server or proxy once took for the end of a message, and the one sequence that is.

From the published lists of SMTP smuggling (CVE-2023-51764, -51765, -51766, CVE-2024-27305 and their test tools), and
from what parsers of other kinds take for a line end: splitlines(), C strings, stripped parity bits, split long lines.
"""
import re

CONTROLS = {  # RFC 5321 section 4.1.1.4: these, and only these, end a message
    "CRLF.CRLF": b"\r\n.\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\n",  # ends here too, but the stray CR before it is reason to refuse the message
    "LF CRLF.CRLF": b"\n\r\n.\r\n",
    "NUL CRLF.CRLF": b"\0\r\n.\r\n",
}

MIDDLE = {
    "LF.LF": b"\n.\n",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CR.CR": b"\r.\r",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "LFCR.LFCR": b"\n\r.\n\r",
    "LFCR.CRLF": b"\n\r.\r\n",
    "CRLFCR.CRLF": b"\r\n\r.\r\n",
    "CRLFLF.CRLF": b"\r\n\n.\r\n",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "CRLF.NUL CRLF": b"\r\n.\0\r\n",
    "CR NUL LF.CR NUL LF": b"\r\0\n.\r\0\n",
    "CRLF.CR NUL LF": b"\r\n.\r\0\n",
    "CR NUL LF.CRLF": b"\r\0\n.\r\n",
    "CRLF NUL CRLF": b"\r\n\0\r\n",
    "CRLF.SP CRLF": b"\r\n. \r\n",
    "CRLF.TAB CRLF": b"\r\n.\t\r\n",
    "CRLF SP.CRLF": b"\r\n .\r\n",
    "CRLF..CRLF": b"\r\n..\r\n",
    "CRLF...CRLF": b"\r\n...\r\n",
    "CRLF.x CRLF": b"\r\n.x\r\n",
    "VT.VT": b"\x0b.\x0b",
    "FF.FF": b"\x0c.\x0c",
    "FS.FS": b"\x1c.\x1c",
    "NEL.NEL": b"\x85.\x85",
    "U+0085": "\u0085.\u0085".encode(),
    "U+2028": "\u2028.\u2028".encode(),
    "8bit CRLF": b"\x8d\x8a.\x8d\x8a",
    "CRLF.8bit CRLF": b"\r\n.\x8d\x8a",
    "CRLF 0xAE CRLF": b"\r\n\xae\r\n",
    "CRLF BS.CRLF": b"\r\n\x08.\r\n",
    "U+FF0E": "\r\n\uff0e\r\n".encode(),
    "^Z": b"\r\n\x1a\r\n",
    "^D": b"\r\n\x04\r\n",
    "LF.LF between CRLF": b"\r\n\n.\n\r\n",
    "LF LF": b"\n\n",
    "BDAT": b"\r\nBDAT 0 LAST\r\n",
    "RSET": b"\r\nRSET\r\n",
    "dot split by a long line": b"\r\n" + b"x" * 997 + b".\r\n",
}

FIRST = {  # right behind 354, where the line has already begun
    "LF.LF": b"\n.\n",
    ".LF": b".\n",
    ".CR": b".\r",
    ".NUL CRLF": b".\0\r\n",
    ".CRCRLF": b".\r\r\n",
    "CR.CRLF": b"\r.\r\n",
    "LF.CRLF": b"\n.\r\n",
    "NUL.CRLF": b"\0.\r\n",
    ".SP CRLF": b". \r\n",
    "..CRLF": b"..\r\n",
    "LF": b"\n",
    "CR": b"\r",
}

# A dot behind a line of exactly so many octets: parsers that split long lines see a line of one dot there.
LONG_LINES = (72, 76, 78, 79, 80, 254, 255, 256, 510, 511, 512, 513, 996, 997, 998, 999, 1000, 1001, 1022, 1023, 1024,
              1025, 2046, 2047, 2048, 2049, 4094, 4095, 4096, 4097, 8190, 8191, 8192, 8193, 16383, 16384, 16385, 32767,
              32768, 65534, 65535, 65536, 65537)

SMUGGLED = (b"MAIL FROM:<smuggled@example.com>\r\nRCPT TO:<smuggled@example.org>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")


def end_of_data(octets):
    """Where the message ends in the octets sent from 354 on (behind the dot's CRLF), or None."""
    if octets.startswith(b".\r\n"):
        return 3
    at = octets.find(b"\r\n.\r\n")
    return None if at < 0 else at + 5


def has_bare(octets):
    """A CR, LF or NUL that has no business in a message."""
    rest = octets.replace(b"\r\n", b"")
    return any(octet in rest for octet in (b"\r", b"\n", b"\0"))


def unstuffed(octets):
    """The content of a message sent up to and with its dot line: RFC 5321 section 4.5.2."""
    lines = octets[:-3].split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


def trace_of(arrived, original):
    """The one Received field that posternd put above a message, unfolded; anything else than that fails.

    A first line that begins with a blank would become part of that field: there must be none (L10).
    """
    assert arrived.endswith(original), f"not as it was sent: {arrived[:300]!r} .. {arrived[-80:]!r}"
    trace = arrived[:len(arrived) - len(original)]
    if original[:1] in (b" ", b"\t"):
        assert trace == b"", f"something stands before a first line that begins with a blank: {arrived!r}"
        return trace
    assert re.fullmatch(rb"Received: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*", trace), f"not one Received field: {trace!r}"
    return re.sub(rb"\r\n[ \t]+", b" ", trace)
