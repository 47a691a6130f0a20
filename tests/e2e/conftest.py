# SPDX-License-Identifier: ISC
"""Fixtures: postfix (a private one), server_of (one of four real servers), inside (a scripted one), postern (posternd
in front of any), name_server and caching_resolver (real ones), hostile_dns (a bad one)."""
import os
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import hostile_dns as hostile_name_server
import inside_server
import name_server as name_servers
import postern as postern_program
import postfix_rig
import servers
import stories
import tls_peers


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections.append(("who said what", stories.tell()))


@pytest.fixture(autouse=True)
def fresh_stories():
    stories.forget()
    yield


@pytest.fixture(scope="session")
def running_postfix():
    directory = tempfile.mkdtemp(prefix="postfix-")
    os.chmod(directory, 0o755)  # Postfix's own user has to get in
    rig = postfix_rig.Postfix(directory, ipv6=os.path.exists("/proc/net/if_inet6"))
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        postfix_rig.remove(rig)


@pytest.fixture
def postfix(running_postfix):
    stories.add(running_postfix)
    return running_postfix


@pytest.fixture(scope="session")
def running_servers(certificates):
    """A function: one of the four, by name; started once, ends with the session."""
    with servers.started_on_demand(servers.SERVERS, certificates.inside_rsa) as get:
        yield get


@pytest.fixture
def server_of(running_servers):
    """The same, and it tells its story where a test fails."""

    def get(name):
        server = running_servers(name)
        stories.add(server)
        return server
    return get


@pytest.fixture
def inside():
    """A function: inside(script, keywords) starts a scripted server, which ends with the test."""
    started = []

    def start(script=None, **kwargs):
        started.append(inside_server.Inside(script, **kwargs))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def postern():
    """A function: postern(inside_address, "block.option=value", ..) starts posternd; it must end well with the test."""
    started = []

    def start(inside, *options, **kwargs):
        started.append(postern_program.Postern(inside, *options, **kwargs))
        return started[-1]

    yield start
    faults = []
    for program in started:
        try:
            program.stop()
            program.check_log()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def certificates():
    made = tls_peers.Certificates()
    yield made
    made.remove()


@pytest.fixture
def tls_gate(postern, inside, certificates):
    """A function: tls_gate("block.option=value", ..) starts posternd with a certificate before a scripted server."""

    def start(*options, mode="may", pairs=(), script=None, keywords=inside_server.KEYWORDS):
        server = inside(script, keywords=keywords)
        return postern(server.address, *certificates.outside(mode, *pairs), *options), server

    return start


@pytest.fixture
def secure_gate(tls_gate, certificates):
    """The same, and TLS is required inside, which the scripted server speaks."""

    def start(*options, script=None, **kwargs):
        script = {"STARTTLS": tls_peers.accepting(certificates.server_context()), **(script or {})}
        keywords = (*inside_server.KEYWORDS, b"STARTTLS")
        return tls_gate("backend.tls.mode=require", *options, script=script, keywords=keywords, **kwargs)

    return start


def _ending_with_the_test(make):
    started = []

    def start(*arguments, **kwargs):
        started.append(make(*arguments, **kwargs))
        return started[-1]

    yield start
    for one in reversed(started):
        one.stop()


@pytest.fixture
def name_server():
    """A function: name_server(zones, broken) starts nsd, which ends with the test."""
    yield from _ending_with_the_test(name_servers.NameServer)


@pytest.fixture
def caching_resolver():
    """A function: caching_resolver(name_server) starts unbound, which asks it."""
    yield from _ending_with_the_test(name_servers.CachingResolver)


@pytest.fixture
def hostile_dns():
    """A function: hostile_dns(names) starts a name server that does as these behaviours say."""
    yield from _ending_with_the_test(hostile_name_server.HostileDns)
