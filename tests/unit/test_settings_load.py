"""Loading: where values come from, and that what is wrong is told with file, key, finding and expectation."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric import Config
from hostsmith.errors import SettingsError
from hostsmith.inventory.project import load, load_settings
from hostsmith.settings import Settings
from invoke.context import Context

MINIMAL = "app: blog\nprocesses: {web: gunicorn app:app}\n"


class Project:
    """A project folder, and the configuration that `fab` would make of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "fabric.yaml") -> Project:
        (self.folder / name).write_text(text)
        return self

    def context(self, runtime: str | None = None) -> Context:
        config = Config(lazy=True, project_location=self.folder, runtime_path=runtime)
        config.load_project()
        config.load_runtime()
        return Context(config)

    def problems(self, runtime: str | None = None) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(self.context(runtime))
        return str(caught.value).splitlines()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "My Blog"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Project(folder)


def commands(settings: Settings) -> dict[str, str]:
    return {name: process.command for name, process in settings.processes.items()}


def test_the_smallest_project(project: Project) -> None:
    project.write("app: blog\n").write("web: gunicorn app:app\n", "Procfile")
    settings = load(project.context())
    assert settings.app == "blog"
    assert settings.project == project.folder
    assert commands(settings) == {"web": "gunicorn app:app"}


def test_the_procfile_is_that_of_a_local_source(project: Project) -> None:
    (project.folder / "site").mkdir()
    project.write("app: blog\nsource: site\n").write("web: a\n", "site/Procfile").write("web: b\n", "Procfile")
    assert commands(load(project.context())) == {"web": "a"}


def test_the_procfile_beside_the_fabfile_serves_a_git_source(project: Project) -> None:
    project.write("app: blog\nsource: https://example.com/blog.git\n").write("web: b\n", "Procfile")
    assert commands(load(project.context())) == {"web": "b"}


def test_hosts_can_be_known_without_procfile_and_source(project: Project) -> None:
    project.write("app: blog\nsource: nowhere\nroles: {web: [web1]}\n")
    assert [entry.host.spec for entry in load_settings(project.context().config).roles["web"]] == ["web1"]


def test_a_runtime_file_is_merged_over_the_project_file(project: Project) -> None:
    project.write(MINIMAL + "health: {path: /up, timeout: 5}\ndomains: [a.example]\n")
    project.write("health: {timeout: 7}\ndomains: [b.example]\n", "staging.yaml")
    settings = load(project.context("staging.yaml"))
    assert (settings.health.path, settings.health.timeout, settings.domains) == ("/up", 7, ["b.example"])


def test_a_blank_value_is_the_default(project: Project) -> None:
    project.write(MINIMAL + "domains:\nworkers:\nhealth:\nroles: {web: }\n")
    settings = load(project.context())
    assert (settings.domains, settings.workers, settings.health.path) == ([], None, "/")
    assert settings.roles == {"web": []}


def test_the_environment_wins_over_the_files(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(MINIMAL + "www_redirect: true\nhealth: {path: /up}\nroles: {web: [web1], db: [db1]}\n")
    project.write("workers: 2\n", "staging.yaml")
    for name, value in {
        "FABRIC_WORKERS": "3",
        "FABRIC_WWW_REDIRECT": "false",
        "FABRIC_HEALTH_PATH": "/healthz",
        "FABRIC_HEALTH_STATUSES": "200, 301",
        "FABRIC_DOMAINS": "example.com,www.example.org",
        "FABRIC_ROLES": "{web: [web9]}",
        "FABRIC_STATIC": "public",
        "FABRIC_THREADS": "",
        "FABRIC_PACKAGES": "[]",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load(project.context("staging.yaml"))
    assert settings.workers == 3
    assert not settings.www_redirect
    assert settings.health.path == "/healthz"
    assert settings.health.statuses == ["200", "301"]
    assert settings.domains == ["example.com", "www.example.org"]
    assert list(settings.roles) == ["web"]
    assert [entry.host.spec for entry in settings.roles["web"]] == ["web9"]
    assert settings.static == {"/static/": "public"}
    assert settings.threads == 1
    assert settings.packages == []


def test_a_secret_may_come_from_the_environment_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(MINIMAL + "environment: {DEBUG: false, KEY: none}\n")
    monkeypatch.setenv("FABRIC_ENVIRONMENT_KEY", "hunter2: [#")
    monkeypatch.setenv("FABRIC_ENVIRONMENT_EMPTY", "")
    values = {name: value.reveal() for name, value in load(project.context()).environment.items()}
    assert values == {"DEBUG": "false", "KEY": "hunter2: [#", "EMPTY": ""}


def test_keys_of_fabric_and_of_the_user_pass(project: Project) -> None:
    project.write(MINIMAL + "user: deploy\nforward_agent: true\nrun: {echo: true}\nx-team: {a: 1}\n")
    assert load(project.context()).app == "blog"


def test_keys_that_the_fabfile_configures_pass(project: Project) -> None:
    project.write(MINIMAL + "sphinx: {target: html}\n")
    context = project.context()
    context.config.load_collection({"sphinx": {"source": "docs"}})
    assert load(context).app == "blog"


def test_an_unknown_key_is_told_with_the_nearest(project: Project) -> None:
    project.write(MINIMAL + "domain: a.example\nforward_agents: true\nhealth_path: /\nenv: {KEY: hunter2}\n")
    assert project.problems() == [
        "fabric.yaml: domain: found an unknown key; did you mean domains?",
        "fabric.yaml: forward_agents: found an unknown key; did you mean forward_agent?",
        "fabric.yaml: health_path: found an unknown key; did you mean health.path?",
        "fabric.yaml: env: found an unknown key; did you mean environment?",
    ]


def test_an_unknown_key_near_to_none_is_told_with_all(project: Project) -> None:
    project.write(MINIMAL + "zzz: 1\nhealth: {zzz: 1}\n")
    first, second = project.problems()
    assert first.startswith("fabric.yaml: zzz: found an unknown key, expected one of: app, source, revision,")
    assert first.endswith("; your own keys begin with x-")
    assert second == ("fabric.yaml: health.zzz: found an unknown key, expected one of: path, host, timeout, statuses")


def test_an_unknown_key_in_a_mapping_is_told_with_the_nearest(project: Project) -> None:
    project.write(MINIMAL + "health: {pth: /up}\n")
    assert project.problems() == ["fabric.yaml: health.pth: found an unknown key; did you mean path?"]


def test_a_missing_key_is_told_with_what_to_write(project: Project) -> None:
    project.write("processes: {web: x}\n")
    assert project.problems() == [
        "fabric.yaml: app: missing, expected a name of lower-case letters, digits and hyphens that begins "
        "with a letter, at most 31 characters; write for instance `app: my-blog`"
    ]


def test_without_any_file_it_is_told_which_to_write(project: Project) -> None:
    assert project.problems()[0].startswith("fabric.yaml (no such file yet): app: missing")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "domains: ['exa mple.com']",
            "domains[0]: found 'exa mple.com', expected a domain name such as www.example.com",
        ),
        (
            "domains: ['https://Example.com/blog']",
            "domains[0]: found 'https://Example.com/blog', expected a domain name such as www.example.com; "
            "did you mean example.com?",
        ),
        (
            "domains: example.com",
            "domains: found 'example.com', expected a list of domain names such as [example.com]; write [example.com]",
        ),
        (
            "domains: [a.example, A.example]",
            "domains: found 'a.example' twice, expected each domain once",
        ),
        (
            "domains: ['*.a.example']",
            "domains: found '*.a.example' first, expected a name without a wildcard as the first domain, since "
            "the health check requests it; write [a.example, '*.a.example']",
        ),
        (
            "domains: [203.0.113.7]",
            "domains[0]: found '203.0.113.7', expected a domain name such as www.example.com, not an address; "
            "without domains the site answers to every name and address",
        ),
        ("workers: lots", "workers: found 'lots', expected a whole number, 1 or more"),
        ("workers: yes", "workers: found true, expected a whole number, 1 or more"),
        ("web_timeout: [30]", "web_timeout: found a list, expected a whole number, 1 or more"),
        ("www_redirect: maybe", "www_redirect: found 'maybe', expected true or false"),
        (
            "revision: 1.10",
            "revision: found 1.1, expected a branch, tag or commit; YAML reads it as a number; put it in quotes",
        ),
        (
            "revision: 2024-01-01",
            "revision: found 2024-01-01, expected a branch, tag or commit; YAML reads it as a date; put it in quotes",
        ),
        (
            "python: 3.11",
            "python: found 3.11, expected a program on the host, such as python3.12 or "
            "/opt/python/bin/python3; write the full name of the program",
        ),
        (
            "health: /up",
            "health: found '/up', expected a mapping such as {path: /healthz, timeout: 60}",
        ),
        (
            "health: {path: up}",
            "health.path: found 'up', expected an ASCII path that begins with a slash, such as /healthz",
        ),
        (
            "roles: {web: [web1, '::1']}",
            "roles.web[1]: found '::1', expected [user@]host[:port], such as root@web1.example.com, "
            "root@203.0.113.7:2222 or root@[2001:db8::1]:22; write an IPv6 address in brackets: [::1]",
        ),
        (
            "roles: {web: [7]}",
            "roles.web[0]: found 7, expected [user@]host[:port], such as root@web1.example.com, "
            "root@203.0.113.7:2222 or root@[2001:db8::1]:22, or a mapping such as {host: web1.example.com, weight: 2}",
        ),
        (
            "static: {/static: public}",
            "static: found the name '/static', expected a URL path that begins and ends with a slash and is "
            "not the whole site, such as /static/",
        ),
        (
            "static: ../public",
            "static['/static/']: found '../public', expected a path inside the source, such as assets/static",
        ),
        (
            "client_max_body_size: 10mb",
            "client_max_body_size: found '10mb', expected a size as nginx writes it: a number, with k, m or "
            "g after it, such as 10m",
        ),
        (
            "environment: {ON: x}",
            "environment: found the name true, expected a variable name of letters, digits and _, such as "
            "DATABASE_URL; YAML reads it as true or false; put it in quotes",
        ),
        (
            "environment: {SOCKET: x}",
            "environment: found the name 'SOCKET', expected a variable name of letters, digits and _, such as "
            "DATABASE_URL; SOCKET is set by hostsmith for each release",
        ),
        (
            "environment: {OPTIND: x}",
            "environment: found the name 'OPTIND', expected a variable name of letters, digits and _, such as "
            "DATABASE_URL; OPTIND is reserved by the shell that starts the processes",
        ),
        (
            f"environment: {{KEY: {'x' * 120_001}}}",
            "environment.KEY: found a value that is not shown, expected a text, a number, true or false, of at most "
            "120000 bytes; Linux has this limit; put the value in a file",
        ),
        ("packages: [nginx-]", "packages[0]: found 'nginx-', expected the name of an apt package, such as libpq5"),
        ("threads: 1000001", "threads: found 1000001, expected a whole number, 1 or more; 1000000 is the largest"),
        (
            "environment: {KEY: }",
            'environment.KEY: found nothing, expected a text, a number, true or false; write "" for an empty text',
        ),
        (
            "environment: {KEY: [hunter2]}",
            "environment.KEY: found a list, expected a text, a number, true or false",
        ),
        (
            "environment: {KEY: {generate: 8}}",
            "environment.KEY: found a mapping, expected a length of 16 to 1024, such as {generate: 50}",
        ),
        (
            "environment: {KEY: {generate: true}}",
            "environment.KEY: found a mapping, expected a length of 16 to 1024, such as {generate: 50}",
        ),
        (
            "environment: {KEY: {command: pass show hunter2}}",
            "environment.KEY: found a mapping, expected a program with its arguments as a list of texts, such as "
            "{command: [pass, show, blog/key]}",
        ),
        (
            "environment: {KEY: {command: [pass], generate: 50}}",
            "environment.KEY: found a mapping, expected a text, a number, true or false, {generate: 50} or "
            "{command: [pass, show, blog/key]}",
        ),
        (
            "secrets_key: 7",
            "secrets_key: found 7, expected a file, or {command: [PROGRAM, ...]} that prints the key",
        ),
        (
            "environment: hunter2",
            "environment: found a value that is not shown, expected variable names with their values, "
            "such as {DEBUG: false}",
        ),
    ],
)
def test_a_wrong_value_is_told(project: Project, text: str, problem: str) -> None:
    project.write(f"{MINIMAL}{text}\n")
    assert project.problems() == [f"fabric.yaml: {problem}"]


@pytest.mark.parametrize(
    ("name", "near"), [("My App", "my-app"), ("2048", "blog"), ("blog_de", "blog-de"), ("Blog!", "blog")]
)
def test_a_bad_app_name_is_told_with_a_good_one(project: Project, name: str, near: str) -> None:
    project.write(f"app: '{name}'\nprocesses: {{web: x}}\n")
    (problem,) = project.problems()
    assert problem.startswith(f"fabric.yaml: app: found '{name}', expected a name of lower-case letters")
    if near != "blog" or name == "Blog!":
        assert problem.endswith(f"did you mean {near}?")


@pytest.mark.parametrize("name", ["news", "sudo", "docker", "shadow", "postgres", "fail2ban", "admin", "systemd-x"])
def test_a_name_that_the_system_has_or_may_have_is_told(project: Project, name: str) -> None:
    project.write(f"app: {name}\nprocesses: {{web: x}}\n")
    (problem,) = project.problems()
    assert problem.endswith(f"{name} is reserved for a user, group or file of the system; use {name}-app")


def test_the_file_that_has_the_value_is_named(project: Project) -> None:
    project.write(MINIMAL + "health: {path: /up}\nthreads: 0\nworkers: 1\n")
    project.write("workers: 0\nhealth: {timeout: 0}\nkeep_release: 1\n", "staging.yaml")
    assert project.problems("staging.yaml") == [
        "staging.yaml: keep_release: found an unknown key; did you mean keep_releases?",
        "staging.yaml: workers: found 0, expected a whole number, 1 or more",
        "fabric.yaml: threads: found 0, expected a whole number, 1 or more",
        "staging.yaml: health.timeout: found 0, expected a whole number, 1 or more",
    ]


def test_the_variable_that_has_the_value_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(MINIMAL + "workers: 1\nhealth: {path: up}\n")
    monkeypatch.setenv("FABRIC_WORKERS", "many")
    monkeypatch.setenv("FABRIC_HEALTH_TIMEOUT", "soon")
    monkeypatch.setenv("FABRIC_DOMAINS", "a.example, b c")
    monkeypatch.setenv("FABRIC_ROLES", "{web: [")
    assert project.problems() == [
        "FABRIC_ROLES in the environment: roles: invalid YAML, expected role names with their hosts, "
        "such as {web: [root@web1.example.com]}",
        "FABRIC_DOMAINS in the environment: domains[1]: found 'b c', expected a domain name such as www.example.com",
        "FABRIC_WORKERS in the environment: workers: found 'many', expected a whole number, 1 or more",
        "fabric.yaml: health.path: found 'up', expected an ASCII path that begins with a slash, such as /healthz",
        "FABRIC_HEALTH_TIMEOUT in the environment: health.timeout: found 'soon', expected a whole number, 1 or more",
    ]


def test_a_variable_does_not_hide_a_wrong_mapping_in_the_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(MINIMAL + "health: /up\n")
    monkeypatch.setenv("FABRIC_HEALTH_PATH", "/healthz")
    assert project.problems()[0].startswith("fabric.yaml: health: found '/up', expected a mapping")


def test_a_runtime_file_that_is_not_there_is_an_error(project: Project) -> None:
    project.write(MINIMAL)
    assert project.problems("stagin.yaml") == ["stagin.yaml: the settings file of -f is missing"]


def test_a_source_that_is_no_folder_is_told_without_its_password(project: Project) -> None:
    project.write(MINIMAL + "source: https://me:hunter2@example.com/a b\n")
    (problem,) = project.problems()
    assert problem.startswith(
        "fabric.yaml: source: found 'https://***@example.com/a b', which is not a folder relative to "
    )
    assert "expected a git URL (https://, ssh://, git://, file://, git@host:path) or a local folder" in problem


def test_without_a_web_process_it_is_told_what_to_write(project: Project) -> None:
    project.write("app: blog\n").write("worker: x\n", "Procfile")
    assert project.problems() == [
        "fabric.yaml: processes: there is no process `web`, neither here nor in Procfile; expected the command "
        "that serves the site, such as `processes: {web: gunicorn app:app}`"
    ]


def test_problems_of_settings_procfile_and_source_are_told_together(project: Project) -> None:
    project.write("app: blog\nworkers: 0\n").write("web gunicorn\n", "Procfile")
    assert [problem.split(":")[0] for problem in project.problems()] == ["fabric.yaml", "Procfile"]


def test_no_secret_and_no_noise_in_a_long_list_of_problems(project: Project) -> None:
    project.write(
        "app: 7\ndomains: [1]\nworkers: x\nenviroment: {KEY: hunter2}\nhealth: [hunter2]\n"
        'environment: {KEY: {a: hunter2}, BAD-NAME: hunter2, NUL: "hunter2\\0"}\n'
    )
    text = "\n".join(project.problems())
    assert "hunter2" not in text
    assert "pydantic" not in text
    assert "http" not in text
    assert "input" not in text
    assert "Error" not in text
