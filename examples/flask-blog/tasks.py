"""The jobs of the worker.

A job may be run twice, after a power cut for instance, so each must be harmless when repeated.
"""

from models import Post, Session


def count_words(number: int) -> None:
    """Store the number of words of a post."""
    with Session.begin() as session:
        post = session.get(Post, number)
        if post is not None:
            post.words = len(post.text.split())
