"""`fit` gives the weights of the loop that a maker writes by hand, whatever is trained, and the campaign finds faults."""

import pytest
from hypothesis import given

from tests.training.programs import check, programs

pytestmark = pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.WholeBatchWarning")


@given(programs())
def test_a_training_is_the_loop_by_hand(program):
    check(program)
