"""Peers that hand out mail by POP3."""
from peers import HOST, LMTP, PASSWORD, POP3, POP3S, Server


class Dovecot(Server):
    """As it is delivered: a process for each session.  Flushes the message before LMTP's 250."""
    name = "dovecot"
    needs = ("/usr/sbin/dovecot", "/usr/lib/dovecot/pop3-login", "/usr/lib/dovecot/lmtp")
    package = "dovecot-pop3d and dovecot-lmtpd"
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
        self.folder("mail", "nobody")
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
        return [self.needs[0], "-F", "-c", config]


class DovecotHp(Dovecot):
    """What its manual calls the high-performance mode: processes serve many sessions."""
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


ALL = (DovecotHp, Dovecot)
