"""Request headers that only a proxy may set: identity and connection of the visitor."""

from __future__ import annotations

# nginx has no wildcards for these. A visitor's header with one of these names never reaches the app; names with an
# underscore, which WSGI takes for a hyphen, never pass nginx. Headers that are requests rather than claims about the
# visitor, such as X-HTTP-Method-Override, stay: the visitor can make the same request without them.
_NAMES = """
Forwarded Forwarded-For Forwarded-Host Forwarded-Proto X-Forwarded X-Forwarded-For X-Forwarded-Host
X-Forwarded-Proto X-Forwarded-Protocol X-Forwarded-Scheme X-Forwarded-Ssl X-Forwarded-Https X-Forwarded-Port
X-Forwarded-Prefix X-Forwarded-Path X-Forwarded-Pathbase X-Forwarded-Uri X-Forwarded-Url X-Forwarded-Method
X-Forwarded-Server X-Forwarded-By X-Forwarded-Context X-Forwarded-Script-Name X-Forwarded-Access-Token
X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Forwarded-Client-Cert
X-Forwarded-Client-Ip X-Forwarded-Tls-Client-Cert X-Forwarded-Tls-Client-Cert-Info X-Forwarded-Remote-Addr

X-Original-For X-Original-Forwarded-For X-Original-Host X-Original-Method X-Original-Path X-Original-Port
X-Original-Proto X-Original-Remote-Addr X-Original-Scheme X-Original-Uri X-Original-Url X-Originating-Ip
X-Originating-Url X-Rewrite-Url X-Host X-Http-Host X-Http-Host-Override X-Backend-Host X-Script-Name Script-Name
X-Path-Info Path-Info X-Scheme X-Url-Scheme Front-End-Https Https X-Https X-Ssl X-Arr-Ssl

X-Real-Ip X-Real-Port X-Remote-Addr X-Remote-Ip X-Remote-Host Remote-Addr Remote-Host X-From-Ip X-Client-Ip
X-Client-Host X-Client-Port Client-Ip True-Client-Ip X-True-Client-Ip X-Cluster-Client-Ip Cluster-Client-Ip
X-Source-Ip X-Custom-Ip-Authorization X-User-Ip X-Proxyuser-Ip Proxy-Client-Ip Wl-Proxy-Client-Ip Wl-Proxy-Ssl
Cf-Connecting-Ip Cf-Connecting-Ipv6 Cf-Pseudo-Ipv4 Cf-Ipcountry Cf-Visitor Cf-Access-Authenticated-User-Email
Cf-Access-Jwt-Assertion Fastly-Client-Ip Fastly-Ssl Fly-Client-Ip Fly-Forwarded-Port Fly-Forwarded-Proto
Fly-Forwarded-Ssl Do-Connecting-Ip Ali-Cdn-Real-Ip Cdn-Src-Ip Incap-Client-Ip X-Nf-Client-Connection-Ip
X-Vercel-Forwarded-For X-Vercel-Ip-Country X-Appengine-User-Ip X-Appengine-Country X-Azure-Clientip
X-Azure-Socketip X-Envoy-External-Address X-Envoy-Original-Path Cloudfront-Viewer-Address
Cloudfront-Viewer-Country Cloudfront-Forwarded-Proto X-Amzn-Oidc-Data X-Amzn-Oidc-Identity
X-Amzn-Oidc-Accesstoken X-Ms-Client-Principal X-Ms-Client-Principal-Id X-Ms-Client-Principal-Name
X-Goog-Authenticated-User-Email X-Goog-Authenticated-User-Id X-Goog-Iap-Jwt-Assertion

Remote-User Remote-Email Remote-Groups Remote-Name X-Remote-User X-Remote-Email X-Remote-Group X-Remote-Groups
X-Remote-Name X-Authenticated-User X-Authenticated-Userid X-Auth-Request-User X-Auth-Request-Email
X-Auth-Request-Groups X-Auth-Request-Preferred-Username X-Auth-Request-Access-Token X-Authentik-Email
X-Authentik-Groups X-Authentik-Name X-Authentik-Uid X-Authentik-Username X-Webauth-User Authuser Auth-Type
Tailscale-User-Login Tailscale-User-Name Tailscale-User-Profile-Pic

Ssl-Client-Cert Ssl-Client-Dn Ssl-Client-Fingerprint Ssl-Client-I-Dn Ssl-Client-Issuer-Dn Ssl-Client-M-Serial
Ssl-Client-S-Dn Ssl-Client-S-Dn-Cn Ssl-Client-S-Dn-Email Ssl-Client-Serial Ssl-Client-Subject-Dn
Ssl-Client-Verify Ssl-Cipher Ssl-Protocol Ssl-Session-Id X-Ssl-Cert X-Ssl-Cipher X-Ssl-Client-Cert
X-Ssl-Client-Cn X-Ssl-Client-Dn X-Ssl-Client-Fingerprint X-Ssl-Client-I-Dn X-Ssl-Client-Issuer X-Ssl-Client-S-Dn
X-Ssl-Client-Serial X-Ssl-Client-Sha1 X-Ssl-Client-Verify X-Ssl-Issuer X-Ssl-Protocol X-Ssl-Subject X-Ssl-Verify
X-Client-Cert X-Client-Certificate X-Client-Dn X-Client-Verify X-Arr-Clientcert Client-Cert Client-Cert-Chain
X-Amzn-Mtls-Clientcert X-Amzn-Mtls-Clientcert-Leaf X-Amzn-Mtls-Clientcert-Subject X-Tls-Client-Cert X-Subject-Dn
X-Issuer-Dn

Proxy Http2-Settings
"""
HEADERS = tuple(_NAMES.split())
