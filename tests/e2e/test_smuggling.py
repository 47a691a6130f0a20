# SPDX-License-Identifier: ISC
"""What has ended a message somewhere once, through Postern into four real servers, by DATA and by BDAT, refused and
mended: one message for each yes, and never one that was smuggled. Postfix is a careless one here (postfix_rig)."""
import pytest

import vectors
from smtp_client import Client
from servers import SERVERS

HEAD = (b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: sender@example.com\r\nTo: user@example.org\r\nSubject: x\r\n"
        b"Message-ID: <1@example.com>\r\n\r\n")
END = b"\r\n.\r\n"
VECTORS = [*vectors.MIDDLE.values(), *vectors.CONTROLS.values(), *vectors.FIRST.values()]


def octets_by_data(vector):
    """From 354 on, up to and with the only end that there is."""
    octets = HEAD + b"before" + vector + vectors.SMUGGLED
    octets += b"" if vectors.end_of_data(octets) else END
    return octets[:vectors.end_of_data(octets)]


def by_data(client, vector):
    octets = octets_by_data(vector)
    client.ask("DATA", 354)
    client.send(octets)
    return client.reply(), vectors.unstuffed(octets)


def by_one_chunk(client, vector):
    content = HEAD + b"before" + vector + vectors.SMUGGLED
    return client.bdat(content), content


def by_chunks(client, vector):
    """Cut in the midst of the vector, octet by octet."""
    content, start = HEAD + b"before" + vector + vectors.SMUGGLED, len(HEAD + b"before")
    return client.bdat(content, range(start, start + min(len(vector), 8) + 1)), content


@pytest.mark.parametrize("way", [by_data, by_one_chunk, by_chunks])
@pytest.mark.parametrize("rule", ["reject", "normalise"])
@pytest.mark.parametrize("name", SERVERS)
def test_nothing_is_smuggled(server_of, postern, name, rule, way):
    server = server_of(name)
    gate = postern(server.address(), "backend.pass_client=none", f"policy.bare_lf={rule}")
    taken = {}
    for number, vector in enumerate(VECTORS):
        recipient = f"vector-{number}-{rule}-{way.__name__}@example.org".replace("_", "-")
        with Client(gate.address) as client:
            client.hello()
            client.ask("MAIL FROM:<sender@example.com>", 250)
            client.ask(f"RCPT TO:<{recipient}>", 250)
            reply, content = way(client, vector)
            client.quit()
        bare = vectors.has_bare(content)
        assert reply.code == (550 if bare and rule == "reject" else 250), (vector, reply)
        taken[recipient] = None if reply.code != 250 else content if not bare else b""
    server.settle()
    for recipient, content in taken.items():
        found = server.messages(recipient)
        assert len(found) == (content is not None), (recipient, content, found)
        if content:
            assert found[0].content.endswith(content), (content, found[0].content)
    assert server.messages("smuggled@example.org") == []
