# SPDX-License-Identifier: ISC
"""The same in TLS: calls that fail within a handshake. Memory is asked of the kernel in none: a worker has it from its
fork on."""
import atexit
import functools
import os
import signal

import machine_calls as calls
from machine_rig import SETTLE_SECONDS, House, demand, net
from outside import is_code, is_yes
from strace import Injection
from tls_peers import Certificates, client_context

CALLS = {
    "recvfrom": ("EINTR", "ECONNRESET", "ENOMEM"),
    "sendto": ("EINTR", "ENOBUFS", "EPIPE"),
    "poll": ("EINTR", "ENOMEM"),
}


@functools.cache
def certificates():
    made = Certificates()
    atexit.register(made.remove)
    return made


class TlsHouse(House):
    def __init__(self):
        super().__init__(*certificates().outside("may"))

    def greet(self, outside):
        """What fails in the handshake is the end of the connection, for both."""
        if not outside.greet() or not is_code(outside.ask(b"STARTTLS\r\n"), b"220"):
            return False
        try:
            secure = client_context().wrap_socket(outside.socket.dup())
        except OSError as fault:
            outside.note(f"no TLS: {fault}")
            outside.reset()
            return False
        outside.socket.close()
        outside.socket = secure
        return is_yes(outside.ask(outside.hello))


def fails(call, error, every=1):
    """Each in turn; then the house is as it was."""
    with TlsHouse() as house:
        house.play()
        demand(all(map(is_yes, house.converse())), f"no session in TLS\n{house.story()}")
        calls.each_once(house, call, error, every)


def no_random():
    """In the first session of a worker."""
    with TlsHouse() as house:
        _no_random(house)


def _no_random(house):
    old = house.idle_workers()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    net.wait_until(lambda: not set(old) & set(house.gate.workers()), SETTLE_SECONDS, "the dead stay", house.gate.story)
    house.play()
    with Injection(house.idle_workers, "getrandom", "ENOSYS", "1+") as injection:
        house.converse()
        demand(injection.hits(), "no session in TLS asks for random numbers")
    house.settle(lenient=True)
