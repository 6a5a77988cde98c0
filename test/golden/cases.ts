/** Prints the cases of the operation database that PyTorch can compute, as JSON: the input of generate.py. */
import { inputValues } from '../ops/database';
import { families } from '../ops/index';
import { kinks } from '../ops/kinks';
import { goldenSamples } from './samples';

const result = Object.entries({ ...families, kinks }).map(([family, entries]) => ({
	family,
	cases: goldenSamples(entries).map(({ entry, sample, key }) => ({
		key,
		torch: entry.torch!(sample.options ?? {}),
		gradient: entry.gradient === 'yes' && sample.gradient !== false,
		inputs: sample.inputs.map((spec, i) => ({
			shape: spec.shape,
			dtype: spec.dtype ?? 'float32',
			gradient: spec.gradient !== false,
			// JSON has no infinity, NaN or -0.
			values: inputValues(entry, sample, i).map((value) =>
				Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : String(value),
			),
		})),
	})),
}));
process.stdout.write(JSON.stringify(result));
