"""The unit of the package: a reload, and the priorities of the journal."""

from tests.packages.debian import Container

OWN = "/etc/firmware-ctl/profiles"
RELOAD = "systemctl reload firmware-ctl"
WARNINGS = "journalctl --boot --unit=firmware-ctl --no-pager --output=cat --priority=warning"


def warnings(container: Container) -> list[str]:
    return container.run(f"{WARNINGS} --since={container.log_since}").splitlines()


def test_reload_reads_own_profiles_and_leaves_a_session_alone(playing: Container) -> None:
    shipped = "/usr/lib/python3/dist-packages/firmware_ctl/shipped/profiles/neck.yaml"
    playing.run(f"cp {shipped} {OWN}/mine.yaml; echo 'phases: 1' >{OWN}/bad.yaml")
    playing.run(RELOAD)
    assert "state=running" in playing.run("firmware-ctl status --raw")
    assert "mine" in playing.run("firmware-ctl profiles")
    # journald has taken the priority from the line.
    [warning] = warnings(playing)
    assert warning.startswith(f"{OWN}/bad.yaml:1:"), warning


def test_reload_that_the_daemon_refuses_fails_and_leaves_a_session_alone(
    playing: Container,
) -> None:
    playing.run(f"chmod 0 {OWN}")
    playing.run(RELOAD, exit_code=1)
    playing.run(f"chmod 755 {OWN}")
    assert "state=running" in playing.run("firmware-ctl status --raw")
    assert playing.run("systemctl is-active firmware-ctl") == "active\n"


def test_start_that_fails_is_an_error_in_the_journal(installed: Container) -> None:
    installed.run("firmware-ctl service install", exit_code=1)
    assert any("plays the same without pins" in line for line in warnings(installed))
