# SPDX-License-Identifier: ISC
"""Asks a name server one question and says what came: octets, and no opinion of them."""
import random
import select
import socket
import time

import dns_wire

SECONDS = 5


def ask_udp(address, name, kind, seconds=SECONDS, answers=1):
    """Up to so many datagrams that came, from anywhere, as [(who, octets)]."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.sendto(_question(name, kind), address)
        return list(_datagrams(s, answers, time.monotonic() + seconds))


def _datagrams(s, count, end):
    for _ in range(count):
        if not select.select([s], [], [], max(0, end - time.monotonic()))[0]:
            return
        octets, who = s.recvfrom(65535)
        yield who, octets


def ask_tcp(address, name, kind, seconds=SECONDS):
    """(octets that came before the end or the time was over, all that belongs to one message; how many recv gave)."""
    heard, pieces, end = b"", 0, time.monotonic() + seconds
    question = _question(name, kind)
    with socket.create_connection(address, seconds) as s:
        s.sendall(len(question).to_bytes(2, "big") + question)
        while len(heard) < 2 or len(heard) < 2 + int.from_bytes(heard[:2], "big"):
            if not select.select([s], [], [], max(0, end - time.monotonic()))[0]:
                break
            try:
                octets = s.recv(65536)
            except ConnectionError:
                break
            if not octets:
                break
            heard, pieces = heard + octets, pieces + 1
    return heard[2:], pieces


def ask(address, name, kind, seconds=SECONDS):
    """The answer as a Message, by UDP or where that was cut by TCP; None: silence."""
    heard = ask_udp(address, name, kind, seconds)
    if not heard:
        return None
    message = dns_wire.Message(heard[0][1])
    return dns_wire.Message(ask_tcp(address, name, kind, seconds)[0]) if message.is_cut else message


def _question(name, kind):
    return dns_wire.message_octets(random.randrange(1 << 16), dns_wire.RD, dns_wire.question_octets(name, kind))
