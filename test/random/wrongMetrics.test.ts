/** Random wrong calls of the metrics and of `io` give one of the library's errors or a valid result. */
import { test } from 'uvu';
import * as w from 'wgrad';
import * as metrics from 'wgrad/metrics';
import { Some } from './calls';
import { misuse, type Run } from './wrong';

const labels = new Some([4], 'int32');
const flags = new Some([4], 'bool');
const scores = new Some([4, 3]);
const numbers = new Some([4]);
const columns = new Some([4, 2]);

type Arguments = readonly unknown[];
type Numbers = number | readonly Numbers[] | { readonly [name: string]: Numbers };

/** By the names of the class and the function: options, if any, and the contents of a batch. */
const METRICS: Readonly<Record<string, readonly [name: string, options: object | null, batch: Arguments]>> = {
	Accuracy: ['accuracy', null, [scores, labels]],
	TopKAccuracy: ['topKAccuracy', { k: 2 }, [scores, labels]],
	ConfusionMatrix: ['confusionMatrix', { numClasses: 3 }, [labels, labels]],
	Precision: ['precision', { numClasses: 3, average: 'macro', posLabel: 1, zeroDivision: 0 }, [labels, labels]],
	Recall: ['recall', { numClasses: 2, average: 'binary', posLabel: 0, zeroDivision: 1 }, [flags, flags]],
	F1: ['f1', { numClasses: 3, average: 'weighted' }, [scores, labels]],
	MeanSquaredError: ['meanSquaredError', null, [numbers, numbers]],
	MeanAbsoluteError: ['meanAbsoluteError', null, [columns, columns]],
	R2Score: ['r2Score', null, [columns, columns]],
	LogLoss: ['logLoss', null, [scores, labels]],
	RocCurve: ['rocCurve', null, [numbers, flags]],
	RocAuc: ['rocAuc', null, [numbers, flags]],
	AveragePrecision: ['averagePrecision', null, [numbers, flags]],
};

const STATES: Readonly<Record<string, object>> = {
	Accuracy: { count: 4, right: new Some([], 'int32') },
	TopKAccuracy: { count: 4, right: new Some([], 'int32') },
	ConfusionMatrix: { count: 0, numClasses: 3, counts: new Some([3, 3], 'int32') },
	Precision: { count: 0, numClasses: 2, counts: new Some([2, 2], 'int32') },
	Recall: { count: 0, numClasses: 2, counts: new Some([2, 2], 'int32') },
	F1: { count: 0, numClasses: 2, counts: new Some([2, 2], 'int32') },
	MeanSquaredError: { count: 4, total: new Some([]) },
	MeanAbsoluteError: { count: 4, total: new Some([]) },
	R2Score: { count: 4, residuals: new Some([2]), pivot: new Some([2]), mean: new Some([2]), deviations: new Some([2]) },
	LogLoss: { count: 4, total: new Some([]) },
	RocCurve: { batches: [numbers, flags] },
	RocAuc: { batches: [numbers, flags] },
	AveragePrecision: { batches: [numbers, flags] },
};

const library = metrics as unknown as Record<string, (...args: unknown[]) => unknown>;

function construct(name: string, ...args: unknown[]): metrics.Metric<Numbers> {
	return new (library[name] as unknown as new (...args: unknown[]) => metrics.Metric<Numbers>)(...args);
}

/** Throws unless all are numbers; NaN is allowed. */
function requireNumbers(found: Numbers): void {
	if (typeof found === 'object' && found !== null) for (const each of Object.values(found)) requireNumbers(each);
	else if (typeof found !== 'number') throw new Error(`gives ${String(found)}`);
}

function misuseAll(run: (name: string) => readonly [args: Arguments, run: Run]): Promise<void> {
	return misuse(Object.fromEntries(Object.keys(METRICS).map((name) => [name, run(name)])));
}

test('every metric has a correct call to start from', () => {
	const known = new Set(Object.entries(METRICS).flatMap(([name, [of]]) => [name, of]));
	const missing = Object.keys(metrics).filter((name) => !known.has(name));
	if (missing.length > 0) throw new Error(`no call of ${missing.join(', ')}`);
	// save writes files at any text: io/files.test.ts has its wrong calls.
	const functions = Object.keys(w.io).filter((name) => !(name in IO) && name !== 'save');
	if (functions.length > 0) throw new Error(`no call of ${functions.join(', ')}`);
});

test('functions of one batch', () =>
	misuseAll((name) => {
		const [of, options, batch] = METRICS[name]!;
		const run: Run = async (args) => requireNumbers((await library[of]!(...args)) as Numbers);
		return [options === null ? batch : [...batch, options], run];
	}));

test('classes over batches', () =>
	misuseAll((name) => {
		const [, options, batch] = METRICS[name]!;
		const first = options === null ? 0 : 1;
		const run: Run = async (args) => {
			const metric = construct(name, ...args.slice(0, first));
			for (let i = 0; i < 2; i++) metric.update(...(args.slice(first) as [w.Tensor, w.Tensor]));
			const before = await metric.compute();
			requireNumbers(before);
			metric.loadStateDict!(metric.stateDict!());
			const after = await metric.compute();
			if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error(`gives ${after} after its state, ${before} before`);
		};
		return [options === null ? batch : [options, ...batch], run];
	}));

test('states', () =>
	misuseAll((name) => {
		const run: Run = async ([state]) => {
			const metric = construct(name);
			metric.loadStateDict!(state as metrics.MetricState);
			await metric.compute().then(requireNumbers);
		};
		return [[STATES[name]], run];
	}));

const file = w.io.encodeSafetensors([{ name: 'weight', dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) }]);

const IO: Readonly<Record<string, Arguments>> = {
	saveSafetensors: [{ weight: new Some([2, 3]), bias: new Some([0], 'int32') }, { format: 'pt' }],
	loadSafetensors: [file, { device: 'cpu' }],
	load: [file, { device: 'cpu', dtype: 'auto' }],
	decodeSafetensors: [file, { float16As: 'float32', float64As: 'float32' }],
	encodeSafetensors: [[{ name: 'weight', dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) }], { format: 'pt' }],
};

test('io', () =>
	misuse(
		Object.fromEntries(
			Object.entries(IO).map(([name, args]) => {
				const run: Run = async (given) => {
					const result = await (w.io as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...given);
					// The written bytes must be a readable file.
					if (result instanceof Uint8Array) w.io.decodeSafetensors(result);
				};
				return [name, [args, run]];
			}),
		),
	));

test.run();
