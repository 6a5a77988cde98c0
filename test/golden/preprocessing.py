"""Preprocessing by scikit-learn 1.2 and SciPy: writes preprocessing.json beside this script, inputs and values.

    /usr/bin/python3 test/golden/preprocessing.py        (Debian: python3-sklearn)
"""
import json
import math
import os
import warnings

import numpy as np
from scipy import stats
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, OneHotEncoder, StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.simplefilter("ignore")
rng = np.random.default_rng(11)


def plain(value):
    """Replaces NaN by the text 'NaN'."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    value = float(value)
    return "NaN" if math.isnan(value) else value


def exact(x):
    """Rounds to float32."""
    return np.asarray(x, dtype=np.float32).astype(np.float64)


def table(rows):
    """Ordinary, far from zero with little variance, constant, constant and not exact, and large columns."""
    return exact(
        np.stack(
            [
                rng.normal(size=rows),
                10000 + rng.normal(size=rows) / 16,
                np.full(rows, 3.0),
                np.full(rows, 0.1),
                rng.random(rows) * 1e6 - 3e5,
            ],
            axis=1,
        )
    )


def with_gaps(x, share=0.25):
    x = x.copy()
    x[rng.random(x.shape) < share] = np.nan
    return x


def scaled(x, other):
    result = {"x": plain(x), "other": plain(other), "standard": [], "minMax": []}
    for mean, std in ((True, True), (False, True), (True, False)):
        scaler = StandardScaler(with_mean=mean, with_std=std).fit(x)
        result["standard"].append(
            {
                "withMean": mean,
                "withStd": std,
                "mean": plain(scaler.mean_) if scaler.mean_ is not None else None,
                "variance": plain(scaler.var_) if scaler.var_ is not None else None,
                "scale": plain(scaler.scale_) if scaler.scale_ is not None else None,
                "transformed": plain(scaler.transform(other)),
                "inverse": plain(scaler.inverse_transform(other)),
                "partial": plain(StandardScaler(with_mean=mean, with_std=std).partial_fit(x).partial_fit(other).transform(x)),
            }
        )
    for span, clip in (((0, 1), False), ((-2, 3), False), ((0, 1), True)):
        scaler = MinMaxScaler(feature_range=span, clip=clip).fit(x)
        result["minMax"].append(
            {
                "featureRange": span,
                "clip": clip,
                "dataMin": plain(scaler.data_min_),
                "dataMax": plain(scaler.data_max_),
                "scale": plain(scaler.scale_),
                "transformed": plain(scaler.transform(other)),
                "inverse": plain(scaler.inverse_transform(other)),
                "partial": plain(MinMaxScaler(feature_range=span, clip=clip).partial_fit(x).partial_fit(other).transform(x)),
            }
        )
    return result


def imputed(x, **options):
    cases = []
    for strategy in ("mean", "median", "most_frequent", "constant"):
        for keep in (False, True):
            imputer = SimpleImputer(strategy=strategy, keep_empty_features=keep, fill_value=7.5 if strategy == "constant" else None, **options)
            cases.append(
                {
                    "strategy": strategy,
                    "keep": keep,
                    "transformed": plain(imputer.fit_transform(x)),
                    "statistics": plain(imputer.statistics_),
                }
            )
    return {"x": plain(x), "missing": plain(options.get("missing_values", np.nan)), "cases": cases}


def outliers(x):
    with np.errstate(all="ignore"):
        z = np.abs(stats.zscore(x, axis=0, nan_policy="omit"))
    first, third = np.nanquantile(x, [0.25, 0.75], axis=0)
    far = 1.5 * (third - first)
    return {
        "x": plain(x),
        "z2": plain(np.asarray(z) > 2),
        "iqr": plain((x < first - far) | (x > third + far)),
        "clipped": plain(np.clip(x, first - far, third + far)),
    }


def one_hot(rows, other, **options):
    encoder = OneHotEncoder(sparse_output=False, **options).fit(np.array(rows, dtype=object))
    encoded = encoder.transform(np.array(other, dtype=object))
    return {
        "rows": plain(rows),
        "other": plain(other),
        "drop": {"if_binary": "ifBinary"}.get(options.get("drop"), options.get("drop")),
        "handleUnknown": options.get("handle_unknown", "error"),
        "categories": [plain(list(c)) for c in encoder.categories_],
        "encoded": plain(encoded),
        "inverse": plain(encoder.inverse_transform(encoded).tolist()),
        "names": [str(name) for name in encoder.get_feature_names_out()],
    }


def labels(values, other):
    encoder = LabelEncoder().fit(values)
    return {"values": values, "other": other, "classes": encoder.classes_.tolist(), "encoded": encoder.transform(other).tolist()}


def main():
    ties = exact([[1, np.nan, np.nan, 4], [2, 5, np.nan, 4], [2, 6, np.nan, np.nan], [1, 8, np.nan, 3], [np.nan, 6.5, np.nan, 3]])
    spread = exact(np.concatenate([rng.normal(size=(57, 3)), [[9, 0, -7], [-8, 6, 0]]]) * [1, 30, 0.01])
    colours = [["red", 3], ["green", 1], ["blue", 2], ["green", 2], ["red", 1]]
    golden = {
        "scaling": {
            "ordinary": scaled(table(33), table(5)),
            "with gaps": scaled(with_gaps(table(33)), with_gaps(table(5))),
            "one sample": scaled(table(1), table(3)),
            "two samples": scaled(table(2), table(3)),
        },
        "imputing": {
            "ties and an empty column": imputed(ties),
            "gaps": imputed(with_gaps(table(17))),
            "missing is -1": imputed(np.where(np.isnan(ties), -1, ties), missing_values=-1),
        },
        "outliers": {
            "spread": outliers(spread),
            "gaps": outliers(with_gaps(spread)),
            "constant": outliers(table(9)[:, 2:4]),
        },
        "oneHot": {
            "plain": one_hot(colours, colours),
            "unknown": one_hot(colours, [["red", 9], ["pink", 2]], handle_unknown="ignore"),
            "drop first": one_hot(colours, colours, drop="first"),
            "drop binary": one_hot([["a", 1], ["b", 2], ["a", 3]], [["b", 3], ["a", 1]], drop="if_binary"),
        },
        "labels": {
            "strings": labels(["paris", "Tokyo", "amsterdam", "paris", "Zürich"], ["Tokyo", "Tokyo", "paris", "Zürich"]),
            "numbers": labels([10, 2, -1.5, 2], [-1.5, 10, 2, 2]),
        },
    }
    with open(os.path.join(HERE, "preprocessing.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))


main()
