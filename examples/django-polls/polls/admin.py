"""Questions are asked in the admin."""

from django.contrib import admin

from .models import Choice, Question


class ChoiceInline(admin.TabularInline):
    """Choices, on the page of their question."""

    model = Choice
    extra = 2


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    """A question with its choices."""

    inlines = (ChoiceInline,)
