"""The jobs of the worker.

A job may be run twice, after a power cut for instance, so each is one that does no harm then.
"""

from models import Post, Session


def count_words(number: int) -> None:
    """Write down how many words a post has."""
    with Session.begin() as session:
        post = session.get(Post, number)
        if post is not None:
            post.words = len(post.text.split())
