# SPDX-License-Identifier: ISC
"""No password, no private key and no ticket key is found where somebody else could read it: the log, the scoreboard, the
titles of processes, a core that root forces out of a worker in the middle of a session."""
import base64
import os
import re
import shutil
import signal
import ssl
import subprocess

import pytest

import net
import postern as postern_program
import tls_peers
from smtp_client import Client

PASSWORD = b"Canary-4711-xyzzy"
PLAIN = base64.b64encode(b"\0ann\0" + PASSWORD)
LOGIN = base64.b64encode(PASSWORD)
TICKET_KEY_BYTES = 80  # name, AES key, MAC key
HEADER_BYTES = 16  # of the region: sequence, how often and when they were rotated
ANONYMOUS = "0x7f"  # a filter that lets everything into a core


@pytest.fixture
def certificates(tmp_path):
    """EC and RSA, each with its key in a file of its own; and the secret numbers of both."""
    kinds = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}
    for name, kind in kinds.items():
        subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", "-days", "2", "-subj", "/CN=stand.example.org",
                        "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"], check=True,
                       capture_output=True)
    return tmp_path


def secret_numbers(directory):
    """What must not be seen, by name: in the order of the file, and in that of a little-endian machine's memory."""
    secrets = {}
    for key, words in (("ec", ("priv",)), ("rsa", ("privateExponent", "prime1", "prime2"))):
        text = subprocess.run(["openssl", "pkey", "-in", directory / f"{key}.key", "-noout", "-text"], check=True,
                              capture_output=True, text=True).stdout
        for word in words:
            digits = re.search(rf"^{word}:\s*((?:\s+[0-9a-f:]+\n)+)", text, re.M).group(1)
            number = bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
            secrets[f"{key} {word}"] = number
            secrets[f"{key} {word}, little-endian"] = number[::-1]
        with open(directory / f"{key}.key", "rb") as f:
            secrets[f"{key} PEM"] = f.read().splitlines()[1]
    secrets["password"] = PASSWORD
    secrets["AUTH PLAIN"] = PLAIN
    secrets["AUTH LOGIN"] = LOGIN
    return secrets


def found_in(octets, secrets):
    return [name for name, secret in secrets.items() if secret in octets]


def regions(gate):
    """The scoreboard's regions, as the master holds them: name -> octets that were ever written."""
    found = {}
    for number, target in net.numbered_descriptors(gate.master).items():
        name = re.match(r"/memfd:(postern-\w+)", target)
        if name:
            found[name.group(1)] = _written(f"/proc/{gate.master}/fd/{number}")
    return found


def _written(path):
    """Without the holes: most slots were never used."""
    octets = b""
    with open(path, "rb") as f:
        size, at = os.fstat(f.fileno()).st_size, 0
        while at < size:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            octets += os.pread(f.fileno(), end - at, at)
            at = end
    return octets


def ticket_secrets(keys_region):
    keys = keys_region[HEADER_BYTES:]
    found = {}
    for number in range(3):
        key = keys[number * TICKET_KEY_BYTES:][:TICKET_KEY_BYTES]
        if any(key):
            found[f"ticket key {number}, AES"], found[f"ticket key {number}, MAC"] = key[16:48], key[48:80]
    return found


def titles(gate):
    octets = b""
    for pid in [gate.master, *net.descendants(gate.master)]:
        for name in ("cmdline", "comm", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                octets += f.read()
    return octets


def held_session(gate):
    """In TLS, its passwords said, in the middle of a message."""
    client = Client(gate.address)
    client.hello()
    for line in (b"AUTH PLAIN " + PLAIN, b"AUTH LOGIN", LOGIN, b"PASS " + PASSWORD):
        assert client.command(line).code >= 500
    client.ask("STARTTLS", 220)
    context = ssl._create_unverified_context()
    client.socket = context.wrap_socket(client.socket)
    client.ask("EHLO again.test", 250)
    for line in (b"AUTH PLAIN " + PLAIN, b"AUTH LOGIN", LOGIN):
        assert client.command(line).code >= 500
    client.begin("bob@example.org")
    client.send(b"Subject: canary\r\n\r\n" + PASSWORD + b"\r\n")
    return client


@pytest.fixture
def gate(inside, postern, certificates):
    server = inside()
    pair = [",".join(str(certificates / f"{name}.{ending}") for name in ("ec", "rsa")) for ending in ("pem", "key")]
    return postern(server.address, "log_level=debug", "listener.tls.mode=may", f"listener.tls.certificate={pair[0]}",
                   f"listener.tls.key={pair[1]}", "listener.max_errors=100")


def test_log_scoreboard_and_titles(gate, certificates):
    secrets = secret_numbers(certificates)
    client = held_session(gate)
    board = regions(gate)
    secrets.update(ticket_secrets(board.pop("postern-keys")))
    assert any(name.startswith("ticket key") for name in secrets)
    assert {"postern-tags", "postern-slots"} <= set(board)
    for name, octets in board.items():
        assert not found_in(octets, secrets), name
    assert not found_in(titles(gate), secrets)
    client.send(b".\r\n")
    client.expect(250)
    client.close()
    gate.wait_log("event=message")
    assert not found_in(gate.log().encode(), secrets)


# Of the plain build alone: a sanitizer's memory is terabytes wide, and its cores are left as they are.
if not postern_program.SANITIZED:

    def test_core_forced_by_root(gate, certificates, tmp_path):
        secrets = secret_numbers(certificates)
        secrets.update(ticket_secrets(regions(gate)["postern-keys"]))
        client = held_session(gate)
        worker = gate.worker_of(client)
        assert not found_in(_core_of(worker, tmp_path / "core"), secrets)
        # The instrument works: with a filter that lets everything out, the same core has what the session holds.
        with open(f"/proc/{worker}/coredump_filter", "w") as f:
            f.write(ANONYMOUS)
        seen = found_in(_core_of(worker, tmp_path / "core-of-all"), secrets)
        assert "password" in seen, seen
        client.close()


    @pytest.mark.parametrize("tls", ["in the clear", "in TLS", "both legs in TLS"])
    def test_nothing_of_auth_stays_in_memory(inside, postern, certificates, tmp_path, tls):
        """All of a worker's memory, in the session and after it. The login, which is kept, shows that one can find it."""
        gate = submission(inside, postern, certificates, "backend.tls.mode=" + ("require" if "both" in tls else "none"))
        client = Client(gate.address)
        client.hello()
        if tls != "in the clear":
            client.ask("STARTTLS", 220)
            client.socket = ssl._create_unverified_context().wrap_socket(client.socket)
            client.ask("EHLO again.test", 250)
        worker = gate.worker_of(client)
        with open(f"/proc/{worker}/coredump_filter", "w") as f:
            f.write(ANONYMOUS)
        secrets = auth_secrets()
        try_to_log_in(client)
        assert not found_in(_core_of(worker, tmp_path / "core-refused"), secrets)
        log_in(client)
        core = _core_of(worker, tmp_path / "core")
        assert not found_in(core, secrets)
        assert LOGIN_NAME in core
        board = regions(gate)
        assert [name for name in board if found_in(board[name], secrets)] == []
        assert not found_in(titles(gate), secrets)
        client.quit()
        gate.wait_log("event=session ")
        assert not found_in(_core_of(worker, tmp_path / "core-after"), secrets)
        assert not found_in(gate.log().encode(), secrets)

    def test_nothing_of_a_broken_auth_stays_in_memory(inside, postern, certificates, tmp_path):
        """Half a line, a hang-up in the dialogue, what came too early, what was too long."""
        gate = submission(inside, postern, certificates)
        half = b"AUTH PLAIN " + base64.b64encode(b"\0" + LOGIN_NAME + b"\0" + SECRETS[0])
        for before, line in ((None, half), (None, b"NOOP\r\n" + half), (b"AUTH LOGIN", base64.b64encode(SECRETS[0])),
                             (None, b"EHLO x.test\r\n" + half + b"\r\n"), (None, half + b"\r\nNOOP\r\n"),
                             (None, half + b"A" * 13000 + b"\r\n"), (None, b"AUHT" + half[4:] + b"\r\n")):
            with Client(gate.address) as client:
                client.hello()
                worker = gate.worker_of(client)
                with open(f"/proc/{worker}/coredump_filter", "w") as f:
                    f.write(ANONYMOUS)
                if before:
                    client.ask(before, 334)
                sessions = gate.log().count("event=session ")
                client.send(line)
                client.finish_sending()
                client.all_replies()
            net.wait_until(lambda: gate.log().count("event=session ") > sessions, 10, "the session does not end",
                           gate.story)
            assert not found_in(_core_of(worker, tmp_path / f"core-{sessions}"), auth_secrets()), line


SECRETS = [b"Canary-2718-quux", b"Canary-3141-corge"]  # that let nobody in, and that let Ann in
LOGIN_NAME = b"ann-of-the-canaries"


def auth_secrets():
    found = {}
    for number, secret in enumerate(SECRETS):
        found[f"secret {number}"] = secret
        found[f"secret {number}, LOGIN"] = base64.b64encode(secret)
        found[f"secret {number}, PLAIN"] = base64.b64encode(b"\0" + LOGIN_NAME + b"\0" + secret)[-20:]
    return found


def judge(session):
    """The inside server's AUTH: PLAIN at once, LOGIN in two rounds."""
    words = session.commands[-1].split(b" ")
    if words[1] == b"LOGIN":
        session.say(b"334 VXNlcm5hbWU6\r\n")
        session._line()
        session.say(b"334 UGFzc3dvcmQ6\r\n")
        said = session._line()
    else:
        said = words[2]
    fine = base64.b64decode(said).endswith(SECRETS[1])
    session.say(b"235 2.7.0 welcome\r\n" if fine else b"535 5.7.8 no\r\n")


def try_to_log_in(client):
    client.ask(b"AUTH PLAIN " + base64.b64encode(b"\0" + LOGIN_NAME + b"\0" + SECRETS[0]), 535)
    client.ask("AUTH LOGIN", 334)
    client.ask(base64.b64encode(LOGIN_NAME), 334)
    client.ask(base64.b64encode(SECRETS[0]), 535)
    client.ask(b"AUTH PLAIN " + SECRETS[0], 501)
    client.ask(b"AUHT PLAIN " + base64.b64encode(b"\0" + LOGIN_NAME + b"\0" + SECRETS[0]), 500)
    client.ask(base64.b64encode(SECRETS[0]), 500)


def log_in(client):
    client.ask("AUTH LOGIN", 334)
    client.ask(base64.b64encode(LOGIN_NAME), 334)
    client.ask(base64.b64encode(SECRETS[1]), 235)


def submission(inside, postern, certificates, *options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "ec.pem", certificates / "ec.key")
    server = inside({"AUTH": judge, "STARTTLS": tls_peers.accepting(context)},
                    keywords=(b"AUTH PLAIN LOGIN", b"XCLIENT ADDR", b"STARTTLS"))
    return postern(server.address, "log_level=debug", "listener.auth.mode=may", "listener.auth.plaintext=yes",
                   "listener.tls.mode=may", f"listener.tls.certificate={certificates / 'ec.pem'}",
                   f"listener.tls.key={certificates / 'ec.key'}", "listener.max_errors=100", *options)


def _core_of(pid, path):
    gdb = shutil.which("gdb")
    assert gdb, "gdb is missing"
    done = subprocess.run([gdb, "-nx", "-batch", "-p", str(pid), "-ex", f"generate-core-file {path}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert path.exists(), done.stdout + done.stderr
    return path.read_bytes()


def test_worker_that_crashes_leaves_no_core(gate):
    client = held_session(gate)
    worker = gate.worker_of(client)
    gate.expects_crashes = True
    with open(f"/proc/{worker}/limits") as f:
        assert re.search(r"^Max core file size +0 +0 ", f.read(), re.M)
    directory = os.readlink(f"/proc/{worker}/cwd")
    before = set(os.listdir(directory))
    os.kill(worker, signal.SIGABRT)  # a sanitizer catches others
    gate.wait_log(r"event=worker-crashed")
    left = {name for name in set(os.listdir(directory)) - before if name.startswith("core")}
    assert not left
    client.close()
