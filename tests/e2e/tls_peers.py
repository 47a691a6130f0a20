# SPDX-License-Identifier: ISC
"""Who speaks TLS with posternd: certificates made by openssl, a client, openssl s_client held as a conversation, and
what a scripted inside server does with STARTTLS. No code of Postern's takes part."""
import hashlib
import os
import re
import select
import shutil
import ssl
import subprocess
import tempfile
import time

import net
import stories
from smtp_client import TIMEOUT, Client, Closed, Reply, stuffed

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
KEYS = {"EC": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "RSA": ["-newkey", "rsa:2048"]}


def openssl(*arguments, given=b""):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr.decode(errors='replace')}"
    return done.stdout


class Pair:
    """A key and a certificate: signed by `issuer`, another Pair, or by itself."""

    def __init__(self, directory, name, issuer=None, kind="EC", file=None, authority=False):
        self.name = name
        self.certificate, self.key = (f"{directory}/{file or name}.{ending}" for ending in ("pem", "key"))
        signing = ["-CA", issuer.certificate, "-CAkey", issuer.key] if issuer else []
        if authority:
            signing += ["-addext", "basicConstraints=critical,CA:TRUE"]
        else:
            signing += ["-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
        self._make(["-subj", f"/CN={name}", *signing], kind, directory)

    def _make(self, arguments, kind, directory):
        """`openssl req -x509 -CA` is there from OpenSSL 3.0 on."""
        with open(f"{directory}/empty.cnf", "w") as f:
            f.write("[req]\ndistinguished_name = none\n[none]\n")
        openssl("req", "-config", f.name, "-x509", *KEYS[kind], "-nodes", "-days", "30", *arguments, "-out",
                self.certificate, "-keyout", self.key)

    def pin(self):
        """As INSTALL tells."""
        public = openssl("x509", "-in", self.certificate, "-pubkey", "-noout")
        return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", given=public)).hexdigest()


class Certificates:
    """A CA, and what it signed: by file name."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="certificates-")
        os.chmod(self.directory, 0o755)
        self.ca = Pair(self.directory, "Test CA", file="ca", authority=True)
        self.mx, self.other, self.inside, self.client = (
            Pair(self.directory, name, self.ca) for name in ("mx.test", "other.test", "inside.test", "client.test"))
        self.mx_rsa = Pair(self.directory, "mx.test", self.ca, "RSA", "mx-rsa")
        self.inside_rsa = Pair(self.directory, "inside.test", self.ca, "RSA", "inside-rsa")
        self.stranger = Pair(self.directory, "inside.test", file="stranger")

    def outside(self, mode="may", *pairs):
        """The options of a listener that has these, or mx."""
        pairs = pairs or (self.mx,)
        return [f"listener.tls.mode={mode}",
                "listener.tls.certificate=" + ",".join(pair.certificate for pair in pairs),
                "listener.tls.key=" + ",".join(pair.key for pair in pairs)]

    def server_context(self, pair=None):
        """For a scripted inside server."""
        pair = pair or self.inside
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def client_context(version=None, ca=None, shown=None):
    """Verifies by `ca`, another Pair, or nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca.certificate)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if shown:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


class TlsClient(Client):
    tls_context = client_context()

    def begin_tls(self, context=None, name=None, session=None):
        assert self._unread == b""
        self.transcript.append(("!", b"TLS"))
        self.socket = (context or self.tls_context).wrap_socket(self.socket, server_hostname=name, session=session)

    def starttls(self, **kwargs):
        self.hello()
        self.ask("STARTTLS", 220)
        self.begin_tls(**kwargs)
        return self.ask("EHLO client.test", 250)


def heard_to_the_end(connection):
    """The octets below TLS, until the other side ends the connection."""
    heard = b""
    try:
        while octets := connection.recv(65536):
            heard += octets
    except ConnectionError:
        pass
    return heard


def is_alert_or_nothing(octets):
    """Octets in the clear that say no word: at most alerts, each a record of seven octets."""
    return re.fullmatch(rb"(?:\x15\x03[\x00-\x04]\x00\x02..)*", octets, re.S) is not None


class TlsBeneath:
    """TLS over memory, on a connection that is in the clear so far: so that words can be said beneath it."""

    def __init__(self, connection):
        self.connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client_context().wrap_bio(self._incoming, self._outgoing)
        self.heard = bytearray()

    def handshake(self, before_finished=b""):
        """Did TLS begin? `before_finished` goes out when the server's first flight was heard."""
        while True:
            try:
                self.tls.do_handshake()
                self.connection.sendall(before_finished)
                self.flush()
                return True
            except ssl.SSLWantReadError:
                self.flush()
            octets = self.connection.recv(65536)
            if not octets:
                return False
            self._incoming.write(octets)

    def flush(self):
        self.connection.sendall(self._outgoing.read())

    def say_close_notify(self):
        """Not sent before flush()."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # the other side's is not here yet

    def hear(self):
        """All that was said in TLS so far; waits for nothing."""
        while select.select([self.connection], [], [], 0)[0]:
            octets = self.connection.recv(65536)
            if not octets:
                break
            self._incoming.write(octets)
        return self._take()

    def hear_to_the_end(self):
        """.. up to an alert, or the connection's end."""
        self._incoming.write(heard_to_the_end(self.connection))
        return self._take()

    def _take(self):
        try:
            while octets := self.tls.read(65536):
                self.heard += octets
        except ssl.SSLError:
            pass
        return bytes(self.heard)


class SClient:
    """openssl s_client: quiet after its handshake, and then a conversation like any other."""

    def __init__(self, address, *arguments, starttls=True):
        self.command = ["openssl", "s_client", "-connect", f"{address[0]}:{address[1]}", "-crlf", "-quiet",
                        *(["-starttls", "smtp", "-name", "s-client.test"] if starttls else []), *arguments]
        self._errors = tempfile.TemporaryFile()
        self._unread = b""
        self.transcript = []
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self._errors, bufsize=0)
        stories.add(self)

    def say(self, octets):
        """s_client's -crlf makes CRLF of each LF."""
        self.transcript.append(("C", octets))
        self.process.stdin.write(octets)

    def ask(self, line, code):
        self.say(line.encode() + b"\n")
        return self.expect(code)

    def expect(self, code):
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            lines.append(self._line())
        reply = Reply(lines)
        assert reply.code == code, f"{reply}, not {code}"
        return reply

    def message(self, recipient, content):
        self.ask("MAIL FROM:<sender@example.com>", 250)
        self.ask(f"RCPT TO:<{recipient}>", 250)
        self.ask("DATA", 354)
        self.say((stuffed(content) + b".\r\n").replace(b"\r\n", b"\n"))
        return self.expect(250)

    def end(self):
        """What it wrote to stderr."""
        self.process.stdin.close()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()
        return self.errors()

    def errors(self):
        return os.pread(self._errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def story(self):
        said = "\n".join(f"{who}: {stories.shown(octets)}" for who, octets in self.transcript)
        return f"--- {' '.join(self.command)}\n{said}\n{self.errors()}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()

    def _line(self):
        until = time.monotonic() + TIMEOUT
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            assert ready, f"nothing more was heard\n{self.story()}"
            octets = os.read(self.process.stdout.fileno(), 65536)
            if not octets:
                raise Closed
            self.transcript.append(("S", octets))
            self._unread += octets
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")


# -- what a scripted inside server does at STARTTLS, or at "connect"

def accepting(context, first=b"220 2.0.0 go\r\n", then=b""):
    """Says `first`, then TLS begins, then says `then`."""
    def action(session):
        if first:
            session.say(first)
        session.secure(context)
        if then:
            session.say(then)
    return action


# -- what tests ask

def only_message(server):
    assert [m.accepted for m in server.messages] == [True], server.messages
    return server.messages[0].content


def session_lines(program, count):
    """So many lines event=session at least, when they are there; a line that is being written is none yet."""
    def found():
        lines = re.findall(r"^(.*event=session .*)\n", program.log(), re.M)
        return (lines,) if len(lines) >= count else None
    return net.wait_until(found, 10, f"there are not {count} lines event=session", program.story)[0]


class SessionsOf:
    """The lines event=session of what a test does with a posternd that other tests use, too."""

    def __init__(self, program):
        self.program = program
        self.before = len(session_lines(program, 0))

    def lines(self, count):
        return session_lines(self.program, self.before + count)[self.before:]

    def one(self):
        lines = self.lines(1)
        assert len(lines) == 1, lines
        return lines[0]
