# SPDX-License-Identifier: ISC
"""Clients of SASL, by their RFCs and with Python's own library: each a generator of what the client says. It yields the
initial response, or None where the server begins, and is sent each challenge."""
import base64
import hashlib
import hmac
import os


def plain(login, password):
    yield b"\0" + login + b"\0" + password


def login(name, password):
    yield None
    yield name
    yield password


def cram_md5(login, password):
    challenge = yield None
    yield login + b" " + hmac.new(password, challenge, "md5").hexdigest().encode()


def scram(algorithm):
    """RFC 5802 and RFC 7677, without channel binding. The server's signature is checked."""

    def steps(login, password):
        name = login.replace(b"=", b"=3D").replace(b",", b"=2C")
        first = b"n=" + name + b",r=" + base64.b64encode(os.urandom(18))
        challenge = yield b"n,," + first
        facts = dict(part.split(b"=", 1) for part in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac(algorithm, password, base64.b64decode(facts[b"s"]), int(facts[b"i"]))
        final = b"c=biws,r=" + facts[b"r"]
        signed = b",".join((first, challenge, final))
        key = hmac.digest(salted, b"Client Key", algorithm)
        signature = hmac.digest(hashlib.new(algorithm, key).digest(), signed, algorithm)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        verdict = yield final + b",p=" + base64.b64encode(proof)
        expected = hmac.digest(hmac.digest(salted, b"Server Key", algorithm), signed, algorithm)
        assert verdict == b"v=" + base64.b64encode(expected), verdict
        yield b""

    return steps


def xoauth2(login, token):
    yield b"user=" + login + b"\1auth=Bearer " + token + b"\1\1"
    yield b""


def oauthbearer(login, token):
    yield b"n,a=" + login + b",\1auth=Bearer " + token + b"\1\1"
    yield b"\1"


MECHANISMS = {"PLAIN": plain, "LOGIN": login, "CRAM-MD5": cram_md5, "SCRAM-SHA-1": scram("sha1"),
              "SCRAM-SHA-256": scram("sha256"), "XOAUTH2": xoauth2, "OAUTHBEARER": oauthbearer}


def authenticate(client, mechanism, name, secret):
    """The whole dialogue of a smtp_client.Client; the last reply."""
    steps = MECHANISMS[mechanism](name, secret)
    first = next(steps)
    initial = b"" if first is None else b" " + base64.b64encode(first)
    reply = client.command(f"AUTH {mechanism}".encode() + initial)
    while reply.code == 334:
        reply = client.command(base64.b64encode(steps.send(base64.b64decode(reply.text, validate=True))))
    return reply


def traces_of(login, secret):
    """What would give the secret away: itself, and in whatever base64 somebody may have written it."""
    found = {secret, base64.b64encode(secret)}
    for before in (b"\0" + login + b"\0", b"user=" + login + b"\1auth=Bearer ", b"n,a=" + login + b",\1auth=Bearer "):
        found.add(base64.b64encode(before + secret))
        skipped = -len(before) % 3  # what of the secret begins a group of three octets
        found.add(base64.b64encode(secret[skipped:len(secret) - (len(secret) - skipped) % 3]))
    return found
