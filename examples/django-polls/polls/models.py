"""Questions with their choices."""

from django.db import models


class Question(models.Model):
    """A question, perhaps with a picture."""

    text = models.CharField(max_length=200)
    picture = models.FileField(upload_to="pictures", blank=True)

    def __str__(self):
        return self.text


class Choice(models.Model):
    """One of the answers."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE)
    text = models.CharField(max_length=200)
    votes = models.PositiveIntegerField(default=0)

    def __str__(self):
        return self.text
