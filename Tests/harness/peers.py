"""nginx and HAProxy as processes: real upstreams for the tests, references for the benchmarks."""

import pathlib
import shutil
import subprocess
import time

from . import procfs, sockets


def tool(name: str) -> str:
    """The program's path. A missing tool is a failure with its name, never a skipped test."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        raise FileNotFoundError(f"{name} is not installed (Debian: apt-get install {name})")
    return found


class Process:
    """A foreground server started from a configuration file and ended by its own process id."""

    def __init__(self, command: list[str], ready_address: str, cpu: int | None = None, folder: pathlib.Path | None = None):
        prefix = [tool("taskset"), "-c", str(cpu)] if cpu is not None else []
        self.log = (folder / f"{pathlib.Path(command[0]).name}.log").open("ab") if folder else subprocess.DEVNULL
        self.process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.address = ready_address
        deadline = time.monotonic() + 10
        while True:
            try:
                sockets.connect(ready_address, 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    where = f", see {self.log.name}" if folder else ""
                    raise AssertionError(f"{command[0]} did not listen on {ready_address}{where}") from None
                time.sleep(0.02)

    @property
    def pids(self) -> list[int]:
        """The server's processes that do the work: its children if it has any, else itself."""
        return procfs.children(self.process.pid) or [self.process.pid]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


def nginx(folder: pathlib.Path, text: str, address: str, cpu: int | None = None) -> Process:
    """nginx in the foreground with `text` as its whole configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(text)
    return Process([tool("nginx"), "-c", str(path), "-p", str(folder), "-e", "stderr"], address, cpu, folder)


def haproxy(folder: pathlib.Path, text: str, address: str, cpu: int | None = None) -> Process:
    """HAProxy in the foreground with `text` as its whole configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return Process([tool("haproxy"), "-db", "-f", str(path)], address, cpu, folder)


# Shared head of every nginx configuration: foreground, one worker, nothing outside its own folder.
NGINX_HEAD = """daemon off;
master_process on;
worker_processes 1;
worker_rlimit_nofile 20000;
user root;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/octet-stream;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
"""


def nginx_origin(folder: pathlib.Path, address: str, body: bytes, files: pathlib.Path | None = None, cpu: int | None = None) -> Process:
    """nginx as an origin: `body` as JSON on every path, files below `/files/`."""
    folder.mkdir(parents=True, exist_ok=True)
    root = files or folder
    text = NGINX_HEAD.format(folder=folder) + f"""
  server {{
    listen {address} backlog=4096;
    client_max_body_size 0;
    location / {{ default_type application/json; return 200 '{body.decode()}'; }}
    location /files/ {{ alias {root}/; }}
  }}
}}
"""
    return nginx(folder, text, address, cpu)


def nginx_proxy(folder: pathlib.Path, address: str, upstream: str, cpu: int | None = None, tls=None, tickets: bool = True) -> Process:
    """nginx as a bare reverse proxy: one worker, HTTP/1.1 and keep-alive upstream, nothing to disk.

    With `tls` (a `Pair`) it speaks TLS 1.3, with the suite the gateway prefers.
    """
    secure = f"""
    ssl_certificate {tls.chain};
    ssl_certificate_key {tls.key};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_ecdh_curve X25519:P-256:P-384;
    ssl_session_cache off;
    ssl_session_tickets {"on" if tickets else "off"};""" if tls else ""
    text = NGINX_HEAD.format(folder=folder) + f"""
  upstream backend {{
    server {upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address}{" ssl" if tls else ""} backlog=4096;{secure}
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_max_temp_file_size 0;
      proxy_next_upstream off;
    }}
  }}
}}
"""
    return nginx(folder, text, address, cpu)


def haproxy_proxy(folder: pathlib.Path, address: str, upstream: str, cpu: int | None = None, tls=None, tickets: bool = True) -> Process:
    """HAProxy as a bare reverse proxy: one thread, `http-reuse always`, no log. With `tls` (a `Pair`) it speaks TLS 1.3, with the suite the gateway prefers."""
    secure = ""
    if tls:
        both = folder / "both.pem"
        folder.mkdir(parents=True, exist_ok=True)
        both.write_bytes(tls.chain.read_bytes() + tls.key.read_bytes())
        secure = f" ssl crt {both} ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 curves X25519:P-256:P-384" + ("" if tickets else " no-tls-tickets")
    text = f"""global
  nbthread 1
  maxconn 9900
  tune.ssl.cachesize 0
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend public
  bind {address}{secure}
  default_backend up
backend up
  server one {upstream} pool-max-conn 256
"""
    return haproxy(folder, text, address, cpu)
