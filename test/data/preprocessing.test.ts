/** Preprocessing against scikit-learn's values (golden/preprocessing.py), in float64 and float32. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DType, type Tensor, tensor } from 'wgrad';
import {
	LabelEncoder,
	MinMaxScaler,
	OneHotEncoder,
	type OutlierBounds,
	outliersIqr,
	outliersZScore,
	SimpleImputer,
	StandardScaler,
} from 'wgrad/data';
import golden from '../golden/preprocessing.json';

type Value = number | string;
type Rows = readonly (readonly Value[])[];

const device = 'cpu';
const numbers = (rows: Rows): number[][] => rows.map((row) => row.map(Number));
const table = (rows: Rows, dtype: DType = 'float64'): Tensor => tensor(numbers(rows), { dtype, device });

/** Checks each value against the expected one, relative to its own size and to the largest of its column. */
function requireNear(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-12): void {
	assert.is(actual.length, expected.length, what);
	let largest = 1;
	for (let i = 0; i < expected.length; i++) if (Math.abs(expected[i]!) > largest) largest = Math.abs(expected[i]!);
	for (let i = 0; i < expected.length; i++) {
		const same = Number.isNaN(expected[i]) ? Number.isNaN(actual[i]) : Math.abs(actual[i]! - expected[i]!) <= tolerance * largest;
		assert.ok(same, `${what}: element ${i} is ${actual[i]}, not ${expected[i]}`);
	}
}

async function requireTable(what: string, actual: Tensor, expected: Rows, tolerance?: number): Promise<void> {
	assert.equal(actual.shape, [expected.length, expected[0]!.length], what);
	const values = await actual.data();
	// By column, since the sizes of columns differ by orders of magnitude.
	expected[0]!.forEach((_, f) => {
		const column = Array.from({ length: expected.length }, (_, i) => values[i * expected[0]!.length + f]!);
		const wanted = expected.map((row) => Number(row[f]));
		requireNear(`${what}, column ${f}`, column, wanted, tolerance);
	});
}

for (const [name, { x, other, standard, minMax }] of Object.entries(golden.scaling)) {
	for (const { withMean, withStd, ...expected } of standard) {
		test(`StandardScaler, ${name}, mean ${withMean}, std ${withStd}`, async () => {
			const scaler = await new StandardScaler({ withMean, withStd }).fit(table(x));
			if (expected.mean) requireNear('mean', scaler.mean!, expected.mean.map(Number));
			if (expected.variance) requireNear('variance', scaler.variance!, expected.variance.map(Number));
			if (expected.scale) requireNear('scale', scaler.scale!, expected.scale.map(Number));
			await requireTable('transformed', scaler.transform(table(other)), expected.transformed, 1e-9);
			await requireTable('inverse', scaler.inverseTransform(table(other)), expected.inverse);
			const parts = await (await new StandardScaler({ withMean, withStd }).partialFit(table(x))).partialFit(table(other));
			await requireTable('partial', parts.transform(table(x)), expected.partial, 1e-9);
			const copy = new StandardScaler({ withMean, withStd });
			copy.loadStateDict(JSON.parse(JSON.stringify(scaler.stateDict())));
			assert.equal(await copy.transform(table(other)).toArray(), await scaler.transform(table(other)).toArray());
		});
	}
	for (const { featureRange, clip, ...expected } of minMax) {
		test(`MinMaxScaler, ${name}, ${featureRange}, clip ${clip}`, async () => {
			const options = { featureRange: featureRange as [number, number], clip };
			const scaler = await new MinMaxScaler(options).fit(table(x));
			requireNear('dataMin', scaler.dataMin!, expected.dataMin.map(Number));
			requireNear('dataMax', scaler.dataMax!, expected.dataMax.map(Number));
			requireNear('scale', scaler.scale!, expected.scale.map(Number));
			await requireTable('transformed', scaler.transform(table(other)), expected.transformed, 1e-10);
			await requireTable('inverse', scaler.inverseTransform(table(other)), expected.inverse);
			const parts = await (await new MinMaxScaler(options).partialFit(table(x))).partialFit(table(other));
			await requireTable('partial', parts.transform(table(x)), expected.partial, 1e-10);
			const copy = new MinMaxScaler(options);
			copy.loadStateDict(JSON.parse(JSON.stringify(scaler.stateDict())));
			assert.equal(await copy.transform(table(other)).toArray(), await scaler.transform(table(other)).toArray());
		});
	}
}

test('float32 far from zero loses nothing to the rounding of the mean and survives the inverse', async () => {
	const { x, standard } = golden.scaling.ordinary;
	const scaler = new StandardScaler();
	const scaled = await scaler.fitTransform(table(x, 'float32'));
	assert.is(scaled.dtype, 'float32');
	requireNear('mean', scaler.mean!, standard[0]!.mean!.map(Number));
	const exact = await (await new StandardScaler().fit(table(x))).transform(table(x)).data();
	requireNear('scaled', await scaled.data(), exact, 2e-7);
	await requireTable('inverse', scaler.inverseTransform(scaled), x, 2e-7);
	const whole = await new MinMaxScaler().fitTransform(tensor(Int32Array.of(2, 4, 6), { shape: [3, 1], device }));
	assert.equal([...(await whole.data())], [0, 0.5, 1]);
});

test('scalers reject invalid data', async () => {
	assert.throws(() => new StandardScaler().transform(table([[1]])), /StandardScaler.transform: not fitted yet/);
	const fails = async (call: Promise<unknown>, message: RegExp) => {
		const error = await call.then(
			() => null,
			(reason: Error) => reason,
		);
		assert.match(error?.message ?? 'nothing thrown', message);
	};
	await fails(new StandardScaler().fit(tensor([1, 2], { device })), /takes samples by features, \[N, F\], not \[2\].*reshape/);
	await fails(new MinMaxScaler().fit(tensor([[1, Number.POSITIVE_INFINITY]], { device })), /MinMaxScaler.fit: x holds Infinity/);
	await fails(new StandardScaler().fit(tensor([], { shape: [0, 2], device })), /x \[0, 2\] has no samples/);
	const fitted = await new StandardScaler().fit(table([[1, 2]]));
	assert.throws(() => fitted.transform(table([[1]])), /x \[1, 1\] has 1 features; fit saw 2/);
	assert.throws(() => new MinMaxScaler({ featureRange: [1, 0] }), /featureRange must be \[low, high\]/);
	assert.throws(() => new MinMaxScaler({ range: [1, 0] } as never), /MinMaxScaler: there is no option 'range'/);
	assert.throws(() => fitted.loadStateDict({} as never), /the state has no list of numbers 'count'/);
});

const STRATEGY = { most_frequent: 'mostFrequent' } as const;

for (const [name, { x, missing, cases }] of Object.entries(golden.imputing)) {
	test(`SimpleImputer: ${name}`, async () => {
		for (const { strategy, keep, transformed, statistics } of cases) {
			const imputer = new SimpleImputer({
				strategy: STRATEGY[strategy as 'most_frequent'] ?? (strategy as 'mean'),
				missingValues: Number(missing),
				keepEmptyFeatures: keep,
				...(strategy === 'constant' && { fillValue: 7.5 }),
			});
			const what = `${strategy}, keep ${keep}`;
			await requireTable(what, await imputer.fitTransform(table(x)), transformed);
			requireNear(what, imputer.statistics!, statistics.map(Number));
			const copy = new SimpleImputer({ missingValues: Number(missing) });
			copy.loadStateDict(JSON.parse(JSON.stringify(imputer.stateDict())));
			await requireTable(what, copy.transform(table(x)), transformed);
			await requireTable(what, imputer.transform(table(x, 'float32')), transformed, 1e-7);
		}
	});
}

for (const [name, { x, z2, iqr, clipped }] of Object.entries(golden.outliers)) {
	test(`outliers: ${name}`, async () => {
		for (const dtype of ['float64', 'float32'] as const) {
			const data = table(x, dtype);
			const check = async (bounds: OutlierBounds, expected: readonly (readonly boolean[])[]) => {
				assert.equal(await bounds.mask(data).toArray(), expected);
				const kept = x.filter((_, i) => !expected[i]!.includes(true));
				const places = expected.flatMap((row, i) => (row.includes(true) ? [] : [i]));
				const index = tensor(
					Int32Array.from(x, (_, i) => i),
					{ device },
				);
				const [rows, rest] = await bounds.remove(data, index);
				if (kept.length > 0) await requireTable('kept', rows!, kept);
				assert.equal([...(await rest!.data())], places);
			};
			await check(await outliersZScore(data, { threshold: 2 }), z2);
			const bounds = await outliersIqr(data);
			await check(bounds, iqr);
			await requireTable('clipped', bounds.clip(data), clipped, dtype === 'float64' ? 1e-12 : 1e-7);
		}
	});
}

for (const [name, { rows, other, drop, handleUnknown, ...expected }] of Object.entries(golden.oneHot)) {
	test(`OneHotEncoder: ${name}`, async () => {
		const encoder = new OneHotEncoder({ drop: drop as 'first' | null, handleUnknown: handleUnknown as 'error' });
		const encoded = encoder.fit(rows).transform(other, { device });
		assert.equal(encoder.categories, expected.categories);
		assert.equal(await encoded.toArray(), expected.encoded);
		assert.equal(await encoder.inverseTransform(encoded), expected.inverse);
		// scikit-learn writes numbers as Python does.
		assert.equal(
			encoder.getFeatureNamesOut(),
			expected.names.map((column) => column.replace(/\.0$/, '')),
		);
		const copy = new OneHotEncoder({ drop: drop as 'first' | null, handleUnknown: handleUnknown as 'error' });
		copy.loadStateDict(JSON.parse(JSON.stringify(encoder.stateDict())));
		assert.equal(await copy.transform(other, { device }).toArray(), expected.encoded);
	});
}

test('OneHotEncoder: given categories, NaN, and refusals', async () => {
	const encoder = new OneHotEncoder({ categories: [['s', 'm', 'l']] });
	const encoded = encoder.fit([['m'], ['s']]).transform([['l'], ['s']], { device });
	assert.equal(await encoded.toArray(), [
		[0, 0, 1],
		[1, 0, 0],
	]);
	assert.throws(() => encoder.fit([['xl']]), /OneHotEncoder.fit: 'xl' is not a known category of feature 0/);
	const gaps = new OneHotEncoder().fit([[Number.NaN], [2], [1]]);
	assert.equal(await gaps.transform([[Number.NaN]], { device }).toArray(), [[0, 0, 1]]);
	assert.throws(() => gaps.transform([[5]], { device }), /5 is not a known category of feature 0.*handleUnknown/);
	assert.throws(() => gaps.transform([[1, 2]], { device }), /row 0 has 2 features, not 1/);
	assert.throws(
		() => new OneHotEncoder().fit([['a'], [1]]),
		/categories must be all strings or all numbers, not string and number/,
	);
	assert.throws(() => new OneHotEncoder().fit([]), /no samples/);
	for (const wrong of [undefined, 'cat', { values: ['cat'] }])
		assert.throws(() => new LabelEncoder().fit(wrong as never), /LabelEncoder\.fit: it takes a list of labels/);
});

for (const [name, { values, other, classes, encoded }] of Object.entries(golden.labels)) {
	test(`LabelEncoder: ${name}`, async () => {
		const encoder = new LabelEncoder().fit(values as string[]);
		assert.equal(encoder.classes, classes);
		const indices = encoder.transform(other as string[], { device });
		assert.is(indices.dtype, 'int32');
		assert.equal([...(await indices.data())], encoded);
		assert.equal(await encoder.inverseTransform(indices), other);
		assert.equal(await encoder.inverseTransform(encoded), other);
		const copy = new LabelEncoder();
		copy.loadStateDict(JSON.parse(JSON.stringify(encoder.stateDict())));
		assert.equal(
			[...(await copy.fitTransform(values as string[], { device }).data())],
			[...(await encoder.transform(values as string[], { device }).data())],
		);
		assert.throws(() => encoder.transform(['nowhere'], { device }), /'nowhere' at index 0 is not a label that fit saw/);
	});
}

test.run();
