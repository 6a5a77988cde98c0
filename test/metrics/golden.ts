/** Metrics of one device against scikit-learn's values: in one call, and in batches through the streaming classes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, type DType, tensor } from 'wgrad';
import * as metrics from 'wgrad/metrics';
import golden from '../golden/metrics.json';
import { type Allowed, requireClose } from '../proofs/compare';

type Value = number | string;
type Rows = readonly number[] | readonly (readonly number[])[];

function numbers(values: readonly Value[]): number[] {
	return values.map(Number);
}

export function proveMetrics(device: Device, dtype: DType, allowed: Allowed): void {
	const ints = (values: readonly number[]) => tensor(Int32Array.from(values), { device });
	const floats = (values: Rows) => tensor(values as number[], { device, dtype });
	const close = (what: string, actual: number, expected: Value) => requireClose(what, [actual], [Number(expected)], allowed);

	/** The metric over three batches, twice, with a reset between. */
	async function streamed<R>(metric: metrics.Metric<R>, prediction: Rows, target: Rows, integer: boolean): Promise<R> {
		const size = target.length;
		const cuts = [0, Math.ceil(size / 3), Math.ceil(size / 2), size];
		let result: R | undefined;
		for (let round = 0; round < 2; round++) {
			metric.reset();
			for (let i = 0; i < 3; i++) {
				const [a, b] = [prediction.slice(cuts[i], cuts[i + 1]) as Rows, target.slice(cuts[i], cuts[i + 1]) as Rows];
				if (a.length === 0) continue;
				const classes = a.length > 0 && !integer;
				metric.update(
					classes ? floats(a) : ints(a as number[]),
					typeof b[0] === 'number' && isTarget(metric) ? ints(b as number[]) : floats(b),
				);
			}
			result = await metric.compute();
		}
		metric.reset();
		return result!;
	}

	function isTarget(metric: unknown): boolean {
		return !(
			metric instanceof metrics.MeanSquaredError ||
			metric instanceof metrics.MeanAbsoluteError ||
			metric instanceof metrics.R2Score
		);
	}

	for (const [name, sample] of Object.entries(golden.labels)) {
		test(`classes: ${name}`, async () => {
			const [prediction, target] = [ints(sample.prediction), ints(sample.target)];
			close('accuracy', await metrics.accuracy(prediction, target), sample.accuracy);
			close('accuracy', await streamed(new metrics.Accuracy(), sample.prediction, sample.target, true), sample.accuracy);
			assert.equal(await metrics.confusionMatrix(prediction, target), sample.confusion);
			const numClasses = sample.confusion.length;
			const confusion = new metrics.ConfusionMatrix({ numClasses });
			assert.equal(await streamed(confusion, sample.prediction, sample.target, true), sample.confusion);
			const expected = sample as unknown as Record<string, Value | undefined>;
			for (const average of ['binary', 'micro', 'macro', 'weighted'] as const) {
				for (const zeroDivision of [0, 1] as const) {
					const of = { precision: metrics.precision, recall: metrics.recall, f1: metrics.f1 };
					for (const [key, metric] of Object.entries(of)) {
						const value = expected[`${key} ${average} ${zeroDivision}`];
						if (value === undefined) continue;
						close(`${key}, ${average}`, await metric(prediction, target, { average, zeroDivision }), value);
					}
				}
			}
			const f1 = new metrics.F1({ numClasses, average: 'macro' });
			close('f1', await streamed(f1, sample.prediction, sample.target, true), expected['f1 macro 0']!);
		});
	}

	for (const [name, sample] of Object.entries(golden.scores)) {
		test(`scores: ${name}`, async () => {
			const [scores, target] = [floats(sample.scores), ints(sample.target)];
			for (const roc of [
				await metrics.rocCurve(scores, target),
				await streamed(new metrics.RocCurve(), sample.scores, sample.target, false),
			]) {
				requireClose('fpr', roc.fpr, numbers(sample.roc.fpr), allowed);
				requireClose('tpr', roc.tpr, numbers(sample.roc.tpr), allowed);
				// Later versions of scikit-learn start at infinity; 1.2 starts at the highest score + 1.
				requireClose('thresholds', roc.thresholds.slice(1), sample.roc.thresholds.slice(1), allowed);
				assert.is(roc.thresholds[0], Number.POSITIVE_INFINITY);
			}
			close('auc', await metrics.rocAuc(scores, target), sample.auc);
			close('auc', await streamed(new metrics.RocAuc(), sample.scores, sample.target, false), sample.auc);
			close('average precision', await metrics.averagePrecision(scores, target), sample.averagePrecision);
			// Scores of 0 and 1 are clipped at the machine epsilon of the dtype.
			if (dtype === 'float64' || sample.scores.every((score) => score > 0 && score < 1)) {
				close('log loss', await metrics.logLoss(scores, target), sample.logLoss);
				close('log loss', await streamed(new metrics.LogLoss(), sample.scores, sample.target, false), sample.logLoss);
			}
		});
	}

	for (const [name, sample] of Object.entries(golden.ranked)) {
		test(`ranked: ${name}`, async () => {
			const [scores, target] = [floats(sample.scores), ints(sample.target)];
			for (const [i, expected] of sample.topK.entries()) {
				close(`top ${i + 1}`, await metrics.topKAccuracy(scores, target, { k: i + 1 }), expected);
			}
			const streaming = new metrics.TopKAccuracy({ k: 2 });
			close('top 2', await streamed(streaming, sample.scores, sample.target, false), sample.topK[1]!);
			if (dtype === 'float64') close('log loss', await metrics.logLoss(scores, target), sample.logLoss);
		});
	}

	for (const [name, sample] of Object.entries(golden.regression)) {
		test(`regression: ${name}`, async () => {
			const [prediction, target] = [floats(sample.prediction), floats(sample.target)];
			close('mse', await metrics.meanSquaredError(prediction, target), sample.mse);
			close('mae', await metrics.meanAbsoluteError(prediction, target), sample.mae);
			close('r2', await metrics.r2Score(prediction, target), sample.r2);
			close('mse', await streamed(new metrics.MeanSquaredError(), sample.prediction, sample.target, false), sample.mse);
			close('r2', await streamed(new metrics.R2Score(), sample.prediction, sample.target, false), sample.r2);
		});
	}
}
