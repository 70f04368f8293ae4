"""The estimators pass scikit-learn's own checks, and work in pipelines, searches and with DataFrames."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.effort import with_each
from tinygrad_edu import nn, optim
from tinygrad_edu.data import load_embedded
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.interop.sklearn import Classifier, Regressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
LABELS = np.where(X[:, 0] + X[:, 1] > 0, "high", "low")


def with_dropout(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, n_outputs))


def digits_network(n_features, n_outputs):
    return nn.Sequential(nn.Unflatten(1, (1, 28, 28)), nn.Conv2D(1, 4, 5, stride=3), nn.ReLU(), nn.Flatten(),
                         nn.Linear(4 * 8 * 8, n_outputs))  # fmt: skip


@pytest.mark.thorough
@parametrize_with_checks([Classifier(epochs=40), Regressor(epochs=60)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [Classifier, Regressor])
def test_a_seed_gives_the_same_result_and_none_another(estimator):
    y = LABELS if estimator is Classifier else X[:, 0]
    outputs = "predict_proba" if estimator is Classifier else "predict"

    def fitted(seed):
        return getattr(estimator(with_dropout, epochs=3, random_state=seed).fit(X, y), outputs)(X)

    np.testing.assert_array_equal(fitted(1), fitted(1))
    assert not np.array_equal(fitted(1), fitted(2))
    assert not np.array_equal(fitted(None), fitted(None))


def test_a_classifier_learns_labels_of_any_kind():
    model = Classifier(with_dropout, epochs=30, random_state=0).fit(X, LABELS)
    assert model.score(X, LABELS) > 0.9
    assert model.classes_.tolist() == ["high", "low"]
    assert model.history_[-1] < model.history_[0] / 2
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(model.decision_function(X), np.log(probabilities[:, 1] / probabilities[:, 0]))
    np.testing.assert_array_equal(model.predict_proba(X), probabilities)  # without dropout
    assert isinstance(model.module_, nn.Module)


def test_a_regressor_predicts_in_the_shape_of_its_targets():
    targets = np.stack([X[:, 0], X[:, 1] - X[:, 2]], 1)
    model = Regressor(random_state=0, epochs=40).fit(X, targets)
    assert model.predict(X).shape == (60, 2)
    assert model.score(X, targets) > 0.9
    assert model.fit(X, targets[:, 0]).predict(X).shape == (60,)


@pytest.mark.thorough
def test_pipelines_searches_and_data_frames():
    table = pd.DataFrame(100 * X + 7, columns=["a", "b", "c"])
    pipeline = make_pipeline(StandardScaler(), Classifier(epochs=20, random_state=0))
    assert cross_val_score(pipeline, table, LABELS, cv=3).mean() > 0.85
    search = GridSearchCV(
        pipeline, {"classifier__lr": [1e-5, 1e-2], "classifier__optimizer": [optim.SGD, optim.AdamW]}, cv=2
    ).fit(table, LABELS)
    assert search.best_params_ == {"classifier__lr": 1e-2, "classifier__optimizer": optim.AdamW}
    alone = Regressor(epochs=1).fit(table, X[:, 0])
    assert alone.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        alone.predict(table.rename(columns={"a": "d"}))


WIDE = {
    "too many": lambda a, b: nn.Linear(a, b + 2),
    "too few": lambda a, b: nn.Linear(a, b - 1),
    "no axis": lambda a, b: nn.Sequential(nn.Linear(a, 1), nn.Flatten(0)),
    "another axis": lambda a, b: nn.Sequential(nn.Linear(a, b), nn.Unflatten(1, (b, 1))),
    "pair": nn.GRU,
    "arrays": lambda a, b: nn.Sequential(nn.Linear(a, b), nn.Lambda(lambda x: x.numpy())),
}


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize(("estimator", "y", "count"), [
    (Classifier, LABELS, 2), (Classifier, np.arange(60) % 3, 3), (Regressor, X[:, :2], 2)
])  # fmt: skip
def test_a_module_with_other_outputs_is_refused(estimator, y, count, name):
    with pytest.raises(
        ShapeError, match=rf"^{estimator.__name__}: the module must map \(2, 3\) to \(2, {count}\), .* got"
    ):
        estimator(WIDE[name], epochs=1).fit(X, y)


@with_each(("settings", "message"), [
    ({"module": nn.Linear(3, 2)}, "module must be a function that returns a new Module, .*, got a Linear"),
    ({"module": "mlp"}, "module must be a function"), ({"module": None}, "module must be a function"),
    ({"module": lambda: nn.Linear(3, 2)}, r"module must be a function .*, got <lambda>\(\)"),
    ({"module": lambda a, b: None}, "module must return a Module, got a NoneType"),
    ({"optimizer": "adam"}, "optimizer must be a class, such as optim.Adam, or a function, got 'adam'"),
    ({"optimizer": optim.SGD(nn.Linear(3, 2).parameters())}, "optimizer must be a class"),
    ({"optimizer": lambda parameters, lr: None}, "optimizer must be an Optimizer"),
    ({"epochs": 2.5}, "epochs must be an integer"), ({"batch_size": "8"}, "batch_size must be an integer"),
])  # fmt: skip
@with_each(("estimator", "y"), [(Classifier, LABELS), (Regressor, X[:, 0])])
def test_a_wrong_setting_is_named(estimator, y, settings, message):
    with pytest.raises(DTypeError, match=f"^{message}"):
        estimator(**{"epochs": 1, **settings}).fit(X, y)


def test_images_are_rows_of_pixels():
    digits = load_embedded()
    x, y = digits.x_train.reshape(len(digits.x_train), -1) / 255, digits.y_train
    model = Classifier(digits_network, epochs=5, random_state=0).fit(x[:400], y[:400])
    assert model.score(x[400:600], y[400:600]) > 0.7
    assert "module=<function digits_network" in repr(clone(model))
    with pytest.raises(NotFittedError):
        clone(model).predict(x)


@pytest.mark.thorough
def test_without_scikit_learn_the_error_names_the_extra():
    program = "import sys; sys.modules['sklearn'] = None; import tinygrad_edu.interop.sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MissingExtraError: tinygrad_edu.interop.sklearn requires scikit-learn: run" in done.stderr
    assert '".[sklearn]"' in done.stderr
