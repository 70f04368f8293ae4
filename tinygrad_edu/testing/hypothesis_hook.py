"""What Hypothesis's own entry point calls: ``from_type(Tensor)`` then works in every suite, without an import."""


def _hypothesis_setup_hook() -> None:
    from hypothesis import strategies as st

    from tinygrad_edu.engine import Tensor

    def any_tensor(_: type) -> st.SearchStrategy[Tensor]:
        from tinygrad_edu.testing.strategies import tensors

        return tensors()

    st.register_type_strategy(Tensor, any_tensor)
