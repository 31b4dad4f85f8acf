"""Small projects, as files by their names, that tests put into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Files = dict[str, str | bytes]

UVICORN = "gunicorn -k uvicorn_worker.UvicornWorker"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "import flask\n\ndef create_app(config=None):\n    app = flask.Flask(__name__)\n    return app\n"
MANAGE = (
    "import os\n"
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"
    "from django.core.management import execute_from_command_line\n"
)
DJANGO: Files = {
    "manage.py": MANAGE,
    "mysite/__init__.py": "",
    "mysite/settings.py": "DEBUG = True\n",
    "mysite/wsgi.py": "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n",
    "mysite/asgi.py": "from django.core.asgi import get_asgi_application\n\napplication = get_asgi_application()\n",
    "requirements.txt": "django\n",
}
PRODUCTION_INI = """\
[app:main]
use = egg:guestbook
pyramid.reload_templates = false
greeting = %(here)s says hi

[server:main]
use = egg:waitress#main
listen = localhost:6543
"""


def plant(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write the files of a project."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
