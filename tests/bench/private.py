# SPDX-License-Identifier: ISC
"""What the fronts stand on: private programs, the sink that is inside for all, a certificate."""
import os
import signal
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP + "/tests/e2e")

import machine  # noqa: E402
import net  # noqa: E402

BUILD = os.path.join(TOP, os.environ.get("POSTERN_BUILD", "build/plain"))
SECONDS = 30
# Clients whose address is not private come from 198.18.0.0/15 (checked.py).
# A log's socket holds 10 datagrams in a new namespace, and 512 where systemd began: whoever logs would wait.
SET_UP = "ip link set lo up && ip addr add 198.18.0.1/15 dev lo && echo 512 >/proc/sys/net/unix/max_dgram_qlen"


def enter_namespaces(inside):
    """This program again, with the option `inside` and a directory, where nothing of the machine is touched and nobody
    outlives it; its exit status."""
    def leave(number, _frame):
        again.kill()  # and the kernel ends all that is in there
        sys.exit(128 + number)

    with tempfile.TemporaryDirectory(prefix="postern-bench-") as directory:
        os.chmod(directory, 0o755)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)
        again = subprocess.Popen([
            "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
            SET_UP + ' && exec "$@"', "sh", sys.executable, "-B", *sys.argv, inside, directory],
            start_new_session=True)
        return again.wait()


class Program:
    """One that stays in the foreground."""

    def __init__(self, directory, *command, ready, **environment):
        self.story = f"{directory}/said"
        with open(self.story, "ab") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/",
                                            env={**os.environ, **environment}, start_new_session=True)
        net.wait_until(lambda: ready() or self.process.poll() is not None, SECONDS, f"{command[0]} is not ready",
                       self.said)
        if self.process.poll() is not None:
            raise AssertionError(f"{' '.join(command)} ended at once: {self.said()}")

    def said(self):
        return machine.read(self.story)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def spelled(address):
    return "%s:%d" % address


def own_address():
    return "127.0.0.1", net.free_port()


class Sink:
    """The inside of them all."""

    def __init__(self, directory):
        self.address = own_address()
        self.program = Program(directory, BUILD + "/sink", "--discard", "--count", "--processes", str(os.cpu_count()),
                               spelled(self.address), ready=lambda: net.is_listening(self.address))
        self.root = self.program.process.pid

    def stop(self):
        """{"messages": .., "violations": ..}: what it took in all."""
        self.program.stop()
        last = self.program.said().splitlines()[-1]
        return {name: int(number) for name, number in (word.split("=") for word in last.split())}


def make_certificate(path):
    """P-256, self-signed; certificate and key in one file."""
    key = path + ".key"
    status, said = machine.outcome_of("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                      "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=front.example",
                                      "-keyout", key, "-out", path)
    if status != 0:
        raise AssertionError(f"openssl: {said}")
    with open(path, "a") as whole:
        whole.write(machine.read(key))
    os.unlink(key)
    os.chmod(path, 0o600)
    return path
