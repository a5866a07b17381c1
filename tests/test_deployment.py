"""Docker Compose's files, checked without Docker, and that the project's scripts do the same."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import image
import pytest
import serve
import services
import yaml
from healthy import host

import chatproject.postgres
from chat.conf import Conf

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
STEPS = image.instructions((ROOT / "Dockerfile").read_text())
TEMPLATE = (ROOT / "deploy" / "nginx.conf.template").read_text()


def of(name):
    return [step.rest for step in STEPS if step.name == name]


def option(name):
    return serve.OPTIONS[serve.OPTIONS.index(name) + 1]


def seconds(time):
    return int(time.removesuffix("s"))


@pytest.fixture
def nginx():
    return services.found_program("nginx") or pytest.skip("nginx is not installed here")


def accepts(nginx, configuration, folder):
    """Return nginx's complaints about a configuration; empty if it accepts it."""
    path = folder / "nginx.conf"
    path.write_text(configuration)
    command = [nginx, "-t", "-q", "-p", str(folder), "-c", str(path), "-g", f"pid {folder / 'pid'};"]
    return subprocess.run(command, capture_output=True, text=True).stderr


def test_compose_accepts_its_file():
    commands = [["docker", "compose"], ["docker-compose"]]
    for command in commands:
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            done = subprocess.run([*command, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return
    pytest.skip("neither docker compose nor docker-compose is installed here")


def test_two_equal_processes_run_behind_one_balancer_that_only_this_machine_can_reach():
    assert SERVICES["web1"] == SERVICES["web2"]
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"nginx": ["127.0.0.1:${PORT:-8000}:8000"]}
    servers = re.findall(r"server (\w+):8000", SERVICES["nginx"]["environment"]["NGINX_SERVERS"])
    assert servers == ["web1", "web2"]


def test_every_service_that_keeps_running_has_a_health_check():
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["migrate"]
    conditions = {name: entry["condition"] for name, entry in SERVICES["web1"]["depends_on"].items()}
    assert conditions == {"migrate": "service_completed_successfully", "redis": "service_healthy"}


def test_a_container_is_not_killed_while_its_answers_may_still_be_written():
    needed = int(option("--timeout-graceful-shutdown")) + Conf.grace_period.default
    assert seconds(SERVICES["web1"]["stop_grace_period"]) >= needed + 10
    assert needed + 10 <= services.STOP


def location(path):
    """Return the directives of one location of the balancer."""
    block = re.search(rf"location {re.escape(path)} {{(.*?)}}", TEMPLATE, re.DOTALL)[1]
    return dict(re.findall(r"(\w+) ([^;]+);", block))


def test_the_balancer_allows_the_longest_silence_and_the_largest_frame():
    silence = max(int(option("--ws-ping-interval")), Conf.loading_timeout.default, Conf.delta_timeout.default)
    assert seconds(location("/ws/")["proxy_read_timeout"]) > silence
    assert Conf.socket_path.default.startswith("/ws/")
    size = int(re.search(r"client_max_body_size (\d+)m;", TEMPLATE)[1])
    assert size << 20 > Conf.max_frame_size.default == int(option("--ws-max-size"))


def test_a09_pages_are_fetched_from_another_process_before_a_visitor_gives_up():
    deadline = seconds(location("/")["proxy_read_timeout"])
    assert chatproject.postgres.POOL["timeout"] < deadline < 15  # so that a site without its database can still say so
    assert seconds(re.search(r"proxy_next_upstream_timeout (\w+);", TEMPLATE)[1]) > deadline


def test_nginx_accepts_its_configuration_as_compose_fills_it_in(nginx, tmp_path):
    given = {name: value.replace("$$", "$") for name, value in SERVICES["nginx"]["environment"].items()}
    text = re.sub(r"\$\{(\w+)\}", lambda name: given[name[1]], TEMPLATE)
    # Only Docker knows the names of the containers, and only nginx 1.27.3 and later know `resolve`.
    text = re.sub(r"web\d:8000 resolve", "127.0.0.1:8000", text).replace("/dev/stdout", "access.log")
    assert accepts(nginx, text, tmp_path) == ""


def test_the_docs_show_the_configuration_that_is_used(nginx, tmp_path):
    shown = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL)[1]
    used = TEMPLATE.replace("${NGINX_LISTEN}", "80").replace("${NGINX_FORWARDED_PROTO}", "$scheme")
    lines = {line.strip() for line in used.splitlines()}
    assert [line for line in shown.splitlines() if line.strip() not in lines and "server 127.0.0.1" not in line] == []
    assert accepts(nginx, f"error_log stderr;\nevents {{}}\nhttp {{\n{shown}\n}}\n", tmp_path) == ""


def test_the_image_starts_the_server_like_make_run():
    assert '"scripts/serve.py"' in of("CMD")[0]


def test_ci_carries_out_every_step_of_the_dockerfile():
    known = {name.removeprefix("_").upper() for name in vars(image.Build)} | image.OF_THE_IMAGE
    assert {step.name for step in STEPS} <= known
    left_out = [step for step in of("RUN") if step.startswith(image.OF_THE_SYSTEM)]
    assert left_out == ["useradd --create-home site && mkdir /data && chown site /data"]


def test_the_image_contains_the_site_and_nothing_secret_or_for_development(monkeypatch):
    ignored = (ROOT / ".dockerignore").read_text().split()
    paths = [".secret_key", ".env", ".git/config", ".venv/bin/python", "db.sqlite3-wal", "tests/test_chat.py"]
    assert [path for path in paths if not image.left_out(Path(path), ignored)] == []
    assert image.left_out(Path("chat/__pycache__/conf.pyc"), ignored)
    tops = {path.parts[0] for path in image.copied()}
    assert {"manage.py", "chat", "chatproject", "scripts", "templates", "requirements.txt"} <= tops


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ("", "localhost"),
        ("*", "localhost"),
        ("chat.example.com, b.example", "chat.example.com"),
        (".a.example", "a.example"),
    ],
)
def test_a_health_check_asks_for_a_host_that_is_allowed(allowed, asked):
    assert host(allowed) == asked


@pytest.mark.parametrize("path", ["README.md", "docs/deployment.md"])
def test_every_uvicorn_command_in_the_docs_has_the_options_of_the_project(path):
    text = (ROOT / path).read_text().replace("\\\n", " ")
    commands = re.findall(r"^.*\buvicorn \S+:application (.*)$", text, re.MULTILINE)
    assert commands
    options = [re.sub(r"^chat\.", "llm_chat.", option) for option in serve.OPTIONS]  # the name in a site
    for command in commands:
        words = shlex.split(command)
        assert [option for option in options if option not in words] == [], command
