"""Makes the reference values of the tests: pip install scikit-learn==1.9.1 statsmodels && python references.py"""
import numpy as np
from pathlib import Path
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

np.set_printoptions(precision=17, linewidth=110)


def mix(word):
    word = (word + np.uint64(0x9E3779B97F4A7C15))
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def uniform(seed, start, count):
    """Numbers from 0 to 1, the same as in the tests."""
    words = mix(np.uint64(seed) * np.uint64(1 << 32) + np.arange(start, start + count, dtype=np.uint64))
    return (words >> np.uint64(11)).astype(float) / 2.0**53


def normal(seed, count):
    """Nearly normal numbers: the sums of 12 uniform ones, less 6."""
    parts = uniform(seed, 0, 12 * count).reshape(count, 12)
    total = np.zeros(count)
    for part in range(12):
        total += parts[:, part]
    return total - 6.0


def clouds(rows, columns, clusters, width, seed):
    """Rows around random centres, and which centre each is around."""
    centres = (uniform(seed, 0, clusters * columns).reshape(clusters, columns) - 0.5) * width
    of_row = np.minimum((uniform(seed + 1, 0, rows) * clusters).astype(int), clusters - 1)
    return centres[of_row] + normal(seed + 2, rows * columns).reshape(rows, columns), of_row


def polished(x, y, c):
    """scikit-learn's answer, then Newton's steps in numpy until nothing changes: its own end where rounding lets its line search fail."""
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100000, solver="newton-cg").fit(x, y)
    rows, columns = x.shape
    design = np.c_[x, np.ones(rows)]
    classes = len(np.unique(y))
    penalty = np.r_[np.ones(columns), 0.0] / c
    if classes == 2:
        point = np.r_[model.coef_[0], model.intercept_]
        for _ in range(20):
            p = 1 / (1 + np.exp(-design @ point))
            hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
            point = point - np.linalg.solve(hessian, design.T @ (p - y) + penalty * point)
        covariance = np.linalg.inv(hessian)
        return model, point[None], np.sqrt(np.diag(covariance))[None]
    point = np.c_[model.coef_, model.intercept_]
    for _ in range(20):
        z = design @ point.T
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = (p - np.eye(classes)[y]).T @ design + penalty * point
        weights = np.einsum("rk,kl->rkl", p, np.eye(classes)) - p[:, :, None] * p[:, None, :]
        hessian = np.einsum("rkl,ri,rj->kilj", weights, design, design).reshape(point.size, point.size)
        hessian = hessian + np.diag(np.tile(penalty, classes))
        inverse = np.linalg.pinv(hessian, rcond=1e-13, hermitian=True)
        point = point - (inverse @ gradient.ravel()).reshape(point.shape)
    return model, point, np.sqrt(np.diag(inverse)).reshape(point.shape)


def show(name, values):
    print(f"// {name}")
    print(repr(np.asarray(values).ravel().tolist()))


if __name__ == "__main__":
    iris = np.loadtxt(Path(__file__).with_name("iris.csv"), delimiter=",", comments="#", skiprows=2)
    x, y = iris[:, :4], iris[:, 4].astype(int)
    for name, rows, labels, c in [
        ("iris, the last two species, C 1", x[50:], y[50:] - 1, 1.0),
        ("iris, the last two species, C 1e6", x[50:], y[50:] - 1, 1e6),
        ("iris, C 1", x, y, 1.0),
        ("iris, C 1e6", x, y, 1e6),
    ]:
        model, point, errors = polished(rows, labels, c)
        print("//", np.abs(np.c_[model.coef_, model.intercept_] - point).max())
        show(name, point)
        show("standard errors", errors)
    rest = OneVsRestClassifier(LogisticRegression(C=1.0, tol=1e-12, max_iter=100000, solver="newton-cg")).fit(x, y)
    show("one against the rest, probabilities of rows 0, 60, 133", rest.predict_proba(x)[[0, 60, 133]])
    x10, y10 = clouds(600, 16, 10, 4.0, 7)
    model, point, errors = polished(x10, y10, 1.0)
    print("//", np.abs(np.c_[model.coef_, model.intercept_] - point).max())
    show("ten classes, of class 0 and 9", point[[0, 9]])
    show("standard errors of class 0", errors[0])
    line = LinearRegression().fit(x[:, 1:], x[:, 0])
    show("line of the first column by the others", np.r_[line.intercept_, line.coef_])
    for columns, width in [(2, 6.0), (10, 3.0)]:
        points, _ = clouds(20000, columns, 8, width, 20 + columns)
        best = KMeans(8, n_init=50, random_state=0, tol=0, max_iter=1000).fit(points)
        print(f"// {columns} columns, width {width}: best cost {best.inertia_!r}, of {best.n_iter_} rounds")
        one = [KMeans(8, n_init=1, random_state=s).fit(points).inertia_ / best.inertia_ for s in range(10)]
        print("//", np.round(one, 5))
