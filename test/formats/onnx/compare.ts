/** Runs ONNX files in wgrad and in onnxruntime-web, and compares. */
import * as assert from 'uvu/assert';
import { noGrad, type Tensor } from 'wgrad';
import { type LoadOnnxOptions, loadOnnx, type OnnxModule } from 'wgrad/formats';
import { CASES } from './cases';
import { LAYER_CASES } from './layerCases';
import type { Given, OnnxCase } from './model';
import { expectedOf, ownTensor } from './oracle';

type DeviceName = 'cpu' | 'webgpu';

export const ALL = [...CASES, ...LAYER_CASES];

export const nameOf = ({ op, domain = '' }: OnnxCase) => `${domain}${domain && '.'}${op}`;

export const load = (bytes: Uint8Array, options: LoadOnnxOptions = {}) => loadOnnx(bytes, { device: 'cpu', ...options });

/** The inputs of a case by name, without initializers. */
export function givenOf({ inputs }: OnnxCase): Record<string, Given> {
	return Object.fromEntries(inputs.flatMap((given, i) => (given === null || given.fixed ? [] : [[`x${i}`, given]])));
}

export async function outputsOf(
	module: OnnxModule,
	given: Readonly<Record<string, Given>>,
	waits = false,
	device: DeviceName = 'cpu',
): Promise<Record<string, Tensor>> {
	const inputs = Object.fromEntries(Object.entries(given).map(([name, x]) => [name, ownTensor(x, device)]));
	return waits ? module.run(inputs) : noGrad(() => module.forward(inputs));
}

interface How {
	/** Whether the module reads values on the way. */
	readonly waits?: boolean;
	/** Whether only shapes are compared. */
	readonly random?: boolean;
	/** Default 'cpu'. */
	readonly device?: DeviceName;
	/** The largest difference, as a part of the larger of 1 and the value. Default 1e-5. */
	readonly atMost?: number;
}

/** Throws unless a model gives what onnxruntime-web gives. */
export async function compares(
	label: string,
	bytes: Uint8Array,
	given: Readonly<Record<string, Given>>,
	{ waits, random, device = 'cpu', atMost = 1e-5 }: How = {},
) {
	const expected = await expectedOf(bytes, given);
	const found = await outputsOf(await load(bytes, { device }), given, waits, device);
	assert.equal(Object.keys(found), Object.keys(expected));
	for (const [name, { shape, values }] of Object.entries(expected)) {
		assert.equal([...found[name]!.shape], [...shape], `${label}: the shape of ${name}`);
		const own = await found[name]!.data();
		const isClose = (a: number, b: number) => Object.is(a, b) || a === b || Math.abs(a - b) <= atMost * Math.max(1, Math.abs(b));
		const wrong = values.findIndex((expected, i) => !isClose(own[i]!, expected));
		if (random !== true && wrong >= 0)
			assert.unreachable(`${label}: ${name} has ${own[wrong]} at ${wrong}, not ${values[wrong]}`);
	}
}
