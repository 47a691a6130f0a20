# SPDX-License-Identifier: ISC
"""The documents against the program: what they say is there is there, and the other way round."""
import glob
import itertools
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import net
import postern as postern_program
import postfix_rig
import stories
from smtp_client import Client

ROOT = postern_program.ROOT
MANUALS = {"posternd 8": "daemon/posternd.8", "posternctl 8": "daemon/ctl/posternctl.8",
           "postern.conf 5": "conf/postern.conf.5"}
SOURCES = [path for room in ("common", "daemon", "workers", "workers/*") for path in glob.glob(f"{ROOT}/{room}/*.c")]


def read(path):
    with open(os.path.join(ROOT, path)) as f:
        return f.read()


def one_line(text):
    return " ".join(text.split())


# -- postern.conf.5 against posternd -d


OPTION = r"^    (\S+) +(\S.*)\n {8}default: (.*(?:\n {9,}\S.*)*)\n {8}allowed: (.*(?:\n {9,}\S.*)*)"


def reference():
    """{(block, option): (type, default, allowed)} of posternd -d."""
    status, text, _ = postern_program.run("-d")
    assert status == 0
    options = {}
    for part in re.split(r"^(?=\S)", text, flags=re.M)[1:]:
        block = part.split("\n", 1)[0]
        for found in re.finditer(OPTION, part, re.M):
            name, kind, default, allowed = map(one_line, found.groups())
            options[block, name] = (kind, default, allowed)
    return options


def manual():
    """The same of postern.conf.5: below OPTIONS a .Ss for each block, an .It for each option."""
    text = read("conf/postern.conf.5").split(".Sh OPTIONS\n")[1].split("\n.Sh ")[0]
    options = {}
    for part in re.split(r"^\.Ss ", text, flags=re.M)[1:]:
        block = part.split("\n", 1)[0]
        for found in re.finditer(r"^\.It Ic (\S+) No = Ar (.*)\nDefault: ((?:.|\n)*?)\.\nAllowed: ((?:.|\n)*?)\.\n\.br",
                                 part, re.M):
            name, kind, default, allowed = map(one_line, found.groups())
            options[block, name] = (kind, default, allowed)
    return options


def test_every_option_stands_in_the_manual():
    assert len(reference()) > 30  # or its text has changed and nothing is compared
    assert manual() == reference()


# -- the manuals


@pytest.mark.parametrize("path", MANUALS.values())
def test_manual_is_clean(path):
    """No complaint of mandoc, but that our own manuals are not installed."""
    done = subprocess.run(["mandoc", "-Tlint", path], cwd=ROOT, capture_output=True, text=True, timeout=30)
    complaints = [line for line in (done.stdout + done.stderr).splitlines()
                  if not re.search(r"referenced manual not found: Xr (%s)\b" % "|".join(MANUALS), line)]
    assert complaints == []


def test_every_letter_of_the_command_line_stands_in_the_manual():
    letters = re.search(r'getopt\(argc, argv, "([^"]+)"', read("daemon/arguments.c")).group(1).replace(":", "")
    text = read("daemon/posternd.8")
    assert set(re.findall(r"^\.It Fl (\w)", text, re.M)) == set(letters)


# -- what is logged


def events():
    found = set()
    for path in SOURCES:
        text = read(path)
        found |= set(re.findall(r"\bevent=([\w-]+)", text))
        found |= set(re.findall(r'\b(?:record_begin|begin)\([^;"]*"([\w-]+)"\)', text))
    for who in re.findall(r'\.name = "(\w+)"', read("daemon/household_kinds.c")):
        found |= {who + end for end in re.findall(r'"%s(-\w+)"', read("daemon/household.c"))}
    for name in ("DESERTED", "CRASHED", "CUT"):
        found |= set(re.findall(rf'\b{name} = {{"([\w-]+)"', read("daemon/reap.c")))
    return found | set(re.findall(r'{WORKER_\w+, {"([\w-]+)"', read("daemon/reap.c")))


def test_every_event_is_explained():
    """Once, or the second one is forgotten when the first one changes."""
    log = read("INSTALL").split("\n9. The log\n")[1].split("\n10. Size\n")[0]
    assert len(events()) > 12
    assert sorted(re.findall(r"^  event=([\w-]+)", log, re.M)) == sorted(events())


def test_every_event_stands_in_the_manual():
    log = re.search(r"^\.Sh LOG\n((?:.|\n)*?)^\.Sh ", read("daemon/posternd.8"), re.M).group(1)
    named = {name for line in re.findall(r"^\.It Cm (.*)", log, re.M) for name in line.split(" , ")}
    verdicts = {"delivered", "refused", "deferred", "dropped", "aborted", "lost", "unknown"}
    assert named - verdicts == events()


RECORD = r'record_(?:text|string|number)\(\S+, "(\w+)"'


def fields():
    """{event: its fields}, of records that are made in one function; None: what other functions add to some."""
    found = {None: set()}
    for path in SOURCES:
        for function in re.findall(r"^{\n(?:.|\n)*?^}", read(path), re.M):
            event = re.search(r'\b(?:record_begin|begin)\([^;"]*"([\w-]+)"\)', function)
            found.setdefault(event.group(1) if event else None, set()).update(re.findall(RECORD, function))
    return found


def test_every_field_is_explained():
    """With its event, or above all events where it is the same in many."""
    log = read("INSTALL").split("\n9. The log\n")[1].split("\n10. Size\n")[0]
    general, *entries = re.split(r"^  event=", log, flags=re.M)
    texts = {entry.split()[0]: entry for entry in entries}
    everywhere = set(re.findall(r"(\w+)=", general))
    assert {"session", "client", "error"} <= everywhere and len(fields()) > 20
    missing = [(event, field) for event, names in fields().items() for field in names - everywhere
               if not re.search(rf"\b{field}\b", log if event is None else texts[event])]
    assert missing == []


def test_every_trouble_with_inside_has_a_way_out():
    """What these say in lower case is said in the log; their replies begin with a capital."""
    files = ("inside.c", "inside_open.c", "inside_tls.c", "inside_proxy.c", "proxy_from.c", "auth.c", "xforward.c")
    source = re.sub(r'"\s*\n\s*"', "", "".join(read(f"workers/{name}") for name in files))
    texts = set(re.findall(r'"([a-z][^"%]*? [^"%]*)"', source))
    assert len(texts) > 12
    install = one_line(read("INSTALL"))
    assert [text for text in texts if text.split(";")[0] not in install] == []


def test_every_end_and_reason_is_explained():
    """The constants that become ended= and reason= of a line."""
    ends = "session_end|transfer_lose_client|refuse|envelope_drop|dead|without"
    call = rf"\b(?:{ends})\([^;{{]*;|->dropped = [^;]*;"
    calls = [found for path in SOURCES if "/workers/" in path for found in re.findall(call, read(path))]
    named = {found[:found.index("(")] for found in calls if "(" in found}
    assert named >= {"session_end", "transfer_lose_client", "refuse", "envelope_drop", "dead", "without"}
    texts = {text for found in calls for text in re.findall(r'"([^"]+)"', found)}
    assert len(texts) > 30
    install = one_line(read("INSTALL"))
    assert [text for text in texts if text not in install] == []


# -- the configuration that is installed, and the examples


@pytest.fixture
def installed(tmp_path):
    """As install(1) leaves it: a checkout may be writable by its group, which posternd refuses."""
    path = shutil.copy(ROOT + "/conf/postern.conf", tmp_path)
    os.chmod(path, 0o644)
    return path


def test_shipped_configuration_is_good(installed):
    status, text, error = postern_program.run("-t", "-c", installed, "-o", "user=nobody")
    assert (status, error) == (0, "") and text == f"{installed}: good\n"


def test_commented_checks_are_good(tmp_path):
    """Whoever takes away the # before the checks that ask DNS, the greylist and access lists, has a configuration."""
    text = read("conf/postern.conf")
    begin, end = text.index("    # What DNS says"), text.index("    # Recipients that are there")
    checks = re.sub(r"^    # (?=\w+ +[{=]|    |})", "    ", text[begin:end], flags=re.M)
    assert re.findall(r"^    (\w+) +[{=]", checks, re.M) == [
        "defer_at", "reject_at", "dnsbl", "rdns", "helo", "sender", "spf", "greylist", "access"]
    path = tmp_path / "postern.conf"
    path.write_text(re.sub("# (resolver =|store {)", r"\1", text[:begin]) + checks + text[end:])
    path.chmod(0o644)
    status, _, error = postern_program.run("-t", "-c", str(path), "-o", "user=nobody")
    assert (status, error) == (0, "")


def example_of(text):
    """A whole configuration in a text: from `hostname` on, as far as the lines are indented like it."""
    lines = text[re.search(r"^ *hostname = ", text, re.M).start():].splitlines()
    indent = lines[0][:len(lines[0]) - len(lines[0].lstrip())]
    ours = itertools.takewhile(lambda line: not line or line.startswith(indent) and not line.startswith("."), lines)
    return "\n".join(ours) + "\n"


@pytest.mark.parametrize("path", ["conf/postern.conf.5", "INSTALL"])
def test_example_in_the_text_is_good(tmp_path, path):
    example = tmp_path / "example.conf"
    example.write_text(example_of(read(path)))
    status, _, error = postern_program.run("-t", "-c", str(example), "-o", "user=nobody")
    assert status == 0, error


def documented_master_cf():
    """The rig's master.cf with the documented service for `xclient`: on a free port, and not in a chroot."""
    service = "\n".join(line for line in read("conf/examples/postfix-master.cf").splitlines() if line[0] != "#")
    service = re.sub(r"^127\.0\.0\.1:10025( +inet +n +- +)y", r"127.0.0.1:{xclient}\1n", service)
    return service + "\n" + postfix_rig.MASTER_CF[postfix_rig.MASTER_CF.index("127.0.0.1:{plain}"):]


@pytest.fixture
def documented_postfix(monkeypatch):
    monkeypatch.setattr(postfix_rig, "MASTER_CF", documented_master_cf())
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)  # Postfix's own user has to get in
    rig = postfix_rig.Postfix(directory)
    stories.add(rig)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        postfix_rig.remove(rig)


def test_as_installed_before_a_postfix_as_documented(documented_postfix, installed, tmp_path):
    """What INSTALL tells to write on both sides carries a message; only ports, paths and the user are the test's."""
    address = ("127.0.0.1", net.free_port("127.0.0.1"))
    pid_file = tmp_path / "postern.pid"
    overrides = ["listener.address=%s:%d" % address, "backend.server.address=%s:%d" % documented_postfix.address(),
                 f"pid_file={pid_file}", f"control_socket={tmp_path}/control", f"listed_file={tmp_path}/listed",
                 "user=nobody", "group=nogroup"]
    gate = postern_program.PosternFrom(address, "-f", "-c", installed, *sum((["-o", o] for o in overrides), []))
    try:
        gate.wait_ready()
        assert pid_file.exists()
        with Client(address, source="127.0.0.5") as client:
            client.hello("client.test")
            assert client.message("user@example.org", b"Subject: x\r\n\r\nhello\r\n").code == 250
            client.ask("MAIL FROM:<sender@example.com>", 250)
            client.ask("RCPT TO:<nobody@example.org>", 550)
            client.ask("RCPT TO:<user@elsewhere.example>", 554)
            client.quit()
        queue_id = documented_postfix.only_message("user@example.org").queue_id
        documented_postfix.wait_log(r"postfix/inside/smtpd.*" + queue_id + r": client=\S*\[127\.0\.0\.5\]")
        gate.wait_log(f"verdict=delivered.*queue_id={queue_id}")
    finally:
        gate.stop()
        gate.check_log()
    assert not pid_file.exists()
