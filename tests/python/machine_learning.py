"""Prints the numbers that `udfs/src/pca.rs`, `standard_scaler.rs` and the metrics beside them expect: `python3 machine_learning.py`, with
scikit-learn 1.9 and NumPy 2.4."""

import numpy
from sklearn import metrics
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


def part(i, factor, modulus):
    """The numbers of `udfs/src/support/testing.rs`."""
    return i * factor % modulus / modulus


def vector(i):
    x1, x2, x3 = part(i, 37, 101), part(i, 53, 89) * 5.0 - 2.0, part(i, 17, 97) * 100.0
    return [x1, x2, x3, 0.5 * x1 - 0.25 * x2 + part(i, 71, 103), 7.25, part(i, 29, 107) + 1000.0]


def show(name, values):
    print(name, [float(value) for value in numpy.ravel(values)])


x = numpy.array([vector(i) for i in range(40)])
scaler = StandardScaler().fit(x)
show("mean", scaler.mean_)
show("std", numpy.sqrt(scaler.var_ * 40 / 39))
scores = (x - scaler.mean_) / numpy.where(scaler.var_ > 0, numpy.sqrt(scaler.var_ * 40 / 39), numpy.inf)
show("scores of the first row", scores[0])
for name, rows in [("raw", x), ("scaled", scores)]:
    pca = PCA(3, svd_solver="full").fit(rows)
    show(f"{name} components", pca.components_)
    show(f"{name} explained variance", pca.explained_variance_)
    show(f"{name} ratio", pca.explained_variance_ratio_)
    show(f"{name} projection of the first row", pca.transform(rows[:1]))

y = numpy.array([part(i, 37, 101) * 10.0 for i in range(40)])
yhat = numpy.array([part(i, 37, 101) * 10.0 + part(i, 53, 89) - 0.25 for i in range(40)])
show("rmse", metrics.root_mean_squared_error(y, yhat))
show("mean absolute error", metrics.mean_absolute_error(y, yhat))
show("r2", metrics.r2_score(y, yhat))
label = [i * 7 % 3 for i in range(40)]
weights = numpy.array([[part(i, 37, 101) + 0.0625, part(i, 53, 89), part(i, 17, 97)] for i in range(40)])
probabilities = weights / weights.sum(axis=1, keepdims=True)
show("log loss", metrics.log_loss(label, probabilities))
is_first = numpy.array(label) == 0
show("log loss of the first class", metrics.log_loss(is_first, probabilities[:, 0]))
show("accuracy", metrics.accuracy_score(label, probabilities.argmax(axis=1)))
show("auc", metrics.roc_auc_score(is_first, numpy.floor(probabilities[:, 0] * 8)))
