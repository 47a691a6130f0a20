# SPDX-License-Identifier: ISC
"""The fronts, each between the load and the same sink: private instances, in a directory of their own.

All of them run during the whole bench, and idle while another is measured. `root` is the process whose tree is the
front; `address` takes mail in the clear, and STARTTLS where the front has `tls`.
"""
import os
import signal
import sys

import machine
from private import BUILD, SECONDS, TOP, Program, Sink, make_certificate, own_address, spelled

import net  # private knows where it lies
import postfix_rig

NGINX = TOP + "/build/servers/nginx"
LARGEST = 52428800


class Missing(Exception):
    """This front cannot be had here, in words."""


class Front:
    NAME = None
    ABOUT = ""  # what a reader must know of the way it is set up
    tls = False
    root = None
    log_reader = None  # its pid, where it is not below root
    beside = ()  # pids, each of a tree, of what serves it and is not the front
    program = None

    def __init__(self, directory, inside, certificate):
        self.dir, self.inside, self.certificate = directory, inside, certificate
        self.address = own_address()

    def version(self):
        return ""

    def prepare(self):
        """What stands beside it and is not the front."""

    def start(self):
        pass

    def stop(self):
        if self.program:
            self.program.stop()

    def listens(self):
        return net.is_listening(self.address)

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        return f"{self.dir}/{name}"

    def run(self, *command, **environment):
        self.program = Program(self.dir, *command, ready=self.listens, **environment)
        self.root = self.program.process.pid


class Direct(Front):
    NAME = "direct"
    ABOUT = "no front: the load speaks to the sink"

    def start(self):
        self.address = self.inside


class Haproxy(Front):
    NAME = "haproxy"
    ABOUT = "mode tcp, a thread for each processor, no log"
    CONFIGURATION = """
global
    maxconn 9900
    nbthread {threads}
defaults
    mode tcp
    timeout connect 10s
    timeout client 10m
    timeout server 10m
frontend smtp
    bind {own} backlog 4096
    default_backend inside
backend inside
    server one {inside} maxconn 9900
"""

    def version(self):
        return machine.first(r"version (\d[\d.]*)", machine.output_of("/usr/sbin/haproxy", "-v"))

    def start(self):
        if not os.path.exists("/usr/sbin/haproxy"):
            raise Missing("the package haproxy is not installed")
        text = self.CONFIGURATION.format(threads=os.cpu_count(), own=spelled(self.address),
                                         inside=spelled(self.inside))
        self.run("/usr/sbin/haproxy", "-db", "-f", self.write("haproxy.cfg", text))


class Relay(Front):
    """The measure of what is ours to save, and no peer."""

    NAME = "relay"
    ABOUT = "what a process for each session costs by itself: carries octets in step, 300 processes; no proxy to use"
    PROCESSES = 300

    def start(self):
        self.run(BUILD + "/bench-relay", str(self.address[1]), str(self.inside[1]), str(self.PROCESSES))


class Nginx(Front):
    NAME = "nginx"
    ABOUT = ("mail proxy, speaks SMTP up to the first RCPT and is a pipe then; a process for each processor, "
             "TCP_NODELAY by a preloaded library, auth_http its own, no log")
    tls = True
    CONFIGURATION = """
load_module {top}/usr/lib/nginx/modules/ngx_mail_module.so;
user nobody nogroup;
worker_processes {processes};
daemon off;
pid {dir}/pid;
error_log {dir}/error.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    server {{
        listen 127.0.0.1:{auth} backlog=4096;
        location = /auth {{
            add_header Auth-Status OK;
            add_header Auth-Server {inside[0]};
            add_header Auth-Port {inside[1]};
            return 200;
        }}
    }}
}}
mail {{
    server_name front.example;
    auth_http 127.0.0.1:{auth}/auth;
    xclient off;
    timeout 600s;
    proxy_timeout 1h;
    server {{
        listen {own} backlog=4096;
        protocol smtp;
        smtp_auth none;
        starttls on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:bench:10m;
        ssl_session_timeout 10m;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
    }}
}}
"""

    def version(self):
        return machine.first(r"nginx/(\S+)", machine.output_of(NGINX + "/usr/sbin/nginx", "-v"))

    def start(self):
        if not os.path.exists(NGINX + "/usr/sbin/nginx"):
            raise Missing(f"{NGINX} is not there: make bench unpacks it")
        text = self.CONFIGURATION.format(top=NGINX, dir=self.dir, auth=net.free_port(), processes=os.cpu_count(),
                                         own=spelled(self.address), inside=self.inside, certificate=self.certificate)
        self.run(NGINX + "/usr/sbin/nginx", "-p", self.dir, "-e", self.dir + "/error.log", "-c",
                 self.write("nginx.conf", text), LD_PRELOAD=BUILD + "/bench-nodelay.so")


class Postfix(Front):
    """Its rig is that of the tests; what makes it a front is added."""

    NAME = "postfix"
    ABOUT = "smtpd with smtpd_proxy_filter, up to 400 processes, logs to its postlogd, which is not counted"
    tls = True
    MAIN = ("mynetworks = 127.0.0.0/8", "smtpd_relay_restrictions = permit_mynetworks, reject",
            "default_transport = discard", "relay_transport = discard", "smtpd_tls_session_cache_database =",
            "tls_random_source = dev:/dev/urandom", "smtpd_timeout = 600s", f"message_size_limit = {LARGEST}")
    SERVICE = ("{own} inet n - n - 400 smtpd -o smtpd_proxy_filter={inside} -o smtpd_tls_security_level=may "
               "-o smtpd_tls_cert_file={certificate} -o smtpd_tls_key_file={certificate}")
    TLS_MANAGER = "tlsmgr unix - - n 1000? 1 tlsmgr"

    def version(self):
        return machine.output_of("/usr/sbin/postconf", "-d", "-h", "mail_version").strip()

    def start(self):
        if not os.path.exists(postfix_rig.DAEMONS + "/smtpd"):
            raise Missing("the package postfix is not installed")
        service = self.SERVICE.format(own=spelled(self.address), inside=spelled(self.inside),
                                      certificate=self.certificate)
        os.chmod(self.dir, 0o755)
        self.program = postfix_rig.Postfix(self.dir, main=self.MAIN, services=[service, self.TLS_MANAGER])
        self.program.start()
        net.wait_until(self.listens, SECONDS, "postfix does not listen", self.program.story)
        self.root = int(machine.read(f"{self.dir}/queue/pid/master.pid"))


class Postern(Front):
    """As a daemon, as it is meant to run: with -f its log could not go to a socket."""

    NAME = "postern"
    tls = True
    LOGS = {
        "syslog": ("info", "log: all lines, to a datagram socket that is read"),
        "none": ("error", "log: none, log_level = error"),
    }
    log = "syslog"
    SPARE = 32
    SANDBOX = "on"
    CONFIGURATION = """
hostname = front.example
user = nobody
group = nogroup
pid_file = {dir}/pid
log = syslog
log_level = {level}
log_socket = {dir}/log
sandbox = {sandbox}
probe_interval = 0s
{root}
listener bench {{
    address = {own}
    backend = sink
    policy = permissive
    min_spare = 32
    max_spare = 300
    max_workers = 500
    tls {{
        mode = may
        certificate = {certificate}
        key = {certificate}
    }}
}}
backend sink {{
    pass_client = none
    server one {{ address = {inside} }}
}}
policy permissive {{
    recipient {{ relay_domains = "*" }}
{policy}
}}
"""
    ROOT = POLICY = ""

    @property
    def ABOUT(self):
        log = self.LOGS[self.log][1]
        return f"pass_client = none, 32 to 300 spare workers, Received added; {log}; {self.sandbox()}"

    def sandbox(self):
        """Of a worker, as the kernel has it."""
        worker = net.children(self.root)[0]
        filters = net.status_field(worker, "Seccomp") != "0"
        if filters != (self.SANDBOX == "on"):
            raise AssertionError(f"sandbox = {self.SANDBOX}, but a worker has {'a' if filters else 'no'} filter")
        return "workers filter their system calls (seccomp)" if filters else "no sandbox: workers without seccomp"

    def version(self):
        return machine.first(r"(\d\S*)", machine.output_of(BUILD + "/posternd", "-V"))

    def prepare(self):
        self.reader = Program(self.dir, sys.executable, os.path.dirname(__file__) + "/reader", self.dir + "/log",
                              ready=lambda: os.path.exists(self.dir + "/log"))
        self.log_reader = self.reader.process.pid

    def configuration(self):
        return self.CONFIGURATION.format(dir=self.dir, level=self.LOGS[self.log][0], own=spelled(self.address),
                                         inside=spelled(self.inside), certificate=self.certificate,
                                         sandbox=self.SANDBOX, root=self.ROOT, policy=self.POLICY)

    def start(self):
        status, said = machine.outcome_of(BUILD + "/posternd", "-c", self.write("postern.conf", self.configuration()),
                                          *self.arguments())
        if status != 0:
            raise AssertionError(f"posternd: status {status}: {said}")
        self.root = int(machine.read(self.dir + "/pid"))
        net.wait_until(lambda: len(net.children(self.root)) >= self.SPARE, SECONDS, "the workers do not come")

    def arguments(self):
        return []

    def stop(self):
        if self.root:
            os.kill(self.root, signal.SIGTERM)
            net.wait_until(lambda: not net.is_alive(self.root), SECONDS, "posternd does not end")
        self.reader.stop()


class Unboxed(Postern):
    """What the sandbox costs."""

    NAME = "unboxed"
    SANDBOX = "off"


FRONTS = {front.NAME: front for front in (Direct, Haproxy, Nginx, Postfix, Relay, Postern, Unboxed)}
USUAL = tuple(name for name in FRONTS if name != Unboxed.NAME)


class Street:
    """The sink and the fronts before it, which end with it."""

    def __init__(self, directory, names):
        self.fronts, self.missing = {}, {}
        os.makedirs(directory, mode=0o755)
        certificate = make_certificate(directory + "/certificate.pem")
        self.sink = Sink(directory)
        try:
            for name in names:
                own = f"{directory}/{name}"
                os.makedirs(own, mode=0o755)
                self._open(FRONTS[name](own, self.sink.address, certificate))
        except BaseException:
            self.close()
            raise

    def _open(self, front):
        try:
            front.prepare()
            front.start()
            self.fronts[front.NAME] = front
        except Missing as why:
            self.missing[front.NAME] = str(why)

    def close(self):
        """What the sink took in all."""
        for front in self.fronts.values():
            front.stop()
        return self.sink.stop()
