"""Metrics by scikit-learn 1.2: writes metrics.json beside this script, inputs and values.

    /usr/bin/python3 test/golden/metrics.py        (Debian: python3-sklearn)
"""
import json
import math
import os
import warnings

import numpy as np
from sklearn import metrics

HERE = os.path.dirname(os.path.abspath(__file__))
warnings.simplefilter("ignore")
rng = np.random.default_rng(7)
AVERAGES = ["micro", "macro", "weighted"]


def plain(value):
    """Replaces NaN, which JSON lacks, by the text 'NaN'."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    value = float(value)
    return "NaN" if math.isnan(value) else value


def labels(target, prediction):
    classes = int(max(target.max(), prediction.max())) + 1
    result = {"target": target.tolist(), "prediction": prediction.tolist()}
    result["accuracy"] = plain(metrics.accuracy_score(target, prediction))
    result["confusion"] = metrics.confusion_matrix(target, prediction, labels=range(classes)).tolist()
    averages = AVERAGES + (["binary"] if classes <= 2 else [])
    for zero in (0, 1):
        for average in averages:
            for name, function in (("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score)):
                result[f"{name} {average} {zero}"] = plain(function(target, prediction, average=average, zero_division=zero))
    return result


def scored(target, scores):
    result = {"target": target.tolist(), "scores": scores.tolist()}
    fpr, tpr, thresholds = metrics.roc_curve(target, scores)
    result["roc"] = {"fpr": plain(fpr), "tpr": plain(tpr), "thresholds": plain(thresholds)}
    # Undefined if only one class occurs: scikit-learn raises, later versions return NaN.
    result["auc"] = plain(metrics.roc_auc_score(target, scores)) if 0 < target.sum() < len(target) else "NaN"
    result["averagePrecision"] = plain(metrics.average_precision_score(target, scores))
    result["logLoss"] = plain(metrics.log_loss(target, scores, labels=[0, 1]))
    return result


def ranked(target, scores):
    classes = scores.shape[1]
    result = {"target": target.tolist(), "scores": scores.tolist()}
    result["logLoss"] = plain(metrics.log_loss(target, scores, labels=range(classes)))
    result["topK"] = [
        plain(metrics.top_k_accuracy_score(target, scores, k=k, labels=range(classes))) for k in range(1, classes + 1)
    ]
    return result


def regression(target, prediction):
    return {
        "target": target.tolist(),
        "prediction": prediction.tolist(),
        "mse": plain(metrics.mean_squared_error(target, prediction)),
        "mae": plain(metrics.mean_absolute_error(target, prediction)),
        "r2": plain(metrics.r2_score(target, prediction)),
    }


def dyadic(*shape):
    """Multiples of 1/64, which float32 holds and which often tie."""
    return np.round(rng.random(shape) * 64) / 64


def main():
    rare = (rng.random(97) < 0.08).astype(int)
    many = rng.choice(6, size=65, p=[0.6, 0.2, 0.1, 0.06, 0.04, 0.0])
    zeros, ones = np.zeros(9, int), np.ones(9, int)
    golden = {
        "labels": {
            "rare class": labels(rare, (rng.random(97) < 0.15).astype(int) | (rare & (rng.random(97) < 0.7))),
            "never predicted": labels(rare, np.zeros(97, int)),
            "only negatives": labels(zeros, zeros),
            "only positives": labels(ones, ones),
            "all wrong": labels(zeros, ones),
            "one sample": labels(np.array([1]), np.array([1])),
            "six classes": labels(many, np.where(rng.random(65) < 0.6, many, rng.integers(0, 4, 65))),
            "a class predicted but absent": labels(np.array([0, 0, 1, 1, 3]), np.array([0, 2, 2, 1, 0])),
        },
        "scores": {
            "rare class": scored(rare, np.clip(dyadic(97) * 0.5 + rare * 0.25, 0, 1)),
            "ties": scored(np.array([0, 1, 1, 0, 1, 0, 0]), np.array([0.5, 0.5, 0.25, 0.25, 0.75, 0.5, 0.0])),
            "all equal": scored(np.array([0, 1, 1]), np.array([0.5, 0.5, 0.5])),
            "perfect": scored(np.array([0, 0, 1, 1]), np.array([0.0, 0.25, 0.75, 1.0])),
            "inverted": scored(np.array([1, 0, 0]), np.array([0.0, 0.5, 1.0])),
            "only negatives": scored(zeros, dyadic(9)),
            "only positives": scored(ones, dyadic(9)),
        },
        "ranked": {
            "six classes": ranked(many, dyadic(65, 6)),
            "ties and certainty": ranked(np.array([0, 1, 2, 2]), np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.25, 0.25, 0.5], [1, 0, 0]])),
        },
        "regression": {
            "line": regression(np.arange(33.0), np.arange(33.0) + dyadic(33)),
            "far from zero": regression(1000 + dyadic(65), 1000 + dyadic(65)),
            "two columns": regression(dyadic(17, 2), dyadic(17, 2)),
            "constant, met": regression(np.full(5, 2.0), np.full(5, 2.0)),
            "constant, missed": regression(np.full(5, 2.0), dyadic(5)),
            "one sample": regression(np.array([1.0]), np.array([1.5])),
        },
    }
    with open(os.path.join(HERE, "metrics.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))


main()
