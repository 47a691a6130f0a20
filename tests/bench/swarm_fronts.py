# SPDX-License-Identifier: ISC
"""The fronts that the swarm comes to, as their postmasters would set them up against it; each is fresh in each cell."""
import os

import fronts
import machine
from private import SECONDS, spelled

import net  # private knows where it lies
import postfix_rig


class Direct(fronts.Direct):
    ABOUT = "no front: the swarm speaks to the sink"
    knows = False  # does it remember who is good? Otherwise senders known and new are the same to it


class Haproxy(fronts.Haproxy):
    knows = False


class Postfix(fronts.Front):
    """smtpd_proxy_filter, in real time, as Postern does; the directories are postfix_rig's."""

    NAME = "postfix"
    PROCESSES = 100
    knows = False
    MAIN = ("mynetworks = 127.0.0.0/8", "smtpd_relay_restrictions = permit_mynetworks, reject",
            "default_transport = discard", "relay_transport = discard", "smtpd_tls_session_cache_database =",
            "tls_random_source = dev:/dev/urandom", "smtpd_timeout = ${stress?{10}:{300}}s",
            "smtpd_hard_error_limit = ${stress?{1}:{20}}", "smtpd_error_sleep_time = 1s")
    SERVICES = "{own} inet n - n - - smtpd -o smtpd_proxy_filter={inside}",

    @property
    def ABOUT(self):
        return (f"smtpd with smtpd_proxy_filter, default_process_limit = {self.PROCESSES}, stress-adaptive as it is by "
                "default; logs to its postlogd, which is not counted as CPU")

    def version(self):
        return machine.output_of("/usr/sbin/postconf", "-d", "-h", "mail_version").strip()

    def start(self):
        if not os.path.exists(postfix_rig.DAEMONS + "/smtpd"):
            raise fronts.Missing("the package postfix is not installed")
        services = [line.format(own=spelled(self.address), inside=spelled(self.inside)) for line in self.SERVICES]
        os.chmod(self.dir, 0o755)
        self.program = postfix_rig.Postfix(
            self.dir, main=(*self.MAIN, f"default_process_limit = {self.PROCESSES}"), services=services)
        self.program.start()
        net.wait_until(self.listens, SECONDS, "postfix does not listen", self.program.story)
        self.root = int(machine.read(f"{self.dir}/queue/pid/master.pid"))


class Postfix1000(Postfix):
    NAME = "postfix1000"
    PROCESSES = 1000


class Postscreen(Postfix):
    NAME = "postscreen"
    knows = True
    # By default it waits 2 s when many are there, and lets several times as many bots in.
    MAIN = (*Postfix.MAIN, "postscreen_greet_action = enforce", "postscreen_greet_wait = 6s", "postscreen_access_list =",
            "postscreen_cache_map = btree:$data_directory/postscreen_cache", "postscreen_dnsbl_sites =")
    SERVICES = ("{own} inet n - n - 1 postscreen",
                "smtpd pass - - n - - smtpd -o smtpd_proxy_filter={inside}",
                "dnsblog unix - - n - 0 dnsblog", "tlsproxy unix - - n - 0 tlsproxy")

    @property
    def ABOUT(self):
        return "postscreen, greet_wait = 6s also under stress, enforced, its cache kept; smtpd behind it as postfix"


class Postern(fronts.Postern):
    """`workers` and `options` (as after posternd's -o) are the bench's."""

    knows = True
    SPARE = 50
    workers = 8000
    options = ()
    INSIDE_MAX = 100  # connections that inside is to see at most
    CONFIGURATION = """
hostname = front.example
user = nobody
group = nogroup
pid_file = {dir}/pid
control_socket = {dir}/control
log = syslog
log_level = {level}
log_socket = {dir}/log
listener mx {{
    address = {own}
    backend = inside
    policy = inbound
    min_spare = 50
    max_spare = {max_spare}
    max_workers = {workers}
}}
backend inside {{
    connect = mail
    pass_client = none
    server one {{ address = {inside} max_sessions = {inside_max} }}
}}
policy inbound {{
    recipient {{ relay_domains = {{ example.com }} }}
    pregreet {{ mode = enforce wait = 6s }}
    crowd {{ mode = enforce }}
    stutter = 1s
    limit rate {{ of = connections rate = 300/1m }}
    limit parallel {{ of = connections concurrent = 20 action = drop }}
    limit guessing {{ of = refusals per = network rate = 50/1h }}
}}
"""

    @property
    def ABOUT(self):
        more = "".join(f", {option}" for option in self.options)
        return (f"max_workers = {self.workers}, pregreet, crowd, stutter, limits per client and network; "
                f"{self.LOGS[self.log][1]}; {self.sandbox()}{more}")

    def configuration(self):
        return self.CONFIGURATION.format(dir=self.dir, level=self.LOGS[self.log][0], own=spelled(self.address),
                                         inside=spelled(self.inside), inside_max=self.INSIDE_MAX, workers=self.workers,
                                         max_spare=min(500, self.workers // 2))

    def arguments(self):
        return [word for option in self.options for word in ("-o", option)]


def postern_with(workers, options, is_main):
    """A class for each size: the first has the front's own name."""
    name = "postern" if is_main else f"postern-{workers}"
    return type("Postern", (Postern,), {"NAME": name, "workers": workers, "options": tuple(options),
                                        "is_main": is_main})


PEERS = {front.NAME: front for front in (Direct, Haproxy, Postfix, Postfix1000, Postscreen)}


def every(workers, options):
    """name -> class"""
    own = [postern_with(number, options, at == 0) for at, number in enumerate(workers)]
    return {**PEERS, **{front.NAME: front for front in own}}
