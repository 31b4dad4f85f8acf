"""What the benchmark makes of its figures, and of what it is asked to measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.options import OptionError, options
from benchmarks.report import Case, per_host, ratio, report
from benchmarks.results import JoinError, Listed, Results, Run, Sample, joined, slope
from benchmarks.tools.ansible import Ansible
from benchmarks.tools.base import Job
from benchmarks.tools.hostsmith import Hostsmith
from benchmarks.tools.script import Script

TOOLS = (Hostsmith, Script)


def runs(job: str, hosts: int, delay: int, tool: str, *seconds: float) -> list[Run]:
    return [Run(job, hosts, delay, tool, one, cpu=one / 10) for one in seconds]


def results(*some: list[Run]) -> Results:
    versions = {"hostsmith": "1", "pyinfra": "2", "script": "3"}
    return Results({"CPU": "one"}, versions, runs=[run for part in some for run in part])


def test_a_ratio_is_of_medians_so_that_one_slow_run_does_not_count() -> None:
    found = results(runs("unchanged", 1, 0, "hostsmith", 1, 2, 90), runs("unchanged", 1, 0, "pyinfra", 8, 9, 0.1))
    assert ratio(found, Case("unchanged", 1, 0), "pyinfra", "hostsmith") == 4
    assert ratio(found, Case("unchanged", 1, 0), "hostsmith", "pyinfra") == 0.25


def test_a_ratio_is_of_the_same_case_or_none() -> None:
    found = results(runs("unchanged", 1, 0, "hostsmith", 1), runs("unchanged", 1, 80, "pyinfra", 4))
    assert ratio(found, Case("unchanged", 1, 0), "pyinfra", "hostsmith") is None
    assert ratio(found, Case("unchanged", 1, 80), "pyinfra", "hostsmith") is None


def test_what_a_host_more_costs_is_the_slope_of_the_medians_at_the_least_distance() -> None:
    found = results(
        runs("deploy", 1, 0, "hostsmith", 2, 2.1, 80),
        runs("deploy", 4, 0, "hostsmith", 3.6),
        runs("deploy", 16, 0, "hostsmith", 9.6),
        runs("deploy", 1, 80, "hostsmith", 100),
    )
    assert per_host(found, "deploy", "hostsmith") == pytest.approx((0.5, 0.05), rel=0.02)
    assert per_host(found, "unchanged", "hostsmith") is None


@pytest.mark.parametrize(
    ("points", "expected"),
    [([(0, 1), (10, 21)], 2), ([(1, 5), (2, 5), (3, 5)], 0), ([(10, 0.5), (100, 0.6), (1000, 1.5)], 0.00101)],
)
def test_a_slope_is_that_of_the_line_nearest_to_all_points(points: list[tuple[float, float]], expected: float) -> None:
    assert slope(points) == pytest.approx(expected, rel=0.01)


def test_tables_have_each_tool_beside_ours_and_the_script() -> None:
    found = results(
        runs("unchanged", 1, 80, "hostsmith", 1.0, 1.2, 1.1),
        runs("unchanged", 1, 80, "pyinfra", 6.6),
        runs("unchanged", 1, 80, "script", 1.0),
    )
    found.samples = [Sample("unchanged", 1, 80, "hostsmith", 50, 1, 1, 60_000, 12_345)]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report(found).splitlines() if "|" in line]
    assert rows[2:] == [
        ["unchanged", "hostsmith", "1.10", "1.00", "1.20", "1.00", "1.10", "0.11", "50", "1", "60.0", "12.3"],
        ["unchanged", "pyinfra", "6.60", "6.60", "6.60", "6.00", "6.60", "0.66", "", "", "", ""],
        ["unchanged", "script", "1.00", "1.00", "1.00", "0.91", "1.00", "0.10", "", "", "", ""],
    ]


def test_a_goal_that_is_missed_is_told() -> None:
    found = results(
        runs("unchanged", 1, 80, "hostsmith", 2.0),
        runs("unchanged", 1, 80, "pyinfra", 11.0),
        runs("unchanged", 1, 80, "script", 1.0),
    )
    found.lists = [Listed(10, 1.0), Listed(1000, 1.5)]
    verdicts = [line.partition(":")[0] for line in report(found).splitlines() if "wanted" in line]
    assert verdicts == ["- reached", "- MISSED", "- reached"]


def test_kept_results_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    found = results(runs("deploy", 16, 0, "script", 0.123456789))
    found.samples = [Sample("deploy", 16, 0, "script", 2.5, 1)]
    found.lists = [Listed(10, 1.0)]
    found.left_out = ["the moon"]
    found.save(tmp_path / "new" / "results.json")
    assert Results.load(tmp_path / "new" / "results.json") == found
    assert json.loads((tmp_path / "new" / "results.json").read_text())["versions"]["script"] == "3"


def test_runs_that_have_measured_different_things_make_one_report() -> None:
    one, other = results(runs("deploy", 1, 0, "script", 1.0)), results(runs("deploy", 16, 0, "script", 2.0))
    one.left_out = other.left_out = ["the moon"]
    both = joined([one, other])
    assert both.runs == one.runs + other.runs
    assert (both.machine, both.versions, both.left_out) == (one.machine, one.versions, ["the moon"])


def test_runs_that_do_not_belong_together_are_refused() -> None:
    one, other = results(runs("deploy", 1, 0, "script", 1.0)), results(runs("deploy", 16, 0, "script", 2.0))
    with pytest.raises(JoinError, match=r"found \('deploy', 1, 0\) in two of them"):
        joined([one, one])
    other.versions["script"] = "4"
    with pytest.raises(JoinError, match="found two versions of script"):
        joined([one, other])


def test_without_a_word_all_is_measured_and_quickly_only_some() -> None:
    everything, quick = options({}, TOOLS), options({"QUICK": "1"}, TOOLS)
    assert (everything.runs, everything.delays, everything.sizes) == (5, (0, 20, 80), (1, 4, 16, 50))
    assert everything.jobs == set(Job)
    assert everything.left_out == ()
    assert (quick.runs, quick.delays, quick.sizes) == (1, (0, 80), (1,))
    assert (quick.jobs, quick.left_out != ()) == ({Job.UNCHANGED, Job.DEPLOY}, True)


def test_quickly_nothing_is_deployed_at_a_distance_and_the_slowest_tool_does_the_least(tmp_path: Path) -> None:
    quick, tools = options({"QUICK": "1"}, TOOLS), [Ansible(tmp_path), Hostsmith(tmp_path)]
    assert [quick.jobs_of(tool, 0) for tool in tools] == [{Job.UNCHANGED}, {Job.UNCHANGED, Job.DEPLOY}]
    assert [quick.jobs_of(tool, 80) for tool in tools] == [set(), {Job.UNCHANGED}]
    assert [quick.runs_of(tool) for tool in tools] == [0, 1]
    assert options({}, TOOLS).runs_of(tools[0]) == 5


def test_many_hosts_are_measured_with_nothing_to_change_and_with_deploys() -> None:
    everything = options({}, TOOLS)
    assert set(everything.jobs_with(1)) == set(Job) - {Job.PROVISION}
    assert everything.jobs_with(16) == [Job.UNCHANGED, Job.DEPLOY_REQUIREMENTS, Job.DEPLOY]


def test_what_is_measured_can_be_chosen() -> None:
    chosen = options({"ONLY": "deploy, growth", "TOOLS": "script", "HOSTS": "2", "DELAYS": "5", "RUNS": "9"}, TOOLS)
    assert (chosen.jobs, chosen.tools, chosen.sizes) == ({Job.DEPLOY}, (Script,), (2,))
    assert (chosen.delays, chosen.runs, chosen.lists) == ((5,), 9, (10, 100, 1000))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("RUNS", "-1", "0 or more"),
        ("RUNS", "many", "such as RUNS=5"),
        ("DELAYS", "0,-1", "0 or more"),
        ("HOSTS", "1,,4", "1 or more"),
        ("TOOLS", "chef", "expected some of: hostsmith, script"),
        ("ONLY", "lunch", "expected some of: provision, unchanged"),
    ],
)
def test_a_choice_that_cannot_be_is_told_with_what_can(name: str, value: str, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        options({name: value}, TOOLS)
