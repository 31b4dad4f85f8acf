"""The pages."""

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .models import Question


def index(request):
    """All questions."""
    questions = Question.objects.prefetch_related("choice_set").order_by("-id")
    return render(request, "polls/index.html", {"questions": questions})


@require_POST
def vote(request, question_id):
    """Add a vote to a choice."""
    question = get_object_or_404(Question, pk=question_id)
    question.choice_set.filter(pk=request.POST.get("choice")).update(votes=F("votes") + 1)
    return redirect("index")


def health(request):
    """Whether the database answers: the health check of a new release."""
    Question.objects.exists()
    return HttpResponse("ok\n", content_type="text/plain")
