"""A kernel is called once for every network, whatever the number of threads, and in forked processes, too."""

import os
import threading

import pytest

pytest.importorskip("numba", reason="kernels need numba")

from agents.kernels import threads as kernels


@pytest.fixture
def count(request):
    before = kernels.threads()
    kernels.set_threads(request.param)
    yield request.param
    kernels.set_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3, 8], indirect=True)
def test_every_network_is_run_once_with_the_common_arguments(count):
    calls, workers = [], set()

    def kernel(network, *arguments):
        calls.append((network, arguments))
        workers.add(threading.current_thread().name)

    kernels.for_every_network(kernel, 5, "a", 2)
    assert sorted(calls) == [(network, ("a", 2)) for network in range(5)]
    assert len(workers) <= min(count, 5) and (count > 1 or workers == {"MainThread"})
    kernels.for_every_network(kernel, 0)
    assert len(calls) == 5


@pytest.mark.parametrize("count", [1, 2], indirect=True)
def test_two_networks_run_at_the_same_time_if_there_are_two_threads(count):
    meeting = threading.Barrier(2)

    def kernel(_):
        meeting.wait(timeout=5.0 if count > 1 else 0.05)

    if count > 1:
        kernels.for_every_network(kernel, 2)
    else:
        with pytest.raises(threading.BrokenBarrierError):
            kernels.for_every_network(kernel, 2)


@pytest.mark.parametrize("count", [1, 2], indirect=True)
def test_an_error_is_raised_where_the_kernel_was_called(count):
    def kernel(network):
        if network == 1:
            raise ZeroDivisionError("network 1")

    with pytest.raises(ZeroDivisionError, match="network 1"):
        kernels.for_every_network(kernel, 3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("count", [2], indirect=True)
def test_a_forked_process_has_threads_of_its_own(count):
    kernels.for_every_network(lambda _: None, 2)  # the parent's threads are started
    child = os.fork()
    if child == 0:
        done = []
        kernels.for_every_network(done.append, 4)
        os._exit(0 if sorted(done) == [0, 1, 2, 3] else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("number", [0, -1, 1.5, "two"])
def test_other_numbers_of_threads_are_refused(number):
    with pytest.raises((TypeError, ValueError), match="count"):
        kernels.set_threads(number)
