# SPDX-License-Identifier: ISC
"""posternctl explain against a running posternd: what each check would do, without a session, and without a trace of
it."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import hostile_dns as hostile
import net
import postern as postern_program
from smtp_client import Client
from test_posternctl import POSTERNCTL, Gate, run

FULL = ("helo=mail.example.com", "from=ann@example.com", "to=bob@example.org")
POLICY = """
    recipient {{ relay_domains = {{ example.org }} }}
    pregreet {{ mode = enforce wait = 400ms }}
    crowd {{ mode = watch }}
    limit rate {{ of = connections per = client rate = 3/1h action = reject }}
    limit seats {{ of = connections per = client concurrent = 1 action = drop }}
    limit mails {{ of = messages per = sender rate = 5/1h mode = watch action = defer }}
"""
CONFIGURATION = """\
hostname = stand.example.org
log = stderr
user = nobody
group = nogroup
control_socket = {socket}
{more}
listener stand {{
    address = "127.0.0.1:{port}"
    backend = inside
    policy = inbound
}}
listener other {{
    address = "127.0.0.1:{other}"
    backend = inside
    policy = lax
}}
backend inside {{
    pass_client = xclient
    server one {{ address = "127.0.0.1:{inside}" }}
}}
policy inbound {{
    {policy}
}}
policy lax {{
}}
"""


class Explained(Gate):
    def __init__(self, directory, server, policy, more=""):
        self.policy, self.more, self.other, self.server = policy.format(), more, net.free_port(), server
        super().__init__(directory, server)

    def write(self, text):
        """In place of the configuration of posternctl's tests; where that stands, ours."""
        found = re.search(r'address = "127\.0\.0\.1:(\d+)"', text)
        super().write(CONFIGURATION.format(socket=self.socket, more=self.more, policy=self.policy,
                                           port=found.group(1), other=self.other, inside=self.server.address[1]))

    def explain(self, *words):
        """Records, by kind."""
        found = {}
        for record in self.ask("explain", *words)["records"]:
            found.setdefault(record["kind"], []).append(record)
        return found

    def outcome(self, *words):
        return self.explain(*words)["outcome"][0]

    def notes(self, *words):
        return [note["text"] for note in self.explain(*words).get("note", [])]

    def explainers(self):
        """The children that explain just now."""
        return [pid for pid in net.children(self.master) if net.command_name(pid) == "posternd-show"]


@pytest.fixture
def place():
    """A directory that everybody gets to; those of pytest are root's."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="explain-"))
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def gates(place, inside):
    """A function: gates(policy, more) starts one; they end well with the test."""
    started = []

    def start(policy=POLICY, more=""):
        started.append(Explained(place, inside(), policy, more))
        return started[-1]

    yield start
    for gate in started:
        gate.stop()
        gate.check_log()


@pytest.fixture
def gate(gates):
    return gates()


def of(records, stage, check):
    found, = [record for record in records["check"] if (record["stage"], record["check"]) == (stage, check)]
    return found


# -- what is said


def test_every_stage_and_every_check_that_is_asked(gate):
    found = gate.explain("192.0.2.7", *FULL)
    assert [stage["stage"] for stage in found["stage"]] == ["connect", "greeting", "helo", "mail", "rcpt", "data"]
    client, = found["explained"]
    assert (client["client"], client["listener"], client["policy"]) == ("192.0.2.7", "stand", "inbound")
    assert (client["mode"], client["standing"], client["decide"]) == ("enforce", "unknown", "rcpt")
    assert (client["from"], client["to"]) == ("<ann@example.com>", "<bob@example.org>")
    pregreet = of(found, "connect", "pregreet")
    assert (pregreet["mode"], pregreet["regard"], pregreet["listen_ms"]) == ("enforce", "counts", 400)
    assert of(found, "connect", "crowd")["regard"] == "watched"
    assert of(found, "rcpt", "recipient")["action"] == "none"
    assert found["stage"][0]["held_ms"] == 400 and found["stage"][1]["held_ms"] == 0
    outcome, = found["outcome"]
    assert (outcome["result"], outcome["held_ms"], outcome["total_score"]) == ("accepted", 400, 0)


def test_what_the_client_would_hear(gate):
    outcome = gate.outcome("192.0.2.7", "helo=mail.example.com", "from=", "to=bob@example.net")
    assert (outcome["result"], outcome["at"], outcome["hangs_up"]) == ("refused", "RCPT", False)
    assert outcome["reply"] == "554 5.7.1 Relay access denied"
    assert outcome["reason"] == "not in relay_domains"
    assert gate.outcome("192.0.2.7")["result"] == "open"


def test_as_people_read_it(gate):
    text = gate.ctl("explain", "192.0.2.7", "helo=mail.example.com", "from=ann@example.com", "to=bob@example.net")
    assert text.returncode == 0 and text.stderr == ""
    for wanted in (r"^192\.0\.2\.7 at listener stand, policy inbound, mode enforce$",
                   r"^  reputation of its network: unknown ", r"^CONNECT$", r"^HELO mail\.example\.com$",
                   r"^MAIL <ann@example\.com>$", r"^RCPT <bob@example\.net>$",
                   r"^  pregreet +waits 400 ms for who speaks too early$", r"^  limits +rate: 0 of 3/1h for 192\.0\.2\.7$",
                   r"^ +seats: 0 of 1 at once for 192\.0\.2\.7$", r"^  crowd +\[watched\] passes$",
                   r"^  recipient +example\.net is not in relay_domains$",
                   r"^ +refuses: 554 5\.7\.1 Relay access denied \(not in relay_domains\)$",
                   r"^  => 0 points; hears 554 5\.7\.1 Relay access denied", r"^OUTCOME\n  refused at RCPT$"):
        assert re.search(wanted, text.stdout, re.M), (wanted, text.stdout)


def test_the_listener_is_the_first_one_unless_it_is_named(gate):
    assert gate.explain("192.0.2.7")["explained"][0]["policy"] == "inbound"
    assert gate.explain("192.0.2.7", "listener=other")["explained"][0]["policy"] == "lax"
    done = gate.ctl("explain", "192.0.2.7", "listener=third")
    assert done.returncode == 1 and "no such listener" in done.stderr and "try:" in done.stderr


@pytest.mark.parametrize("words", [("mail.example.com",), ("192.0.2.0/24",), ("192.0.2.7", "to=bob@example.org"),
                                   ("192.0.2.7", "from=ann"), ("192.0.2.7", "subject=x"),
                                   ("192.0.2.7", "helo=a", "helo=b"), ("192.0.2.7", "mode=off")])
def test_what_cannot_be_explained(gate, words):
    done = gate.ctl("explain", *words)
    assert done.returncode == 1 and done.stdout == "" and "try: posternctl explain" in done.stderr


def test_blocked_and_allowed_clients(gate):
    assert gate.ctl("block", "192.0.2.0/24", "reason", "spam", "all", "day").returncode == 0
    assert gate.ctl("allow", "192.0.2.9").returncode == 0
    found = gate.explain("192.0.2.7", *FULL)
    assert found["explained"][0]["listed"] == "blocked"
    outcome, = found["outcome"]
    assert (outcome["result"], outcome["at"], outcome["hangs_up"]) == ("refused", "the connection", True)
    assert outcome["reply"] == "554 5.7.1 Access denied: spam all day"
    found = gate.explain("192.0.2.9", *FULL)
    assert of(found, "connect", "listed")["action"] == "allow"
    assert of(found, "helo", "crowd")["regard"] == "not asked, the client is allowed"
    assert found["outcome"][0]["result"] == "accepted" and found["outcome"][0]["held_ms"] == 0


def test_who_has_logged_in(gate):
    found = gate.explain("192.0.2.7", *FULL, "login=ann")
    assert of(found, "mail", "crowd")["regard"] == "not asked, the client is allowed"


def test_what_is_watched_and_what_would_be_if_it_were_enforced(gates):
    gate = gates("mode = watch\n pregreet {{ mode = enforce wait = 400ms }}\n"
                 "limit none {{ of = messages per = client rate = 1/1h mode = watch action = defer }}")
    watched = gate.explain("192.0.2.7", *FULL)
    assert of(watched, "connect", "pregreet")["regard"] == "policy watched"
    assert watched["explained"][0]["mode"] == "watch" and watched["outcome"][0]["held_ms"] == 0
    enforced = gate.explain("192.0.2.7", *FULL, "mode=enforce")
    assert of(enforced, "connect", "pregreet")["regard"] == "counts" and enforced["outcome"][0]["held_ms"] == 400
    assert enforced["explained"][0]["as_if_enforced"] is True
    assert of(gate.explain("192.0.2.7"), "connect", "pregreet")["regard"] == "policy watched"


def test_bypass_shows(gate):
    assert gate.ctl("bypass", "on").returncode == 0
    found = gate.explain("192.0.2.7")
    assert of(found, "connect", "pregreet")["regard"] == "bypassed" and found["explained"][0]["bypass"] is True
    assert "BYPASS IS ON" in gate.ctl("explain", "192.0.2.7").stdout
    assert of(gate.explain("192.0.2.7", "mode=enforce"), "connect", "pregreet")["regard"] == "counts"


# -- nothing of it stays


def test_limits_are_looked_at_and_not_charged(gate):
    def connect():
        with Client(gate.address) as client:
            code = client.reply().code
            client.quit()
        while gate.records("session", "sessions"):  # or the next one would be one too many at once
            time.sleep(0.01)
        return code

    for _ in range(5):
        assert "rate: 0 of 3/1h for 127.0.0.1" in gate.notes("127.0.0.1", *FULL)
    assert connect() == 220
    assert "rate: 1 of 3/1h for 127.0.0.1" in gate.notes("127.0.0.1")
    assert connect() == connect() == 220
    for _ in range(2):
        found = gate.explain("127.0.0.1")
        assert "rate: 3 of 3/1h for 127.0.0.1" in [note["text"] for note in found["note"]]
        outcome, = found["outcome"]
        assert (outcome["result"], outcome["at"], outcome["unless_exempt"]) == ("refused", "RCPT", True)
        assert outcome["reply"].startswith("554 5.7.1 Too many connections (limit rate)")
    assert gate.records("rate", "rates") == []  # nobody has hit it, but for us
    assert "event=limited" not in gate.log() and "event=watched" not in gate.log()


def test_seats_are_counted_and_none_is_taken(gate):
    with Client(gate.address) as client:
        client.hello()
        for _ in range(2):
            found = gate.explain("127.0.0.1")
            assert "seats: 1 of 1 at once for 127.0.0.1" in [note["text"] for note in found["note"]]
            assert found["outcome"][0]["reply"].startswith("421 4.7.0 Too many connections at the same time")
        client.quit()
    net.wait_until(lambda: "seats: 0 of 1 at once for 127.0.0.1" in gate.notes("127.0.0.1"), 10, "the seat stays",
                   gate.story)


def test_no_session_is_counted_logged_or_seen(gate):
    gate.explain("192.0.2.7", *FULL)
    totals, = gate.records("totals", "status")
    assert totals["sessions"] == 0 and gate.sessions() == []
    assert "event=session" not in gate.log() and "192.0.2.7" not in gate.log()


# -- who asks


def explained_to_nobody(gate):
    """By a program where nobody may execute it: the tree may lie where only root gets."""
    program = shutil.copy(POSTERNCTL, os.path.dirname(gate.socket))
    return subprocess.run([program, "-s", gate.socket, "explain", "192.0.2.7"], user="nobody", group="nogroup",
                          extra_groups=[], capture_output=True, text=True, timeout=30)


def test_an_unprivileged_user_of_the_control_group(gates):
    gate = gates(more="control_group = nogroup")
    done = explained_to_nobody(gate)
    assert done.returncode == 0 and "OUTCOME" in done.stdout, done


def test_somebody_else_is_not_answered(gate):
    done = explained_to_nobody(gate)
    assert done.returncode == 3 and "is not for you" in done.stderr, done


def test_posternctl_says_what_it_takes():
    done = run("explain")
    assert done.returncode == 2 and "ADDRESS [helo=NAME] [from=SENDER]" in done.stderr
    assert os.path.exists(POSTERNCTL)


# -- DNS

NAMES = {
    "7.2.0.192.in-addr.arpa": hostile.answers("PTR mail.example.com"),
    "mail.example.com": hostile.after(0.2, hostile.answers("A 192.0.2.7")),
    "7.2.0.192.bl.test": hostile.answers("A 127.0.0.4"),
    "7.2.0.192.err.test": hostile.answers("A 127.255.255.254"),
    "example.com": hostile.answers("TXT v=spf1 -all"),
    ("example.org", "TXT"): hostile.answers("TXT v=spf1 \x1b[31m -all"),
}
ASKS = """
    recipient {{ relay_domains = {{ example.org }} }}
    rdns {{ mode = enforce }}
    spf {{ mode = enforce fail = reject }}
"""
LISTS = """
    reject_at = 8
    dnsbl {{ mode = enforce list bl.test {{ score = 8 self_test = no }} list err.test {{ score = 1 self_test = no }} }}
"""


@pytest.fixture
def silence():
    """A name server that takes questions, and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        yield 'resolver = {{ "127.0.0.1:{}" }} resolver_deadline = 3s'.format(s.getsockname()[1])


@pytest.fixture
def asking(gates, hostile_dns):
    """A function: a gate whose name server does as these say."""
    def start(names, policy=ASKS, more=""):
        return gates(policy, 'resolver = {{ "{}:{}" }} {}'.format(*hostile_dns(names).address, more))
    return start


def test_what_dns_was_asked_and_said(asking):
    gate = asking(NAMES)
    found = gate.explain("192.0.2.7", *FULL)
    said = {(one["type"], one["name"]): one for one in found["dns"]}
    assert said["PTR", "7.2.0.192.in-addr.arpa"]["answer"] == "mail.example.com"
    address = said["A", "mail.example.com"]
    assert (address["check"], address["answer"], address["stage"]) == ("rdns", "192.0.2.7", "greeting")
    assert 200 <= address["took_ms"] < 3000
    record = said["TXT", "example.com"]
    assert (record["check"], record["answer"], record["stage"]) == ("spf", '"v=spf1 -all"', "mail")
    assert of(found, "mail", "spf")["action"] == "reject"
    assert [stage["waits"] for stage in found["stage"]] == [False, False, False, True, False]
    outcome, = found["outcome"]
    assert (outcome["result"], outcome["at"]) == ("refused", "RCPT") and "SPF" in outcome["reply"]
    text = gate.ctl("explain", "192.0.2.7", *FULL).stdout
    assert re.search(r'^ +(spf +)?\? TXT example\.com: "v=spf1 -all"  \(\d+ ms\)$', text, re.M), text


def test_what_a_name_server_says_does_not_reach_the_terminal(asking):
    gate = asking(NAMES)
    text = gate.ctl("explain", "192.0.2.7", "helo=mail.example.com", "from=ann@example.org", "to=bob@example.org").stdout
    assert "v=spf1 ?[31m -all" in text and "\x1b" not in text


def test_lists_give_points_and_nobody_counts_that_they_were_asked(asking):
    gate = asking(NAMES, LISTS)
    found = gate.explain("192.0.2.7", *FULL)
    assert {"bl.test: 127.0.0.4, 8 points", "err.test: 127.255.255.254, which is an error, not a hit"} <= {
        note["text"] for note in found["note"]}
    outcome, = found["outcome"]
    assert (outcome["result"], outcome["at"], outcome["total_score"]) == ("refused", "RCPT", 8)
    assert outcome["reply"] == "554 5.7.1 Refused by local policy" and outcome["reason"] == "score 8"
    assert {one["asked"] for one in gate.records("list", "lists")} == {0}
    assert "event=dnsbl-error" not in gate.log()


def test_the_memory_on_disk_is_not_asked(asking, place):
    gate = asking(NAMES, "greylist {{ mode = enforce }} mailbox {{ trap_memory = 1d }}",
                  f"store {{ directory = {place}/store }}")
    assert gate.notes("192.0.2.7", *FULL) == [
        "would ask whether its network wrote to a trap",
        "would ask the greylist about g 192.0.2.0/24 ann@example.com bob@example.org"]
    assert gate.outcome("192.0.2.7", *FULL)["result"] == "accepted"


NEEDS = {}  # check -> what has to be said of it beside its mode


@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_all_checks_at_once(asking, place, mode):
    """Each leaves the scoreboard alone, which would end the child."""
    reference = subprocess.run([postern_program.POSTERND, "-d"], capture_output=True, text=True, check=True).stdout
    blocks = re.findall(r"^policy NAME / (\w+) \{", reference, re.M)
    assert len(blocks) > 8
    modes = "\n".join(f"{name} {{{{ mode = enforce {NEEDS.get(name, '')} }}}}"
                      for name in blocks if name != "recipient")
    store = f"store {{ directory = {place}/store }}"
    gate = asking(NAMES, POLICY.split("pregreet")[0] + f"mode = {mode}\n" + modes, store)
    found = gate.explain("192.0.2.7", *FULL)
    assert "off" not in found["explained"][0] and found["outcome"][0]["result"] in ("accepted", "refused", "deferred")


def test_a_silent_resolver_holds_nobody_else_up(gates, silence):
    gate = gates(ASKS, silence.replace("3s", "6s"))
    asked = [subprocess.Popen([POSTERNCTL, "-s", gate.socket, "--json", "explain", "192.0.2.7", *FULL],
                              stdout=subprocess.PIPE, text=True) for _ in range(2)]
    children = net.wait_until(lambda: gate.explainers() if len(gate.explainers()) == 2 else None, 10, "nobody explains",
                              gate.story)
    for child in children:
        nobody = {str(pwd.getpwnam("nobody").pw_uid)}
        net.wait_until(lambda pid=child: set(net.status_field(pid, "Uid").split()) == nobody, 5, "still root", gate.story)
        assert net.status_field(child, "NoNewPrivs") == "1" and int(net.status_field(child, "CapEff"), 16) == 0
        if not postern_program.SANITIZED:  # sanitizers need more system calls
            net.wait_until(lambda pid=child: net.status_field(pid, "Seccomp") == "2", 5, "no sandbox", gate.story)
    assert gate.records("posternd", "status")[0]["state"] == "serving"
    with Client(("127.0.0.1", gate.other)) as client:
        client.hello()
        assert client.message("user@example.org", b"Subject: x\r\n\r\n").code == 250
        client.quit()
    assert [one.poll() for one in asked] == [None, None]  # they still wait
    for one in asked:
        said = json.loads(one.communicate(timeout=20)[0])
        assert said["ok"] and "no answer in time" in [record.get("status") for record in said["records"]]


def test_who_asked_and_went_is_not_answered(gates, silence):
    gate = gates(ASKS, silence.replace("3s", "15s"))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(gate.socket)
        s.sendall(b"explain 192.0.2.7 from= to=bob@example.org\n")
        net.wait_until(gate.explainers, 10, "nobody explains", gate.story)
    net.wait_until(lambda: not gate.explainers(), 5, "it goes on", gate.story)


def test_a_child_that_crashes_is_told_of(gates, silence):
    gate = gates(ASKS, silence.replace("3s", "15s"))
    asking = subprocess.Popen([POSTERNCTL, "-s", gate.socket, "explain", "192.0.2.7", *FULL],
                              stderr=subprocess.PIPE, text=True)
    child, = net.wait_until(gate.explainers, 10, "nobody explains", gate.story)
    os.kill(child, signal.SIGABRT)
    assert "the answer was cut off: see posternd's log" in asking.communicate(timeout=10)[1]
    gate.wait_log(rf'event=answer-crashed pid={child} signal=ABRT request="explain 192.0.2.7 ')
    assert gate.records("posternd", "status")[0]["state"] == "serving"


def test_nobody_waits_for_minutes(gates, silence):
    found = gates(POLICY, silence.replace("3s", "5m")).explain("192.0.2.7")
    assert any("20 s at most" in rule["text"] for rule in found["rule"])
