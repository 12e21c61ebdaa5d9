from harness import hookimpl


@hookimpl
def brainpress_benchmarks():
    raise ZeroDivisionError("at listing time")
