"""The recipes of HTTPS: who has the certificate, and where it comes from."""

from __future__ import annotations

from typing import Any

import pytest
from hostsmith.inventory.roles import ALL_ROLES
from hostsmith.recipes import haproxy, nginx, provision, release
from hostsmith.rendering.certificate import OwnCertificate
from hostsmith.resources import Resource, Service, Symlink
from hostsmith.resources.front.balancer import ReloadHaproxy
from hostsmith.resources.front.certificate import Certificate, SelfSigned
from hostsmith.resources.front.nginx import ReloadNginx
from test_recipes import all_of, answer, blocks, fleet, names, read_nginx, settings, text_of

SITE = "/etc/nginx/sites-available/blog"
ISSUED = "/etc/letsencrypt/live/blog"


def https(tls: Any = True, **values: Any) -> Any:
    return settings(**{"domains": ["example.com", "example.org"], "tls": tls, **values})


def one(kind: type[Resource], resources: list[Resource]) -> Any:
    (found,) = [resource for resource in resources if isinstance(resource, kind)]
    return found


def test_the_certificate_is_there_before_the_site_that_shows_it() -> None:
    found = names(provision(https(), ALL_ROLES))
    assert found.index("certificate blog") < found.index("nginx site blog") < found.index("service nginx")
    assert "certbot" in found[1], "installed with all other packages"
    assert Service("certbot.timer") in provision(https(), ALL_ROLES)


def test_it_is_for_all_names_that_are_listed_and_for_those_that_are_redirected() -> None:
    certificate = one(Certificate, nginx.certificate(https({"email": "me@example.com", "staging": True})))
    assert certificate.domains == ("example.com", "example.org")
    assert certificate.redirected == ("www.example.com", "www.example.org")
    assert certificate.email == "me@example.com"
    assert certificate.server == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert certificate.notify == ReloadNginx()


def test_until_it_is_there_the_site_is_served_by_http_and_answers_the_authority() -> None:
    first = one(Certificate, nginx.certificate(https())).first
    servers = blocks(read_nginx(text_of([first], SITE)), "server")
    assert all(all_of(server, "listen") == [["80"], ["[::]:80"]] for server in servers)
    for server in servers:
        (challenge,) = blocks(server, "location", "^~", "/.well-known/acme-challenge/")
        assert all_of(challenge, "root") == [["/var/lib/hostsmith-acme"]]
    (app,) = blocks(servers[-1], "location", "/")
    assert all_of(app, "proxy_pass")


def test_then_http_leads_to_https_but_for_the_authority() -> None:
    text = text_of([nginx.site(https())], SITE)
    servers = blocks(read_nginx(text), "server")
    by_http = [server for server in servers if all_of(server, "listen") == [["80"], ["[::]:80"]]]
    assert [answer(server)[1] for server in by_http] == [
        "https://example.com$request_uri",
        "https://example.org$request_uri",
        "https://$host$request_uri",
    ]
    assert all(blocks(server, "location", "^~", "/.well-known/acme-challenge/") for server in by_http)
    app = servers[-1]
    assert all_of(app, "listen") == [["443", "ssl", "http2"], ["[::]:443", "ssl", "http2"]]
    assert all_of(app, "ssl_certificate") == [[f"{ISSUED}/fullchain.pem"]]
    assert all_of(app, "ssl_certificate_key") == [[f"{ISSUED}/privkey.pem"]]
    assert ["Strict-Transport-Security", "$site_blog_hsts", "always"] in all_of(app, "add_header")
    assert '"max-age=31536000"' in text
    for server in servers:
        if server not in by_http:
            assert all_of(server, "ssl_protocols") == [["TLSv1.2", "TLSv1.3"]]
            assert all_of(server, "ssl_session_tickets") == [["off"]]
            (ciphers,) = all_of(server, "ssl_ciphers")
            assert all(name.startswith("ECDHE-") for name in ciphers[0].split(":")), "what is read later stays closed"


@pytest.mark.parametrize("tls", [{"hsts": 0}, {"staging": True}, {"self_signed": True}])
def test_browsers_are_not_tied_to_https_where_that_could_lock_people_out(tls: Any) -> None:
    assert "Strict-Transport-Security" not in text_of([nginx.site(https(tls))], SITE)


def test_an_own_certificate_is_sent_and_nobody_is_asked_for_one() -> None:
    found = nginx.certificate(https({"certificate": "a.pem", "key": "a.key"}))
    assert one(OwnCertificate, found) == OwnCertificate(
        "/etc/ssl/hostsmith/blog.own.pem", "a.pem", "a.key", ("example.com", "example.org"), notify=ReloadNginx()
    )
    assert not any("certbot" in name for name in names(found))
    assert "/etc/ssl/hostsmith/blog.own.pem.key;" in text_of(
        [nginx.site(https({"certificate": "a.pem", "key": "a.key"}))], SITE
    )


def test_a_self_signed_one_says_so() -> None:
    made = one(SelfSigned, nginx.certificate(https({"self_signed": True}, www_redirect=False)))
    assert made.domains == ("example.com", "example.org")
    assert "is self-signed: browsers warn of it" in made.remark


def test_without_tls_there_is_nothing_of_it() -> None:
    assert nginx.certificate(settings(domains=["example.com"])) == []
    text = text_of([nginx.site(settings(domains=["example.com"]))], SITE)
    assert "ssl" not in text and "acme" not in text


def test_a_private_authority_is_trusted() -> None:
    found = names(nginx.certificate(https({"server": "https://ca.example.org/acme", "ca": "root.pem"})))
    assert found.index("file /usr/local/share/ca-certificates/hostsmith-blog.crt") < found.index("certificate blog")
    assert "command update-ca-certificates" in found


def test_a_release_is_verified_as_visitors_come() -> None:
    assert release.live(settings(), ("web",), "r").port == 80
    assert release.live(https(), ("web",), "r").port == 443
    assert release.live(balanced(), ("web",), "r").port == 80


def balanced(tls: Any = True) -> Any:
    return fleet(domains=["example.com"], roles={"web": ["root@web1.example.com"], "lb": ["lb2"]}, tls=tls)


class TestBalanced:
    """Behind a balancer, which has the certificate."""

    def test_web_hosts_speak_http(self) -> None:
        assert nginx.certificate(balanced()) == []
        assert "ssl" not in text_of([nginx.site(balanced())], SITE)

    def test_haproxy_shows_it_and_sends_http_to_https_but_for_the_authority(self) -> None:
        text = text_of([haproxy.balancer(balanced())], "/etc/haproxy/haproxy.cfg")
        assert "bind 0.0.0.0:443 ssl crt /etc/ssl/hostsmith/blog.issued.pem alpn h2,http/1.1" in text
        assert "redirect scheme https code 301 unless { ssl_fc } or asked_by_the_authority" in text
        assert "status 404" in text[: text.index("redirect scheme")], "first, whether the name is the site's"
        assert "acl of_the_site req.fhdr(host),field(1,:),lower -m str example.com example.com." in text
        assert "unless of_the_site or asked_by_the_authority" in text
        assert "X-Forwarded-Proto https if { ssl_fc }" in text
        assert "X-Forwarded-Proto http unless { ssl_fc }" in text
        assert "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets prefer-client-ciphers" in text
        assert "server certbot 127.0.0.1:8402" in text
        certificate = one(Certificate, haproxy.certificate(balanced()))
        assert certificate.challenge == ("--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", "8402")
        assert certificate.notify == ReloadHaproxy()
        first = text_of([certificate.first], "/etc/haproxy/haproxy.cfg")
        assert "443" not in first and "server certbot" in first

    def test_haproxy_finds_the_key_beside_it(self) -> None:
        found = haproxy.certificate(balanced())
        assert Symlink("/etc/ssl/hostsmith/blog.issued.pem", f"{ISSUED}/fullchain.pem") in found
        assert Symlink("/etc/ssl/hostsmith/blog.issued.pem.key", f"{ISSUED}/privkey.pem") in found

    def test_an_own_one_is_sent_to_it(self) -> None:
        own = {"certificate": "a.pem", "key": "a.key"}
        assert one(OwnCertificate, haproxy.certificate(balanced(own))).path == "/etc/ssl/hostsmith/blog.own.pem"
        text = text_of([haproxy.balancer(balanced(own))], "/etc/haproxy/haproxy.cfg")
        assert "crt /etc/ssl/hostsmith/blog.own.pem alpn" in text
        assert "certbot" not in text


def test_what_is_renewed_is_shown() -> None:
    hook = "/etc/letsencrypt/renewal-hooks/deploy/hostsmith-blog"
    assert "exec systemctl reload nginx\n" in text_of(nginx.certificate(https()), hook)
    assert "exec systemctl reload haproxy\n" in text_of(haproxy.certificate(balanced()), hook)
