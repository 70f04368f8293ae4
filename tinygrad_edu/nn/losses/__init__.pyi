"""Types of the loss functions. Written by ``python -m tools.stubs``."""
# mypy: disable-error-code="overload-overlap"
# A sequence of arrays is also a sequence of Tensors and arrays. The first overload that accepts the arguments applies.

from typing import Literal, overload

from numpy.typing import ArrayLike

from tinygrad_edu.engine import Array, PlainArrayLike, Tensor
from tinygrad_edu.nn.losses.alignment import CTCLoss as CTCLoss
from tinygrad_edu.nn.losses.classification import BCELoss as BCELoss
from tinygrad_edu.nn.losses.classification import BCEWithLogitsLoss as BCEWithLogitsLoss
from tinygrad_edu.nn.losses.classification import CrossEntropyLoss as CrossEntropyLoss
from tinygrad_edu.nn.losses.classification import MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss
from tinygrad_edu.nn.losses.classification import NLLLoss as NLLLoss
from tinygrad_edu.nn.losses.common import Reduction
from tinygrad_edu.nn.losses.distributions import GaussianNLLLoss as GaussianNLLLoss
from tinygrad_edu.nn.losses.distributions import KLDivLoss as KLDivLoss
from tinygrad_edu.nn.losses.distributions import PoissonNLLLoss as PoissonNLLLoss
from tinygrad_edu.nn.losses.distributions import ReductionOfBatches
from tinygrad_edu.nn.losses.margins import HingeEmbeddingLoss as HingeEmbeddingLoss
from tinygrad_edu.nn.losses.margins import MultiLabelMarginLoss as MultiLabelMarginLoss
from tinygrad_edu.nn.losses.margins import MultiMarginLoss as MultiMarginLoss
from tinygrad_edu.nn.losses.margins import SoftMarginLoss as SoftMarginLoss
from tinygrad_edu.nn.losses.regression import HuberLoss as HuberLoss
from tinygrad_edu.nn.losses.regression import L1Loss as L1Loss
from tinygrad_edu.nn.losses.regression import MSELoss as MSELoss
from tinygrad_edu.nn.losses.regression import SmoothL1Loss as SmoothL1Loss
from tinygrad_edu.nn.losses.similarity import CosineEmbeddingLoss as CosineEmbeddingLoss
from tinygrad_edu.nn.losses.similarity import Distance
from tinygrad_edu.nn.losses.similarity import MarginRankingLoss as MarginRankingLoss
from tinygrad_edu.nn.losses.similarity import TripletMarginLoss as TripletMarginLoss
from tinygrad_edu.nn.losses.similarity import TripletMarginWithDistanceLoss as TripletMarginWithDistanceLoss
from tinygrad_edu.ops import cross_entropy as cross_entropy

@overload
def huber_loss(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    reduction: Reduction = "mean",
    delta: float = 1.0,
    weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def huber_loss(
    input: PlainArrayLike,
    target: Tensor,
    reduction: Reduction = "mean",
    delta: float = 1.0,
    weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def huber_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction, delta: float, weight: Tensor
) -> Tensor: ...
@overload
def huber_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean", delta: float = 1.0, *, weight: Tensor
) -> Tensor: ...
@overload
def huber_loss(
    input: PlainArrayLike,
    target: PlainArrayLike,
    reduction: Reduction = "mean",
    delta: float = 1.0,
    weight: PlainArrayLike | None = None,
) -> Array: ...
@overload
def l1_loss(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    reduction: Reduction = "mean",
    weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def l1_loss(
    input: PlainArrayLike, target: Tensor, reduction: Reduction = "mean", weight: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def l1_loss(input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction, weight: Tensor) -> Tensor: ...
@overload
def l1_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean", *, weight: Tensor
) -> Tensor: ...
@overload
def l1_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean", weight: PlainArrayLike | None = None
) -> Array: ...
@overload
def mse_loss(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    reduction: Reduction = "mean",
    weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def mse_loss(
    input: PlainArrayLike, target: Tensor, reduction: Reduction = "mean", weight: Tensor | PlainArrayLike | None = None
) -> Tensor: ...
@overload
def mse_loss(input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction, weight: Tensor) -> Tensor: ...
@overload
def mse_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean", *, weight: Tensor
) -> Tensor: ...
@overload
def mse_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean", weight: PlainArrayLike | None = None
) -> Array: ...
@overload
def smooth_l1_loss(
    input: Tensor, target: Tensor | PlainArrayLike, reduction: Reduction = "mean", beta: float = 1.0
) -> Tensor: ...
@overload
def smooth_l1_loss(
    input: PlainArrayLike, target: Tensor, reduction: Reduction = "mean", beta: float = 1.0
) -> Tensor: ...
@overload
def smooth_l1_loss(
    input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean", beta: float = 1.0
) -> Array: ...
@overload
def binary_cross_entropy(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    weight: Tensor | PlainArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def binary_cross_entropy(
    input: PlainArrayLike, target: Tensor, weight: Tensor | PlainArrayLike | None = None, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def binary_cross_entropy(
    input: PlainArrayLike, target: PlainArrayLike, weight: Tensor, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def binary_cross_entropy(
    input: PlainArrayLike, target: PlainArrayLike, weight: PlainArrayLike | None = None, reduction: Reduction = "mean"
) -> Array: ...
@overload
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    weight: Tensor | PlainArrayLike | None = None,
    reduction: Reduction = "mean",
    pos_weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    input: PlainArrayLike,
    target: Tensor,
    weight: Tensor | PlainArrayLike | None = None,
    reduction: Reduction = "mean",
    pos_weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    input: PlainArrayLike,
    target: PlainArrayLike,
    weight: Tensor,
    reduction: Reduction = "mean",
    pos_weight: Tensor | PlainArrayLike | None = None,
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    input: PlainArrayLike,
    target: PlainArrayLike,
    weight: PlainArrayLike | None,
    reduction: Reduction,
    pos_weight: Tensor,
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    input: PlainArrayLike,
    target: PlainArrayLike,
    weight: PlainArrayLike | None = None,
    reduction: Reduction = "mean",
    *,
    pos_weight: Tensor,
) -> Tensor: ...
@overload
def binary_cross_entropy_with_logits(
    input: PlainArrayLike,
    target: PlainArrayLike,
    weight: PlainArrayLike | None = None,
    reduction: Reduction = "mean",
    pos_weight: PlainArrayLike | None = None,
) -> Array: ...
@overload
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    weight: Tensor | PlainArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def multilabel_soft_margin_loss(
    input: PlainArrayLike, target: Tensor, weight: Tensor | PlainArrayLike | None = None, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def multilabel_soft_margin_loss(
    input: PlainArrayLike, target: PlainArrayLike, weight: Tensor, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def multilabel_soft_margin_loss(
    input: PlainArrayLike, target: PlainArrayLike, weight: PlainArrayLike | None = None, reduction: Reduction = "mean"
) -> Array: ...
@overload
def nll_loss(
    input: Tensor,
    target: ArrayLike,
    weight: Tensor | PlainArrayLike | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def nll_loss(
    input: PlainArrayLike, target: ArrayLike, weight: Tensor, ignore_index: int = -100, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def nll_loss(
    input: PlainArrayLike,
    target: ArrayLike,
    weight: PlainArrayLike | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    var: Tensor | PlainArrayLike,
    full: bool = False,
    eps: float = 1e-06,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def gaussian_nll_loss(
    input: PlainArrayLike,
    target: Tensor,
    var: Tensor | PlainArrayLike,
    full: bool = False,
    eps: float = 1e-06,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def gaussian_nll_loss(
    input: PlainArrayLike,
    target: PlainArrayLike,
    var: Tensor,
    full: bool = False,
    eps: float = 1e-06,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def gaussian_nll_loss(
    input: PlainArrayLike,
    target: PlainArrayLike,
    var: PlainArrayLike,
    full: bool = False,
    eps: float = 1e-06,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def kl_div(
    input: Tensor, target: Tensor | PlainArrayLike, reduction: ReductionOfBatches = "mean", log_target: bool = False
) -> Tensor: ...
@overload
def kl_div(
    input: PlainArrayLike, target: Tensor, reduction: ReductionOfBatches = "mean", log_target: bool = False
) -> Tensor: ...
@overload
def kl_div(
    input: PlainArrayLike, target: PlainArrayLike, reduction: ReductionOfBatches = "mean", log_target: bool = False
) -> Array: ...
@overload
def poisson_nll_loss(
    input: Tensor,
    target: Tensor | PlainArrayLike,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-08,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def poisson_nll_loss(
    input: PlainArrayLike,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-08,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def poisson_nll_loss(
    input: PlainArrayLike,
    target: PlainArrayLike,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-08,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def hinge_embedding_loss(
    input: Tensor, target: ArrayLike, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def hinge_embedding_loss(
    input: PlainArrayLike, target: ArrayLike, margin: float = 1.0, reduction: Reduction = "mean"
) -> Array: ...
@overload
def multi_margin_loss(
    input: Tensor,
    target: ArrayLike,
    p: Literal[1, 2] = 1,
    margin: float = 1.0,
    weight: Tensor | PlainArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def multi_margin_loss(
    input: PlainArrayLike,
    target: ArrayLike,
    p: Literal[1, 2],
    margin: float,
    weight: Tensor,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def multi_margin_loss(
    input: PlainArrayLike,
    target: ArrayLike,
    p: Literal[1, 2] = 1,
    margin: float = 1.0,
    *,
    weight: Tensor,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def multi_margin_loss(
    input: PlainArrayLike,
    target: ArrayLike,
    p: Literal[1, 2] = 1,
    margin: float = 1.0,
    weight: PlainArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def multilabel_margin_loss(input: Tensor, target: ArrayLike, reduction: Reduction = "mean") -> Tensor: ...
@overload
def multilabel_margin_loss(input: PlainArrayLike, target: ArrayLike, reduction: Reduction = "mean") -> Array: ...
@overload
def soft_margin_loss(input: Tensor, target: Tensor | PlainArrayLike, reduction: Reduction = "mean") -> Tensor: ...
@overload
def soft_margin_loss(input: PlainArrayLike, target: Tensor, reduction: Reduction = "mean") -> Tensor: ...
@overload
def soft_margin_loss(input: PlainArrayLike, target: PlainArrayLike, reduction: Reduction = "mean") -> Array: ...
@overload
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor | PlainArrayLike,
    target: ArrayLike,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def cosine_embedding_loss(
    input1: PlainArrayLike, input2: Tensor, target: ArrayLike, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def cosine_embedding_loss(
    input1: PlainArrayLike,
    input2: PlainArrayLike,
    target: ArrayLike,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor | PlainArrayLike,
    target: Tensor | PlainArrayLike,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def margin_ranking_loss(
    input1: PlainArrayLike,
    input2: Tensor,
    target: Tensor | PlainArrayLike,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def margin_ranking_loss(
    input1: PlainArrayLike, input2: PlainArrayLike, target: Tensor, margin: float = 0.0, reduction: Reduction = "mean"
) -> Tensor: ...
@overload
def margin_ranking_loss(
    input1: PlainArrayLike,
    input2: PlainArrayLike,
    target: PlainArrayLike,
    margin: float = 0.0,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor | PlainArrayLike,
    negative: Tensor | PlainArrayLike,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def triplet_margin_loss(
    anchor: PlainArrayLike,
    positive: Tensor,
    negative: Tensor | PlainArrayLike,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def triplet_margin_loss(
    anchor: PlainArrayLike,
    positive: PlainArrayLike,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def triplet_margin_loss(
    anchor: PlainArrayLike,
    positive: PlainArrayLike,
    negative: PlainArrayLike,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor | PlainArrayLike,
    negative: Tensor | PlainArrayLike,
    *,
    distance_function: Distance = ...,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def triplet_margin_with_distance_loss(
    anchor: PlainArrayLike,
    positive: Tensor,
    negative: Tensor | PlainArrayLike,
    *,
    distance_function: Distance = ...,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def triplet_margin_with_distance_loss(
    anchor: PlainArrayLike,
    positive: PlainArrayLike,
    negative: Tensor,
    *,
    distance_function: Distance = ...,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Tensor: ...
@overload
def triplet_margin_with_distance_loss(
    anchor: PlainArrayLike,
    positive: PlainArrayLike,
    negative: PlainArrayLike,
    *,
    distance_function: Distance = ...,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array: ...
@overload
def ctc_loss(
    log_probs: Tensor,
    targets: ArrayLike,
    input_lengths: ArrayLike,
    target_lengths: ArrayLike,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor: ...
@overload
def ctc_loss(
    log_probs: PlainArrayLike,
    targets: ArrayLike,
    input_lengths: ArrayLike,
    target_lengths: ArrayLike,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Array: ...
