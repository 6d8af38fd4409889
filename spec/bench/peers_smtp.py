"""Peers that take mail by SMTP."""
import os
import pwd
import shutil

from peers import HOST, MTA, Server


class Postfix(Server):
    """Flushes the file of its queue before 250; the mailbox comes later."""
    name = "postfix"
    needs = ("/usr/lib/postfix/sbin/master",)
    package = "postfix"
    services = (MTA,)

    def prepare(self):
        queue = self.path("queue")
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
                     "maildrop", "pid", "private", "public", "saved", "trace"):
            os.makedirs(f"{queue}/{name}")
            if name != "pid":
                shutil.chown(f"{queue}/{name}", "postfix")
        for name in ("data", "mail"):
            self.folder(name, "postfix")
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
        return [self.needs[0], "-c", self.path("etc"), "-d"]


class Exim(Server):
    """Flushes both files of its queue before 250; the mailbox comes later, in a process of its own."""
    name = "exim"
    needs = ("/usr/sbin/exim4",)
    package = "exim4-daemon-light"
    services = (MTA,)

    def prepare(self):
        key = self.path("key")              # it is read by the user that serves
        shutil.copy(f"{self.tls_dir}/server.key", key)
        shutil.chown(key, "Debian-exim")
        mail = self.folder("mail", "nobody")
        for i in range(256):                # a name of a mailbox is trusted when it was looked up
            self.folder(f"mail/u{i}", "nobody")
        config = self.write("exim.conf", f"""
primary_hostname = mail.example.test
spool_directory = {self.folder("spool", "Debian-exim")}
log_file_path = {self.folder("log", "Debian-exim")}/%slog
local_interfaces = {HOST}.{self.ports[MTA]}
keep_environment =
message_size_limit = 60M
smtp_accept_max = 0
smtp_connect_backlog = 4096
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
tls_advertise_hosts = *
tls_certificate = {self.tls_dir}/server.pem
tls_privatekey = {key}
acl_smtp_rcpt = recipient
begin acl
recipient:
  accept domains = example.test
begin routers
box:
  driver = accept
  domains = example.test
  local_parts = dsearch;{mail}
  transport = box
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {mail}/$local_part_data
  user = nobody
  group = nogroup
""")
        return [self.needs[0], "-bdf", "-C", config]


class Aiosmtpd(Server):
    """Flushes the file of the message before 250, not the directory that it is in."""
    name = "aiosmtpd"
    needs = ("/usr/bin/python3", "/usr/lib/python3/dist-packages/aiosmtpd/smtp.py")
    package = "python3-aiosmtpd"
    services = (MTA,)

    def prepare(self):
        return [self.needs[0], os.path.abspath("spec/bench/peer_aiosmtpd.py"), HOST, str(self.ports[MTA]),
                self.path("mail"), f"{self.tls_dir}/server.pem", f"{self.tls_dir}/server.key"]


ALL = (Postfix, Exim, Aiosmtpd)
