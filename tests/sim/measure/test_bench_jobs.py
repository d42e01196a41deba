"""Jobs run when what they need is there, once, and are not run again."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import bench_steps
import pytest

from gemmsmith_sim.cache import cache_dir, fingerprint
from gemmsmith_sim.measure.bench.jobs import Job, Step, run_jobs

NUMBER, TOTAL = Step(bench_steps.number), Step(bench_steps.total)
REFUSE, STUMBLE, LEAVE = Step(bench_steps.refuse), Step(bench_steps.stumble), Step(bench_steps.leave_file)


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "log"
    path.touch()
    return path


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def sums(log):
    """A total of three numbers, the total first: order in the list does not matter."""
    numbers = [Job(f"n{n}", NUMBER, {"value": n, "log": str(log)}) for n in (1, 2, 3)]
    return [Job("sum", TOTAL, {"log": str(log)}, {"values": [job.name for job in numbers]}), *numbers]


def test_needs_are_run_first_and_results_are_passed(log, threads):
    seen = []
    outcomes = run_jobs(sums(log), threads, progress=lambda done, name: seen.append((done, name)))
    assert outcomes["sum"].value == 6
    assert [done for done, _ in seen] == [1, 2, 3, 4]
    assert seen[-1][1] == "sum"
    assert len(log.read_text().splitlines()) == 4


def test_second_run_reads_and_fresh_runs_again(log, threads):
    run_jobs(sums(log), threads)
    again = run_jobs(sums(log), threads)
    assert again["sum"].value == 6
    assert all(outcome.cached for outcome in again.values())
    assert len(log.read_text().splitlines()) == 4
    run_jobs(sums(log), threads, fresh=True)
    assert len(log.read_text().splitlines()) == 8


def test_interrupted_run_goes_on_where_it_stopped(log, threads):
    numbers = sums(log)[1:]
    run_jobs(numbers[:2], threads)  # as far as it came
    assert run_jobs(sums(log), threads)["sum"].value == 6
    assert sorted(line.split()[0] for line in log.read_text().splitlines()) == ["number"] * 3 + ["total"]


def test_equal_content_runs_once(log, threads):
    jobs = [Job(name, NUMBER, {"value": 7, "log": str(log)}) for name in ("a", "b", "c")]
    assert [outcome.value for outcome in run_jobs(jobs, threads).values()] == [7, 7, 7]
    assert len(log.read_text().splitlines()) == 1


def test_a_failure_stops_what_needs_it_and_nothing_else(log, threads):
    jobs = [Job("bad", REFUSE, {"value": 3}), Job("late", TOTAL, {"log": str(log)}, {"values": ["bad", "good"]}),
            Job("good", NUMBER, {"value": 1, "log": str(log)})]
    outcomes = run_jobs(jobs, threads)
    assert outcomes["bad"].failure == outcomes["late"].failure == "cutter: cannot cut 3"
    assert outcomes["good"].value == 1
    assert run_jobs(jobs, threads)["bad"].failure  # failures are not kept as results


def test_a_missing_tool_is_a_failure(log, threads, monkeypatch):
    monkeypatch.setenv("PATH", "")
    outcome = run_jobs([Job("x", Step(bench_steps.number, tools=("iverilog",)), {"value": 1, "log": str(log)})],
                       threads)["x"]
    assert outcome.failure == "iverilog: not found; install iverilog"
    assert log.read_text() == ""


def test_a_fault_of_ours_is_raised(log, threads):
    with pytest.raises(RuntimeError, match="a fault of ours"):
        run_jobs([Job("x", STUMBLE, {"value": 1})], threads)


def test_a_result_whose_file_is_gone_is_made_again(log, threads):
    path = cache_dir("files") / "made"
    jobs = [Job("x", LEAVE, {"path": str(path)})]
    run_jobs(jobs, threads)
    assert run_jobs(jobs, threads)["x"].cached
    path.unlink()
    assert not run_jobs(jobs, threads)["x"].cached
    assert path.is_file()


def test_keys_follow_arguments_and_sources(log):
    arguments = {"value": 1, "log": ""}
    key = NUMBER.key(arguments)
    assert key == Step(bench_steps.number).key({"log": "", "value": 1})
    assert key != NUMBER.key({**arguments, "value": 2})
    assert key != Step(bench_steps.number, sources=("gemmsmith.schemes",)).key(arguments)
    assert key != Step(bench_steps.number, tools=("amaranth",)).key(arguments)
    assert fingerprint("gemmsmith.schemes") != fingerprint("gemmsmith.schemes.base")
    with pytest.raises(ValueError, match="importable modules"):
        fingerprint("gemmsmith_absent")


@pytest.mark.parametrize(("needs", "message"), [
    ({"values": ["b"], "log": "gone"}, "'a' needs 'gone', which is not among the jobs"),
    ({"values": ["b"], "log": "b"}, "in a circle: a, b"),
])
def test_needs_are_checked(needs, message, threads):
    jobs = [Job("a", TOTAL, {}, needs), Job("b", TOTAL, {}, {"values": ["a"]})]
    with pytest.raises(ValueError, match=message):
        run_jobs(jobs, threads)


def test_names_are_distinct(threads):
    with pytest.raises(ValueError, match="distinct names"):
        run_jobs([Job("a", NUMBER), Job("a", NUMBER)], threads)


def test_worker_processes(log):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert run_jobs(sums(log), executor)["sum"].value == 6
    import os

    pids = {line.split()[2] for line in log.read_text().splitlines() if line.startswith("number")}
    assert str(os.getpid()) not in pids
