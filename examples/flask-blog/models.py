"""Tables of the database; `migrations` creates them."""

import os

from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

url = make_url(os.environ.get("DATABASE_URL", "sqlite:///blog.db"))
if url.drivername == "postgresql":
    url = url.set(drivername="postgresql+psycopg")
# An idle connection that ended, as on a restart of PostgreSQL, is replaced and fails no request.
engine = create_engine(url, pool_pre_ping=True)
Session = sessionmaker(engine)


class Base(DeclarativeBase):
    """All tables."""


class Post(Base):
    """An entry of the blog."""

    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    text: Mapped[str]
    # Counted by the worker; None until then.
    words: Mapped[int | None]
