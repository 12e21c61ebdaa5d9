from harness import hookimpl


@hookimpl
def brainpress_modles():
    return []
