"""Questions may have a picture."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The column for it."""

    dependencies = [("polls", "0001_initial")]
    operations = [
        migrations.AddField("Question", "picture", models.FileField(blank=True, upload_to="pictures")),
    ]
