# SPDX-License-Identifier: ISC
"""make install and make uninstall, into a directory of the test's own: what a package is made of."""
import os
import stat
import subprocess

import pytest

import postern as postern_program

SECONDS = 120


def make(*arguments):
    """As it is typed, for the build under test; its output."""
    keep = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(["make", f"SANITIZE={int(postern_program.SANITIZED)}", *arguments], env=keep,
                          cwd=postern_program.ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tree(directory):
    """{path: mode} of all files below."""
    return {os.path.relpath(os.path.join(where, name), directory): stat.S_IMODE(os.lstat(os.path.join(where, name)).st_mode)
            for where, _, names in os.walk(directory) for name in names}


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "image")


EXPECTED = {
    "etc/postern/postern.conf": 0o644,
    "usr/local/lib/systemd/system/postern.service": 0o644,
    "usr/local/lib/systemd/system/postern.socket": 0o644,
    "usr/local/lib/sysusers.d/postern.conf": 0o644,
    "usr/local/sbin/posternctl": 0o755,
    "usr/local/sbin/posternd": 0o755,
    "usr/local/share/bash-completion/completions/posternctl": 0o644,
    "usr/local/share/man/man5/postern.conf.5": 0o644,
    "usr/local/share/man/man8/posternctl.8": 0o644,
    "usr/local/share/man/man8/posternd.8": 0o644,
}


def test_installs_what_it_says_with_these_modes(place):
    umask = os.umask(0o077)  # root's, on many a machine
    try:
        make("install", f"DESTDIR={place}")
    finally:
        os.umask(umask)
    found = tree(place)
    documents = {path: mode for path, mode in found.items() if path.startswith("usr/local/share/doc/postern/")}
    assert {path: mode for path, mode in found.items() if path not in documents} == EXPECTED
    assert set(documents.values()) == {0o644}
    assert {os.path.basename(path) for path in documents} >= {"README", "INSTALL", "LICENSE", "sendmail.mc"}
    assert all(stat.S_IMODE(os.stat(where).st_mode) == 0o755 for where, _, _ in os.walk(place)), "a directory is shut"


def test_what_is_installed_runs(place):
    make("install", f"DESTDIR={place}")
    for program in ("posternd", "posternctl"):
        done = subprocess.run([f"{place}/usr/local/sbin/{program}", "-V"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and done.stdout.startswith(program), done


@pytest.mark.parametrize("prefix, library", [("/usr", "usr/lib"), ("/opt/postern", "etc")])
def test_units_lie_where_systemd_looks_and_name_the_prefix(place, prefix, library):
    make("install", f"DESTDIR={place}", f"PREFIX={prefix}")
    with open(f"{place}/{library}/systemd/system/postern.service") as f:
        unit = f.read()
    assert f"ExecStart={prefix}/sbin/posternd -n\n" in unit and "@PREFIX@" not in unit
    assert os.path.exists(f"{place}/{library}/sysusers.d/postern.conf")


def test_uninstall_leaves_the_configuration_alone_there(place):
    make("install", f"DESTDIR={place}")
    make("uninstall", f"DESTDIR={place}")
    assert set(tree(place)) == {"etc/postern/postern.conf"}


def test_a_configuration_that_was_changed_stays(place):
    make("install", f"DESTDIR={place}")
    path = f"{place}/etc/postern/postern.conf"
    with open(path, "a") as f:
        f.write("# mine\n")
    assert "is there and stays" in make("install", f"DESTDIR={place}")
    with open(path) as f:
        assert f.read().endswith("# mine\n")
    assert os.path.exists(path + ".new")
    make("uninstall", f"DESTDIR={place}")
    assert set(tree(place)) == {"etc/postern/postern.conf"}


def test_with_destdir_no_user_is_made(place):
    """That is the package's business; what makes him there is installed."""
    assert "useradd" not in make("-n", "install", f"DESTDIR={place}")
    assert "useradd --system" in make("-n", "install", "DESTDIR=", "PREFIX=/nowhere")


def test_systemd_makes_the_user_that_it_is_told(place):
    make("install", f"DESTDIR={place}")
    os.makedirs(f"{place}/usr/lib", exist_ok=True)
    done = subprocess.run(["systemd-sysusers", f"--root={place}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with open(f"{place}/etc/passwd") as f:
        users = [line.strip().split(":") for line in f]
    ours = [user for user in users if user[0] == "postern"]
    assert len(ours) == 1 and ours[0][5:] == ["/nonexistent", "/usr/sbin/nologin"] and ours[0][2] != "0"
