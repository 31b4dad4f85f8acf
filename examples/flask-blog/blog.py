"""A blog: posts over HTTP, and a worker that counts their words.

Everybody may write: an example has no accounts.
"""

import jobs
from flask import Flask, redirect, render_template, request, url_for
from models import Post, Session
from sqlalchemy import select, text
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

app = Flask(__name__)
# nginx stands in front: who really asks, and how, is in the headers that it sets.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]


@app.get("/")
def home() -> str:
    """Show all posts, the newest first, and a form for one more."""
    with Session() as session:
        return render_template("home.html", posts=session.scalars(select(Post).order_by(Post.id.desc())).all())


@app.post("/posts")
def write() -> Response:
    """Store a post and queue the count of its words."""
    with Session.begin() as session:
        post = Post(title=request.form["title"], text=request.form["text"])
        session.add(post)
        session.flush()
        number = post.id
    # Not before the post is in the database, since the worker may be quick.
    jobs.put("tasks:count_words", number)
    return redirect(url_for("read", number=number), 303)


@app.get("/posts/<int:number>")
def read(number: int) -> str | tuple[str, int]:
    """Show one post."""
    with Session() as session:
        post = session.get(Post, number)
        return render_template("post.html", post=post) if post else ("no such post\n", 404)


@app.get("/healthz")
def healthz() -> str:
    """Answer the health check: the database and the queue answer."""
    with Session() as session:
        session.execute(text("SELECT 1"))
    jobs.connection.ping()
    return "ok\n"
