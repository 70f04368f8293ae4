"""Options for JAX as the reference: compile quickly, since each program runs only once."""

# Fusion through MLIR and parallel compilation cost more time than they save.
_OPTIONS = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}


def _if_known(options):
    """Return options for `jax.jit`, or None if JAX is not installed or does not support them."""
    try:
        import jax
    except ImportError:
        return None
    try:
        jax.jit(lambda x: x, compiler_options=options)(0.0)
    except (TypeError, jax.errors.JaxRuntimeError):
        return None
    return options


COMPILED_ONCE = _if_known(_OPTIONS)
