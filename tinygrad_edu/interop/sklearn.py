"""Estimators of scikit-learn that train a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from tinygrad_edu import nn, optim
from tinygrad_edu.data import DataLoader
from tinygrad_edu.engine import Array, Tensor, no_grad
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.extras import missing_extra
from tinygrad_edu.ops import softmax
from tinygrad_edu.training import evaluating, fit
from tinygrad_edu.training.arguments import argument_error, takes

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise missing_extra("tinygrad_edu.interop.sklearn requires scikit-learn", "sklearn") from error

__all__ = ["Classifier", "Regressor", "multilayer_perceptron"]

Factory = Callable[[int, int], nn.Module]


def multilayer_perceptron(n_features: int, n_outputs: int) -> nn.Module:
    """Return a network with one hidden layer of 100 units and ReLU, the default `module` of the estimators.

    Parameters
    ----------
    n_features : int
        Number of columns of X.
    n_outputs : int
        Number of classes or targets.

    Examples
    --------
    >>> multilayer_perceptron(3, 2)(np.ones((5, 3))).shape
    (5, 2)
    """
    return nn.Sequential(nn.Linear(n_features, 100), nn.ReLU(), nn.Linear(100, n_outputs))


class _Estimator(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Training and evaluation of a module in float64."""

    def __init__(
        self, module: Factory = multilayer_perceptron, *, optimizer: Callable[..., optim.Optimizer] = optim.Adam,
        lr: float = 1e-2, epochs: int = 100, batch_size: int = 32, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.module, self.optimizer, self.lr = module, optimizer, lr
        self.epochs, self.batch_size, self.random_state = epochs, batch_size, random_state

    def _train(self, x: Array, y: Array, n_outputs: int, loss: Callable[..., Any]) -> None:
        seed = check_random_state(self.random_state).randint(2**31, size=4)
        rng = np.random.default_rng(seed)
        self._require_factories()
        with nn.random_stream(rng):
            model = self.module(x.shape[1], n_outputs)
        if not isinstance(model, nn.Module):
            raise DTypeError(f"module must return a Module, got a {type(model).__name__}.")
        self.module_ = model.astype(np.float64).train()
        self._require_outputs(x[:2], n_outputs)
        batches = DataLoader(x, y, batch_size=self.batch_size, rng=rng)
        optimizer = self.optimizer(model.parameters(), lr=self.lr)
        self.history_ = [epoch.loss for epoch in fit(model, optimizer, loss, batches, self.epochs, rng=rng)]

    def _require_factories(self) -> None:
        is_factory = isinstance(self.module, type) or takes(2)(self.module)
        if isinstance(self.module, nn.Module) or not is_factory:
            example = "lambda n_features, n_outputs: nn.Linear(n_features, n_outputs)"
            raise argument_error("module", f"a function that returns a new Module, such as {example}", self.module)
        if not callable(self.optimizer):
            raise argument_error("optimizer", "a class, such as optim.Adam, or a function", self.optimizer)

    def _require_outputs(self, x: Array, n_outputs: int) -> None:
        """Raise ShapeError unless the module returns as many outputs as there are classes or targets."""
        with evaluating(self.module_), no_grad():
            out = self.module_(x)
        shape = out.shape if isinstance(out, Tensor) else f"a {type(out).__name__}"
        if shape != (len(x), n_outputs):
            raise ShapeError(
                f"{type(self).__name__}: the module must map ({len(x)}, {x.shape[1]}) to ({len(x)}, {n_outputs}), with "
                f"an output for each class or target, got {shape}. Use both arguments of the function module: the "
                f"numbers of features and of outputs."
            )

    def _outputs(self, x: Any) -> Array:
        """Return the outputs of the trained module in evaluation mode."""
        check_is_fitted(self)
        x = validate_data(self, x, dtype=np.float64, reset=False)
        with evaluating(self.module_), no_grad():
            return np.asarray(self.module_(x).numpy())


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """Classifier of scikit-learn: a module that is trained with cross entropy.

    Parameters
    ----------
    module : callable, default multilayer_perceptron
        Function of the number of features and of classes that returns a new module. It maps (N, n_features) float64
        inputs to (N, n_classes) logits.
    optimizer : callable, default optim.Adam
        Class of the optimizer, or a function: called with the parameters and ``lr=``.
    lr : float, default 1e-2
        Learning rate.
    epochs : int, default 100
        Number of passes over the data.
    batch_size : int, default 32
        Number of samples in a step.
    random_state : int, RandomState or None, default None
        Seed of the initial parameters, the order of the samples and dropout. With an integer, each fit gives the same
        result.

    Attributes
    ----------
    module_ : Module
        The trained module.
    classes_ : ndarray, shape (n_classes,)
        The labels.
    history_ : list of float
        The loss of each epoch.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray
        Names of the columns, if X was a DataFrame with strings as names.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [9.0], [10.0]])
    >>> model = Classifier(random_state=0, epochs=20).fit(x, ["low", "low", "high", "high"])
    >>> model.predict([[0.5], [9.5]]).tolist()
    ['low', 'high']
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new module on X, shape (N, n_features), and y, N labels of any kind. Return the estimator.

        Raises
        ------
        DTypeError, ShapeError
            `module` or `optimizer` is no function, or the module does not return a logit for each class.
        """
        x, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._train(x, labels, len(self.classes_), nn.cross_entropy)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the logits (N, n_classes); for two classes, the logits (N,) of the second against the first."""
        logits = self._outputs(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (N, n_classes)."""
        return np.asarray(softmax(self._outputs(X), 1))

    def predict(self, X: Any) -> Array:
        """Return the most likely label of each sample."""
        best = self._outputs(X).argmax(1)
        return np.asarray(self.classes_[best])


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """Regressor of scikit-learn: a module that is trained with the mean squared error.

    Scale features and targets to about 1, as with a `StandardScaler` and a `TransformedTargetRegressor`.

    Parameters
    ----------
    module : callable, default multilayer_perceptron
        Function of the number of features and of targets that returns a new module. It maps (N, n_features) float64
        inputs to (N, n_targets) outputs.
    optimizer : callable, default optim.Adam
        Class of the optimizer, or a function: called with the parameters and ``lr=``.
    lr : float, default 1e-2
        Learning rate.
    epochs : int, default 100
        Number of passes over the data.
    batch_size : int, default 32
        Number of samples in a step.
    random_state : int, RandomState or None, default None
        Seed of the initial parameters, the order of the samples and dropout. With an integer, each fit gives the same
        result.

    Attributes
    ----------
    module_ : Module
        The trained module.
    history_ : list of float
        The loss of each epoch.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray
        Names of the columns, if X was a DataFrame with strings as names.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)[:, np.newaxis]
    >>> model = Regressor(random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(model.score(x, x[:, 0] ** 2) > 0.95)
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new module on X, shape (N, n_features), and y, shape (N,) or (N, n_targets). Return the estimator.

        Raises
        ------
        DTypeError, ShapeError
            `module` or `optimizer` is no function, or the module does not return an output for each target.
        """
        x, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._is_flat = y.ndim == 1
        targets = np.asarray(y, np.float64).reshape(len(x), -1)
        self._train(x, targets, targets.shape[1], nn.mse_loss)
        return self

    def predict(self, X: Any) -> Array:
        """Return the outputs, in the shape of the targets."""
        out = self._outputs(X)
        return out[:, 0] if self._is_flat else out
