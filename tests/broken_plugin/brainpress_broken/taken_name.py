from harness import CompressorSpec, hookimpl


@hookimpl
def brainpress_compressors():
    return [CompressorSpec("none", target="brainpress_broken:Mine", method="mine")]
