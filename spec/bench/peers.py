"""What is measured: moonpost, the sink, and what every peer is made of (peers_smtp.py, peers_pop3.py).

A server has a directory, ports and processes (group.py) of its own.
"""
import os
import shutil
import socket
import subprocess
import time

from group import Group

HOST = "127.0.0.1"
PASSWORD = "secret"
MTA, POP3, POP3S, LMTP = "smtp", "pop3", "pop3s", "lmtp"


def free_ports(names):
    held = {name: socket.create_server((HOST, 0)) for name in names}
    ports = {name: s.getsockname()[1] for name, s in held.items()}
    for s in held.values():
        s.close()
    return ports


class Unable(Exception):
    """This server does not run here, or does not take mail: the text says why."""


class Server:
    """Subclasses say what to run and what they can do."""
    name = "?"
    needs = ()              # files that must be there
    package = None          # whose they are in Debian
    services = ()           # of MTA, POP3, POP3S, LMTP
    tls = True
    idle = 300              # sessions that are held to see what one costs

    def __init__(self, base, tls):
        self.dir = os.path.join(base, self.name)
        self.tls_dir = tls
        self.ports = free_ports(self.services)
        self.process = self.group = self.argv = None

    @classmethod
    def installed(cls):
        return all(os.path.exists(file) for file in cls.needs)

    def prepare(self):
        """Write the configuration; return argv."""
        raise NotImplementedError

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def folder(self, name, owner):
        """A directory that belongs to a user of the machine."""
        os.makedirs(self.path(name))
        shutil.chown(self.path(name), owner)
        return self.path(name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        return self.path(name)

    def start(self):
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.argv = self.prepare()
        self.launch()

    def restart(self):
        self.stop()
        self.launch()

    def launch(self):
        self.group = Group()
        with open(self.path("output"), "wb") as out:
            self.process = subprocess.Popen(self.group.argv(self.argv), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, start_new_session=True)
        self.group.pgid = self.process.pid
        for port in self.ports.values():
            self.wait_for(port)

    def wait_for(self, port):
        until = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection((HOST, port), 5) as s:
                    s.settimeout(5)
                    if port != self.ports.get(POP3S):
                        s.recv(1)
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    with open(self.path("output"), encoding="utf-8", errors="replace") as f:
                        raise Unable(f"{self.name} does not start:\n{f.read()}") from None
                time.sleep(0.05)

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.group.end()
        self.process = None


class Moonpost(Server):
    name = "moonpost"
    services = (MTA, POP3, POP3S)
    idle = 10000
    binary = "build/release/moonpost"

    def prepare(self):
        digest = subprocess.check_output(["openssl", "passwd", "-1", "-salt", "bench", PASSWORD], text=True)
        self.write("plugins/answer.lua", """
local plugin = ...
local mail = require "moonpost"
plugin:hook("accept_recipient", function(_, recipient)
  if recipient.domain ~= "example.test" then return mail.reject() end
end)
""")
        p = self.ports
        config = self.write("moonpost.lua", f"""
local users = {{}}
local function add(format, count)
  for i = 0, count - 1 do
    users[#users + 1] = {{ name = format:format(i), password = "{digest.strip()}" }}
  end
end
add("u%d@example.test", 256)
add("p%d@example.test", 10000)
add("c%d@example.test", 4)
add("big@example.test", 1)
return {{
  hostname = "mail.example.test", domains = {{ "example.test" }},
  workers = {os.environ.get("BENCH_WORKERS", "2")},
  max_sessions = 50000, max_sessions_per_ip = 50000, password_cache = 600,
  runtime = "run", store = {{ path = "store" }},
  tls = {{ certificates = {{ {{ chain = "{self.tls_dir}/server.pem", key = "{self.tls_dir}/server.key" }} }} }},
  listeners = {{
    {{ service = "mta", address = "{HOST}:{p[MTA]}" }},
    {{ service = "pop3", address = "{HOST}:{p[POP3]}" }},
    {{ service = "pop3s", address = "{HOST}:{p[POP3S]}" }},
  }},
  pop3 = {{ auth_without_tls_on_loopback = true }},
  log = {{ level = "warn" }},
  plugin_path = {{ "plugins" }}, plugins = {{ "answer", "auth_users" }}, users = users,
}}
""")
        return [os.path.abspath(self.binary), "run", "-c", config]


class Sink(Server):
    name = "sink"
    services = (MTA, POP3)
    tls = False
    idle = 10000

    def prepare(self):
        return [os.path.abspath("build/release/sink"), str(self.ports[MTA]), str(self.ports[POP3])]
