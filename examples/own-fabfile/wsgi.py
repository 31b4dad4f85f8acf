"""The site, in plain WSGI: it needs nothing but a server, which hostsmith brings."""


def application(environ, start_response):
    """Answer every path."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"Thumbnails, soon.\n"]
