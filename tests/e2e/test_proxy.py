# SPDX-License-Identifier: ISC
"""The PROXY protocol on both sides: haproxy in front of posternd, a real Postfix (smtpd and postscreen) behind it."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

import haproxy_rig
import net
import postern as postern_program
import postfix_rig
import stories
from haproxy_rig import OWN_ADDRESS
from smtp_client import Client
from tls_peers import Pair
from vectors import trace_of

CONTENT = b"From: sender@example.com\r\nTo: user@example.org\r\nSubject: e2e\r\n\r\nhello\r\n"
CLIENT = "127.0.0.2"
VERSIONS = {"v1": "send-proxy check-send-proxy", "v2": "send-proxy-v2 check-send-proxy"}
LISTED = f"listener.proxy_from={OWN_ADDRESS}"

STRANGER = "127.0.0.66"  # whom both refuse in place of 220

SMTPD = """127.0.0.1:{smtpd}  inet  n - n - 100 smtpd
  -o smtpd_upstream_proxy_protocol=haproxy -o syslog_name=postfix/proxied -o smtpd_delay_reject=no
  -o {{ smtpd_client_restrictions = check_client_access inline:{{{{ %s = REJECT }}}} }}""" % STRANGER
MAIN = ["postscreen_greet_wait = 1s", "postscreen_access_list = cidr:{{%s/32 reject}}" % STRANGER,
        "postscreen_blacklist_action = drop"]


TLS = """127.0.0.1:{starttls}  inet  n - n - 100 smtpd -o smtpd_upstream_proxy_protocol=haproxy
  -o smtpd_tls_security_level=may -o smtpd_tls_cert_file=CERTIFICATE -o smtpd_tls_key_file=KEY
127.0.0.1:{wrapped}  inet  n - n - 100 smtpd -o smtpd_upstream_proxy_protocol=haproxy
  -o smtpd_tls_wrappermode=yes -o smtpd_tls_cert_file=CERTIFICATE -o smtpd_tls_key_file=KEY
tlsmgr    unix  - - n 1000? 1 tlsmgr"""


def documented(first, last):
    """The lines of INSTALL from one to another, without their indent."""
    with open(postern_program.ROOT + "/INSTALL") as f:
        found = re.search(rf"^ +{first}(?:.*\n)+? +{last}.*$", f.read(), re.M)
    return "\n".join(line.strip() for line in found.group().splitlines())


BESIDE_POSTSCREEN = "dnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n"


def postscreen_services(port):
    """As in conf/examples; only the port is the test's, there is no chroot, and its log is the rig's."""
    with open(postern_program.ROOT + "/conf/examples/postfix-postscreen.cf") as f:
        text = "".join(line for line in f if line[0] != "#" and "syslog_name" not in line)
    text = re.sub(r"^(\S+ +\S+ +\S+ +\S+ +)y", r"\1n", text.replace(":10025", f":{port}"), flags=re.M)
    return text + BESIDE_POSTSCREEN


@pytest.fixture(scope="module")
def running_proxied():
    """A Postfix whose services `smtpd`, `postscreen`, `starttls` and `wrapped` (implicit TLS) expect PROXY, and whose
    `plain` does not."""
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)
    ports = {name: net.free_port() for name in ("smtpd", "postscreen", "starttls", "wrapped")}
    pair = Pair(directory, "inside.test")
    tls = TLS.format(**ports).replace("CERTIFICATE", pair.certificate).replace("KEY", pair.key)
    rig = postfix_rig.Postfix(directory, ipv6=os.path.exists("/proc/net/if_inet6"), main=MAIN,
                              services=[SMTPD.format(**ports), postscreen_services(ports["postscreen"]), tls])
    try:
        rig.start()
        rig.ports.update(ports)
        net.wait_until(lambda: set(ports.values()) <= net.listening_ports(), 20, "Postfix does not listen", rig.story)
        yield rig
    finally:
        rig.stop()
        postfix_rig.remove(rig)


@pytest.fixture
def proxied(running_proxied):
    stories.add(running_proxied)
    return running_proxied


@pytest.fixture
def balancer():
    """A function: balancer(gate, options) starts haproxy in front of a posternd."""
    started = []

    def start(gate, options, **kwargs):
        directory = tempfile.mkdtemp(prefix="haproxy-")
        started.append(haproxy_rig.Haproxy(directory, gate.address, options, **kwargs))
        return started[-1]

    yield start
    for one in started:
        one.stop()
        haproxy_rig.remove(one)


def deliver(address, recipient, source=CLIENT):
    with Client(address, source=source) as client:
        client.hello()
        assert client.message(recipient, CONTENT).code == 250
        client.quit()


# -- in


@pytest.mark.parametrize("version", VERSIONS)
def test_behind_haproxy(postfix, postern, balancer, version):
    """Who connects to haproxy is the client: in the log, in Received, to Postfix by XCLIENT."""
    gate = postern(postfix.address("xclient"), LISTED)
    front = balancer(gate, VERSIONS[version])
    recipient = f"in-{version}@example.org"
    deliver(front.address(), recipient)
    message = postfix.only_message(recipient)
    assert b"[127.0.0.2]" in trace_of(message.content, CONTENT)
    postfix.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.2\]")
    gate.wait_log(rf"event=session .*client=127\.0\.0\.2 .*proxy={OWN_ADDRESS} .*messages=1 ")
    gate.wait_log(rf"event=message .*client=127\.0\.0\.2 .*queue_id={message.queue_id}")


@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy_finds_it_well(postfix, postern, balancer, version):
    """Its checks are served, and no alarm is raised for them. In version 1 they tell of haproxy itself as of a client, in
    version 2 they are LOCAL."""
    gate = postern(postfix.address("xclient"), LISTED)
    front = balancer(gate, VERSIONS[version])
    front.wait_health("UP", "L7OK")
    gate.wait_log(rf"event=session .*client={OWN_ADDRESS} helo=check.test .*proxy={OWN_ADDRESS} .*ended=QUIT")
    assert "alarm=" not in gate.log()


def test_ipv6_in_front(postfix, postern, balancer):
    if not postfix.ipv6:
        pytest.skip("no IPv6 here")
    gate = postern(postfix.address("xclient"), LISTED)
    front = balancer(gate, VERSIONS["v2"], hosts=("127.0.0.1", "::1"))
    deliver(front.address("::1"), "in-six@example.org", source=None)
    message = postfix.only_message("in-six@example.org")
    postfix.wait_log(message.queue_id + r": client=\S*\[::1\]")


def test_others_on_the_same_listener(postfix, postern, balancer):
    """No header is awaited of them, and none taken; haproxy without send-proxy is not let in, and marks us as down."""
    gate = postern(postfix.address("xclient"), LISTED)
    with Client(gate.address, source=CLIENT) as client:
        client.hello()
        client.ask("PROXY TCP4 192.0.2.1 192.0.2.2 1 25", 500)
        assert client.message("in-direct@example.org", CONTENT).code == 250
        client.quit()
    message = postfix.only_message("in-direct@example.org")
    postfix.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.2\]")
    front = balancer(gate, "")
    gate.wait_log(rf'event=session .*client={OWN_ADDRESS} .*ended="no PROXY header" why=\S+')
    with Client(front.address(), source=CLIENT, timeout=30) as client:
        assert client.is_closed()


def test_a_stop_waits_for_a_header_no_longer_than_anybody(inside, postern):
    """Who is connected is served to its end, and that comes after the header's five seconds at the latest."""
    gate = postern(inside().address, LISTED)
    with socket.create_connection(gate.address, 10, source_address=(OWN_ADDRESS, 0)) as silent:
        silent.sendall(b"PROXY TCP4 ")
        net.wait_until(lambda: net.holder_of(gate.address[1], silent.getsockname()[1], gate.workers()), 10,
                       "nobody serves it", gate.story)
        gate.terminate()
        assert gate.wait(20) == 0
    gate.wait_log('ended="no PROXY header" why=timeout')


def test_the_documented_haproxy_is_good(tmp_path):
    """INSTALL's lines, and the rig's server line among them."""
    text = documented("frontend smtp", "server two")
    (tmp_path / "haproxy.cfg").write_text("global\n" + text + "\n")
    done = subprocess.run([haproxy_rig.HAPROXY, "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    assert "send-proxy-v2 check check-send-proxy" in text and "option smtpchk EHLO" in text


# -- what an administrator sees of it

CONFIGURATION = """
hostname = stand.example.org
log = stderr
user = nobody
group = nogroup
control_socket = {socket}
listener stand {{ address = "127.0.0.1:{port}" backend = inside policy = all proxy_from = {balancer} }}
backend inside {{ server one {{ address = "127.0.0.1:{inside}" }} }}
policy all {{ recipient {{ relay_domains = "*" }} }}
"""


class ControlledGate(postern_program.PosternFrom):
    def __init__(self, directory, inside):
        address = ("127.0.0.1", net.free_port())
        self.socket = directory + "/run/control"
        path = directory + "/postern.conf"
        with open(path, "w") as f:
            f.write(CONFIGURATION.format(socket=self.socket, port=address[1], inside=inside.address[1],
                                         balancer=OWN_ADDRESS))
        os.chmod(path, 0o644)
        super().__init__(address, "-f", "-c", path)
        net.wait_until(lambda: "event=ready" in self.log(), 30, "posternd is not ready", self.story)

    def ctl(self, *arguments):
        done = subprocess.run([postern_program.BUILD + "/posternctl", "-s", self.socket, "--json", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (done, self.story())
        return json.loads(done.stdout)["records"]

    def only_session(self):
        sessions = net.wait_until(lambda: [r for r in self.ctl("sessions") if r["kind"] == "session"], 10,
                                  "there is no session", self.story)
        assert len(sessions) == 1
        return sessions[0]


@pytest.fixture
def controlled(inside):
    directory = tempfile.mkdtemp(prefix="proxy-")
    os.chmod(directory, 0o755)
    gate = ControlledGate(directory, inside())
    yield gate
    gate.stop()
    gate.check_log()
    shutil.rmtree(directory)


HEADER = b"PROXY TCP4 198.51.100.7 203.0.113.25 4321 25\r\n"


def test_sessions_and_traces_are_of_the_client(controlled):
    controlled.ctl("trace", "198.51.100.7", "1h")
    with Client(controlled.address, source=OWN_ADDRESS) as client:
        net.wait_until(lambda: controlled.only_session()["client"] == OWN_ADDRESS, 10, "it is not the balancer's yet")
        client.send(HEADER)
        client.hello()
        session = controlled.only_session()
        assert (session["client"], session["port"]) == ("198.51.100.7", 4321)
        client.quit()
    controlled.wait_log(rf"event=trace session={session['id']} side=client dir=in line=\"EHLO client.test\"")


def test_who_is_waited_for_can_be_killed(controlled):
    with Client(controlled.address, source=OWN_ADDRESS) as client:
        client.send(HEADER[:20])
        controlled.ctl("kill", controlled.only_session()["id"])
        assert client.is_closed()
    controlled.wait_log(rf'event=session .*client={OWN_ADDRESS} .*ended="killed by posternctl"')


# -- out


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("service", ["smtpd", "postscreen"])
def test_into_postfix(proxied, postern, service, version):
    gate = postern(proxied.address(service), f"backend.pass_client=proxy-{version}")
    recipient = f"out-{service}-{version}@example.org"
    deliver(gate.address, recipient)
    message = proxied.only_message(recipient)
    trace_of(message.content, CONTENT)
    assert b"from client.test (unknown [127.0.0.2])" in message.head
    proxied.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.2\]")
    gate.wait_log(rf"event=message .*verdict=delivered .*queue_id={message.queue_id}")
    assert "alarm=" not in gate.log()
    if service == "postscreen":
        proxied.wait_log(rf"postscreen\[\d+\]: CONNECT from \[127\.0\.0\.2\]:\d+ to \[127\.0\.0\.1\]:{gate.address[1]}\b")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("service, mode", [("starttls", "require"), ("starttls", "may"), ("wrapped", "implicit"),
                                           ("smtpd", "may")])
def test_into_postfix_by_tls(proxied, postern, service, mode, version):
    gate = postern(proxied.address(service), f"backend.pass_client=proxy-{version}", f"backend.tls.mode={mode}")
    recipient = f"tls-{service}-{mode}-{version}@example.org"
    deliver(gate.address, recipient)
    message = proxied.only_message(recipient)
    proxied.wait_log(message.queue_id + r": client=\S*\[127\.0\.0\.2\]")
    secured = "none" if service == "smtpd" else "TLSv1.3"
    gate.wait_log(f"event=message .*inside_tls={secured} .*queue_id={message.queue_id}")
    assert "alarm=" not in gate.log()


@pytest.mark.parametrize("header", ["PROXY TCP4 127.0.0.1 127.0.0.1 0 0", "PROXY TCP4 127.0.0.2 0.0.0.0 4321 25",
                                    "PROXY TCP6 2001:db8::7 :: 4321 25"])
def test_postfix_takes_what_is_said_where_an_end_is_missing(proxied, header):
    if "TCP6" in header and not proxied.ipv6:
        pytest.skip("no IPv6 here")
    for service in ("smtpd", "postscreen"):
        with Client(proxied.address(service)) as client:
            client.send(header.encode() + b"\r\n")
            client.hello()
            client.quit()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("service", ["smtpd", "postscreen"])
def test_who_is_refused_in_place_of_220(proxied, postern, service, version):
    """Postfix refuses that client by its address: its own words answer MAIL, and nothing is wrong with us."""
    gate = postern(proxied.address(service), f"backend.pass_client=proxy-{version}")
    with Client(gate.address, source=STRANGER) as client:
        client.hello()
        reply = client.command("MAIL FROM:<sender@example.com>")
        assert reply.code == {"smtpd": 554, "postscreen": 521}[service], reply
        client.close()
    assert "alarm=" not in gate.log()
    deliver(gate.address, f"refused-{service}-{version}@example.org")


@pytest.mark.parametrize("version", VERSIONS)
def test_postfix_that_does_not_expect_it(proxied, postern, version):
    """451, an alarm with the missing line, and nothing is delivered in the gate's name (L11)."""
    gate = postern(proxied.address("plain"), f"backend.pass_client=proxy-{version}")
    recipient = f"not-passed-{version}@example.org"
    for name in ("EHLO", "HELO"):
        with Client(gate.address, source=CLIENT) as client:
            client.expect(220)
            reply = client.command(f"{name} client.test")
            if reply.code == 250:
                reply = client.command("MAIL FROM:<sender@example.com>")
            assert reply.code == 451 and reply.text.startswith(b"4.3.5"), reply
            assert client.command(f"RCPT TO:<{recipient}>").code in (451, 503)
            client.ask("QUIT", 221)
    gate.wait_log(r"event=inside .*alarm=.*smtpd_upstream_proxy_protocol=haproxy")
    proxied.settle()
    assert proxied.messages(recipient) == []


@pytest.mark.parametrize("service", ["smtpd", "postscreen"])
def test_xclient_where_proxy_is_expected(proxied, postern, service):
    """The other way round: who is expected to say PROXY and does not hears nothing for some seconds, then 421."""
    gate = postern(proxied.address(service), "backend.pass_client=xclient")
    with Client(gate.address, source=CLIENT, timeout=60) as client:
        client.expect(220)
        client.ask("HELO client.test", 250)
        assert client.command("MAIL FROM:<sender@example.com>").code == 451
        client.ask("QUIT", 221)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("service", ["smtpd", "postscreen"])
def test_probes_find_it_well(proxied, postern, service, version):
    gate = postern(proxied.address(service), f"backend.pass_client=proxy-{version}", "probe_interval=500ms")
    gate.wait_log("event=server state=up backend=inside server=one$")
    assert "state=down" not in gate.log()


@pytest.mark.parametrize("version", VERSIONS)
def test_probes_find_out_who_does_not_expect_it(proxied, postern, version):
    gate = postern(proxied.address("plain"), f"backend.pass_client=proxy-{version}", "probe_interval=200ms")
    gate.wait_log("event=server state=down backend=inside server=one")
    assert "state=up" not in gate.log()


# -- both


@pytest.mark.parametrize("outside", VERSIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_haproxy_to_postfix(proxied, postern, balancer, outside, version):
    gate = postern(proxied.address("smtpd"), LISTED, f"backend.pass_client=proxy-{version}")
    front = balancer(gate, VERSIONS[outside])
    recipient = f"through-{outside}-{version}@example.org"
    deliver(front.address(), recipient)
    message = proxied.only_message(recipient)
    found = proxied.wait_log(r"proxied/smtpd\[\d+\]: " + message.queue_id + r": client=\S*\[(\S+?)\]")
    assert found.group(1) == CLIENT
    assert re.search(rb"\[127\.0\.0\.2\]", trace_of(message.content, CONTENT))
    front.wait_health("UP", "L7OK")
