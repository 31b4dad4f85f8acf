"""What is made of what certbot prints and keeps, and of nginx's processes. Both are tried for real on hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.hostkit.programs import certbot, nginx

# certbot 2.1, on its standard output; the rest goes to standard error.
REFUSED = b"""\
Account registered.
Requesting a certificate for example.com and www.example.com

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: www.example.com
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for www.example.com - check that a DNS record exists for this domain

  Domain: example.com
  Type:   connection
  Detail: 203.0.113.7: Fetching http://example.com/.well-known/acme-challenge/x: Connection refused

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.
"""


def test_the_authoritys_reasons_are_told_by_domain() -> None:
    assert certbot.reasons(REFUSED, b"Some challenges have failed.\nAsk for help.\n").splitlines() == [
        "www.example.com: dns: DNS problem: NXDOMAIN looking up A for www.example.com - check that a DNS record exists "
        "for this domain",
        "example.com: connection: 203.0.113.7: Fetching http://example.com/.well-known/acme-challenge/x: Connection "
        "refused",
    ]


def test_all_is_told_when_it_is_something_else() -> None:
    told = certbot.reasons(b"", b"An unexpected error occurred:\nError creating new order :: too many certificates\n")
    assert told == "An unexpected error occurred:\nError creating new order :: too many certificates"


def test_how_a_certificate_is_renewed_is_read_from_certbots_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certbot, "FOLDER", str(tmp_path))
    assert certbot.renewal("blog") == {}
    (tmp_path / "renewal").mkdir()
    (tmp_path / "renewal/blog.conf").write_text(
        "# renew_before_expiry = 30 days\nversion = 2.1.0\n[renewalparams]\nauthenticator = webroot\n"
        "server = https://ca.example.org/acme\n[[webroot_map]]\nexample.com = /var/lib/hostsmith-acme\n"
    )
    found = certbot.renewal("blog")
    assert (found["server"], found["authenticator"]) == ("https://ca.example.org/acme", "webroot")


def test_the_workers_that_serve_are_those_of_the_master_that_are_not_about_to_end(tmp_path: Path) -> None:
    def process(pid: int, parent: int, title: str) -> None:
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cmdline").write_bytes(title.encode() + b"\0\0")
        (folder / "stat").write_text(f"{pid} (nginx) S {parent} 1 1 0\n")

    process(10, 1, "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;")
    process(11, 10, "nginx: worker process")
    process(12, 10, "nginx: worker process is shutting down")
    process(13, 10, "nginx: cache manager process")
    process(14, 99, "nginx: worker process")
    (tmp_path / "nginx.pid").write_text("10\n")
    assert nginx.workers(f"{tmp_path}/nginx.pid", str(tmp_path)) == {11}
    assert nginx.workers(f"{tmp_path}/gone.pid", str(tmp_path)) == frozenset()
