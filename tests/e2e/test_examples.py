# SPDX-License-Identifier: ISC
"""conf/examples: what INSTALL prints of them is what is in them, and what it says of the servers is so. (That mail goes
through servers with exactly these lines is shown by test_servers_real.py.)"""
import glob
import os
import re
import shutil
import subprocess

import pytest

import postern as postern_program
import private_server
from smtp_client import Client

ROOT = postern_program.ROOT
EXAMPLES = sorted(os.path.basename(path) for path in glob.glob(ROOT + "/conf/examples/*"))
DEBIANS_EXIM = private_server.SERVERS + "/exim/etc/exim4/conf.d/main"
SENDMAIL = "/usr/libexec/sendmail/sendmail"


def lines_of(path):
    """Those that say something, with blanks as one."""
    with open(os.path.join(ROOT, path)) as f:
        lines = [" ".join(line.split()) for line in f]
    return [line for line in lines if line and not line.startswith(("#", "dnl"))]


@pytest.mark.parametrize("name", EXAMPLES)
def test_install_prints_it_as_it_is(name):
    printed, wanted = lines_of("INSTALL"), lines_of(f"conf/examples/{name}")
    assert wanted
    assert any(printed[at:at + len(wanted)] == wanted for at in range(len(printed))), f"not in INSTALL: {wanted}"
    assert any(f"conf/examples/{name}" in line for line in printed), f"INSTALL does not name conf/examples/{name}"


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("postfix-")])
def test_postfix_knows_all_of_it(tmp_path, name):
    shutil.copy(f"{ROOT}/conf/examples/{name}", tmp_path / "master.cf")
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    done = subprocess.run(["/usr/sbin/postconf", "-c", str(tmp_path), "-P"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == ""
    known = subprocess.run(["/usr/sbin/postconf", "-d"], capture_output=True, text=True, timeout=30).stdout
    names = re.findall(r"^\S+/\w+/(\S+) =", done.stdout, re.M)
    later = {"smtpd_forbid_bare_newline_exclusions"}  # than some releases of Postfix
    assert len(names) > 5
    assert [name for name in names if f"\n{name} =" not in known and name not in later] == []


def table(which):
    """What INSTALL says of main.cf's parameters (1), and of its restrictions (3): [(their names, what is said)]."""
    with open(ROOT + "/INSTALL") as f:
        text = f.read().split("\n19. From main.cf to postern.conf\n")[1].split("\n\n")[which]
    rows = re.sub(r",\n {4}(?=\w)|\n {5,}", lambda found: ", " if found[0][0] == "," else "  ", text).splitlines()
    return [re.fullmatch(r" {4}(\S.*?) {2,}(\S.*)", row).groups() for row in rows]


def test_the_table_names_what_there_is():
    known = subprocess.run(["/usr/sbin/postconf", "-d"], capture_output=True, text=True, timeout=30).stdout
    known = set(re.findall(r"^(\w+) =", known, re.M))
    known |= {"smtpd_forbid_bare_newline", "smtpd_forbid_bare_newline_exclusions", "smtpd_forbid_unauth_pipelining",
              "postscreen_denylist_action"}  # of later releases
    ours = {}
    for part in re.split(r"^(?=\S)", postern_program.run("-d")[1], flags=re.M)[1:]:
        block = re.sub(r" NAME| \{ \.\. \}", "", part.split("\n")[0])
        ours[block] = set(re.findall(r"^    (\S+) +\S", part, re.M))
    rows, restrictions = table(1), table(3)
    assert len(rows) > 30 and len(restrictions) > 15
    for names, _ in rows:
        assert {name for name in names.split(", ") if "_" in name} <= known | {"master.cf: maxproc of smtpd"}, names
    for _, said in rows + restrictions:
        for options, blocks in re.findall(r"((?:\w+, )*\w+) \(((?:listener|policy|backend)[^)]*)\)", said):
            for block in blocks.split("; "):
                assert set(options.split(", ")) <= ours[block], (options, block)


def test_exim_as_debian_sets_it_up(server_of):
    """Exim takes no option twice. A macro of Debian's that is set before holds: then with Debian's own value in it."""
    server_of("exim")  # or it is not unpacked
    debians = "".join(line for path in sorted(glob.glob(DEBIANS_EXIM + "/*")) for line in open(path))
    options = [line.split(" =")[0] for line in lines_of("conf/examples/exim.conf")]
    assert "hosts_proxy" in options
    assert [name for name in options if name[0].islower() and re.search(rf"^ *{name} *=", debians, re.M)] == []
    default = re.search(r"^\.ifndef MAIN_LOG_SELECTOR\n(MAIN_LOG_SELECTOR = .*)\n", debians, re.M).group(1)
    assert f"{default} +proxy" in lines_of("conf/examples/exim.conf")


def test_exim_counts_what_is_no_mail(server_of):
    """.. and ends a connection that brings too much of it: not Postern's client's, test_servers_real.py shows."""
    with Client(server_of("exim").address()) as client:
        client.hello()
        codes = []
        for _ in range(15):
            codes += [client.command(line).code for line in ("MAIL FROM:<sender@example.com>", "RSET")]
            if codes[-1] != 250:
                break
        assert codes[-1] == 554


def relays(sendmail, address):
    """Does it relay for who comes from there? As INSTALL tells to ask."""
    said = sendmail.run(SENDMAIL, "-bt", given=f".D{{client_addr}}{address}\n.D{{client_name}}[{address}]\n"
                        ".D{client_resolve}FAIL\ncheck_rcpt <somebody@foreign.example>\n")
    return "Relaying denied" not in re.findall(r"check_rcpt +returns: .*", said)[-1]


def test_sendmail_relays_for_loopback_but_not_for_the_gates_address(server_of):
    sendmail = server_of("sendmail")
    assert relays(sendmail, "127.0.0.1")
    assert not relays(sendmail, "10.255.255.25")
    assert "10.255.255.25" not in sendmail.run(SENDMAIL, "-bt", given="$=w\n")


@pytest.mark.parametrize("service, code", [("plain", 250), ("proxy", 550)])
def test_opensmtpd_from_local(server_of, service, code):
    """Who comes by PROXY is no longer local, and who comes by Postern without it is."""
    with Client(server_of("opensmtpd").address(service)) as client:
        if service == "proxy":  # version 2, PROXY, TCP over IPv4, 12 octets: 192.0.2.7:1025 to 192.0.2.1:25
            client.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\4\1\0\x19")
        client.hello()
        client.ask("MAIL FROM:<sender@example.com>", 250)
        client.ask("RCPT TO:<somebody@local.example>", code)


def test_opensmtpd_takes_one_ehlo(server_of):
    """Postern says one, whatever its client does: test_servers_real.py."""
    with Client(server_of("opensmtpd").address()) as client:
        client.hello()
        assert client.command("EHLO client.test").code == 503
