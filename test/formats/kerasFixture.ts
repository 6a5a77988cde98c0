/** The models of keras.fixture.json.gz, which keras.fixture.py writes, and comparisons with what they compute. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { type Tensor, tensor } from 'wgrad';
import type { KerasModel } from 'wgrad/formats';

export interface Numbers {
	readonly shape: number[];
	readonly values: number[];
}
interface Fixture {
	readonly models: Record<
		string,
		{ files: { h5: string; keras: string; tfjs: string[] }; inputs: Numbers[]; outputs: Numbers[] }
	>;
	readonly optimizers: Record<
		string,
		{ files: { h5: string; keras: string }; names: string[]; gradients: Numbers[]; after: Numbers[] }
	>;
}

const path = join(process.cwd(), 'test/formats/keras.fixture.json.gz');
export const { models, optimizers } = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Fixture;
export const unpacked = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
export const tensorOf = ({ values, shape }: Numbers) => tensor(values, { shape, dtype: 'float32' });

export async function requireOutputs(name: string, model: KerasModel): Promise<void> {
	const { inputs, outputs } = models[name]!;
	model.eval();
	const found = model.outputs(...inputs.map(tensorOf));
	assert.is(found.length, outputs.length);
	for (const [i, y] of found.entries()) await requireNear(`${name}, output ${i}`, y, outputs[i]!);
}

export async function requireNear(what: string, y: Tensor, { shape, values }: Numbers, tolerance = 2e-6): Promise<void> {
	assert.equal([...y.shape], shape, what);
	const data = await y.data();
	for (const [i, value] of values.entries()) {
		const error = Math.abs(data[i]! - value);
		if (!(error <= tolerance * Math.max(1, Math.abs(value))))
			assert.unreachable(`${what}: ${data[i]} instead of ${value} at ${i}`);
	}
}
