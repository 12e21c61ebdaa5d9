from harness import ModelSpec, hookimpl


@hookimpl
def brainpress_models():
    return [ModelSpec("fine-beside-wrong", source="file:x"), {"name": "a mapping, not a spec"}]
