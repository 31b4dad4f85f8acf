"""The number of words in a post.

The previous release runs without the column while this one starts, so it may be empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("posts", sa.Column("words", sa.Integer, nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("posts", "words")
