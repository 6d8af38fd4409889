"""The servers that are measured: each with a directory, ports and a process group of its own."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"
PASSWORD = "secret"
MTA, POP3, POP3S, LMTP = "smtp", "pop3", "pop3s", "lmtp"


def free_ports(names):
    held = {name: socket.create_server((HOST, 0)) for name in names}
    ports = {name: s.getsockname()[1] for name, s in held.items()}
    for s in held.values():
        s.close()
    return ports


def group_members(pgid):
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == pgid:
                yield int(name), fields


class Server:
    """A process group.  Subclasses say what to run and what they can do."""
    name = "?"
    needs = None            # a program that must be installed
    services = ()           # of MTA, POP3, POP3S, LMTP
    tls = True
    idle = 300              # sessions that are held to see what one costs

    def __init__(self, base, tls):
        self.dir = os.path.join(base, self.name)
        self.tls_dir = tls
        self.ports = free_ports(self.services)
        self.process = None

    @classmethod
    def installed(cls):
        return cls.needs is None or os.path.exists(cls.needs)

    def prepare(self):
        """Write the configuration; return argv."""
        raise NotImplementedError

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        return self.path(name)

    def start(self):
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.launch(self.prepare())

    def restart(self):
        argv = self.process.args
        self.stop()
        self.launch(argv)

    def launch(self, argv):
        with open(self.path("output"), "wb") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True)
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
                        raise SystemExit(f"bench: {self.name} does not start:\n{f.read()}") from None
                time.sleep(0.05)

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        until = time.monotonic() + 5
        while any(True for _ in group_members(self.process.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        for pid, _ in list(group_members(self.process.pid)):
            os.kill(pid, signal.SIGKILL)
        self.process = None

    def cpu(self):
        """CPU seconds of the group so far, ended children included."""
        ticks = sum(sum(int(f) for f in fields[11:15]) for _, fields in group_members(self.process.pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Proportional memory in KiB."""
        total = 0
        for pid, _ in group_members(self.process.pid):
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except OSError:
                pass
        return total


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


class Postfix(Server):
    name = "postfix"
    needs = "/usr/lib/postfix/sbin/master"
    services = (MTA,)

    def prepare(self):
        queue = self.path("queue")
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
                     "maildrop", "pid", "private", "public", "saved", "trace"):
            os.makedirs(f"{queue}/{name}")
            if name != "pid":
                shutil.chown(f"{queue}/{name}", "postfix")
        for name in ("data", "mail"):
            os.makedirs(self.path(name))
            shutil.chown(self.path(name), "postfix")
        self.write("etc/main.cf", f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {self.path("data")}
myhostname = mail.example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = {HOST}
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = example.test
virtual_mailbox_base = {self.path("mail")}
virtual_mailbox_maps = regexp:{self.path("etc/boxes")}
virtual_mailbox_limit = 0
virtual_uid_maps = static:{pwd.getpwnam("postfix").pw_uid}
virtual_gid_maps = static:{pwd.getpwnam("postfix").pw_gid}
message_size_limit = 60000000
default_process_limit = 400
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = {self.tls_dir}/server.pem
smtpd_tls_key_file = {self.tls_dir}/server.key
smtpd_tls_session_cache_database = btree:{self.path("data/tls")}
maillog_file = /dev/null
maillog_file_prefixes = /dev
""")
        self.write("etc/boxes", "/^([a-z]+[0-9]*)@/ $1/\n")
        self.write("etc/master.cf", f"""
{HOST}:{self.ports[MTA]} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
""")
        return [self.needs, "-c", self.path("etc"), "-d"]


class Dovecot(Server):
    name = "dovecot"
    needs = "/usr/sbin/dovecot"
    services = (POP3, POP3S, LMTP)
    idle = 200
    extra = """
service pop3-login {
  process_limit = 2000
}
service pop3 {
  process_limit = 2000
}
"""

    def prepare(self):
        os.makedirs(self.path("mail"))
        shutil.chown(self.path("mail"), "nobody", "nogroup")
        p = self.ports
        config = self.write("dovecot.conf", f"""
protocols = pop3 lmtp
base_dir = {self.path("run")}
state_dir = {self.path("state")}
listen = {HOST}
log_path = {self.path("log")}
login_trusted_networks = 127.0.0.0/8
disable_plaintext_auth = no
mail_location = maildir:{self.path("mail")}/%n
mail_max_userip_connections = 0
first_valid_uid = 1
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={self.path("mail")}/%n allow_all_users=yes
}}
ssl = yes
ssl_cert = <{self.tls_dir}/server.pem
ssl_key = <{self.tls_dir}/server.key
service pop3-login {{
  inet_listener pop3 {{
    port = {p[POP3]}
  }}
  inet_listener pop3s {{
    port = {p[POP3S]}
    ssl = yes
  }}
}}
service lmtp {{
  process_limit = 400
  inet_listener lmtp {{
    port = {p[LMTP]}
  }}
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
default_vsz_limit = 4G
{self.extra}""")
        return [self.needs, "-F", "-c", config]


class DovecotHp(Dovecot):
    name = "dovecot-hp"
    idle = 2000
    extra = """
service pop3-login {
  service_count = 0
  client_limit = 8000
  process_min_avail = 2
}
service pop3 {
  service_count = 0
  client_limit = 8000
  process_min_avail = 2
  process_limit = 2
}
"""


ALL = (Moonpost, Sink, Postfix, DovecotHp, Dovecot)
