/** ONNX files, intact and damaged, give modules that run, or one of the library's errors, in bounded time and memory. */
import { noGrad, type Tensor, zeros } from 'wgrad';
import { loadOnnx, type OnnxModule } from 'wgrad/formats';
import { decodeModel, encodeModel, type Message, type ModelProto } from '../../src/formats/onnx/messages';
import { OPERATORS } from '../../src/formats/onnx/operators';
import { CASES } from '../formats/onnx/cases';
import { CONTROL_CASES } from '../formats/onnx/controlCases';
import { LAYER_CASES } from '../formats/onnx/layerCases';
import { modelOf } from '../formats/onnx/model';
import { below, type Counts, pick, type Random } from './campaign';
import { damaged, takes, until } from './damage';

const all = [...[...CASES, ...LAYER_CASES].map(modelOf), ...CONTROL_CASES.map(({ bytes }) => bytes)];

const NUMBERS = [0, 1, 2, 3, -1, -2, 7, 10, 1e9, 2 ** 31, -(2 ** 62), 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY];
const NAMES = [...Object.keys(OPERATORS['']!), 'x0', 'x1', 'y0', '', 'com.microsoft', 'axis', 'NOTSET'];

/** A copy with a few numbers and names changed, of which the bytes are right. */
function forged(random: Random, file: Uint8Array): Uint8Array {
	const model = decodeModel(file.slice());
	for (let n = 1 + below(random, 3); n > 0; n--) {
		let place = model as unknown as Record<string, unknown>;
		for (;;) {
			const keys = Object.keys(place).filter((key) => key !== 'name' || random() < 0.2);
			if (keys.length === 0) break;
			const key = pick(random, keys);
			const found = place[key];
			if (found instanceof Uint8Array) {
				if (found.length > 0) found[below(random, found.length)] = below(random, 256);
			} else if (typeof found === 'number') place[key] = pick(random, NUMBERS);
			else if (typeof found === 'string') place[key] = pick(random, NAMES);
			else if (Array.isArray(found) && random() < 0.1) place[key] = random() < 0.5 ? found.slice(1) : [...found, ...found];
			else if (typeof found === 'object' && found !== null) {
				place = found as Record<string, unknown>;
				continue;
			}
			break;
		}
	}
	return encodeModel(model as Message<ModelProto>);
}

/** The most elements of an input: a larger one may take time and memory of right. */
const MOST = 10_000;

/** Runs a module on zeros. Returns the number of its outputs. */
async function ran(module: OnnxModule): Promise<number> {
	const inputs: Record<string, Tensor> = {};
	for (const { name, dtype, shape } of module.inputs) {
		const sizes = (shape ?? [2, 2]).map((size) => (typeof size === 'number' ? size : 2));
		if (sizes.reduce((product, size) => product * size, 1) > MOST) return 0;
		inputs[name] = zeros(sizes, { dtype, device: 'cpu' });
	}
	const outputs = noGrad(() => module.forward(inputs));
	for (const output of Object.values(outputs)) await output.data();
	return Object.keys(outputs).length;
}

export async function damagedOnnx(random: Random, deadline: number): Promise<Counts> {
	const counts = { taken: 0, refused: 0, outputs: 0 };
	await until(deadline, async () => {
		const file = pick(random, all);
		for (const bytes of [damaged(random, file), forged(random, file), forged(random, file)]) {
			const taken = await takes(bytes, async () => {
				counts.outputs += await ran(await loadOnnx(bytes, { device: 'cpu' }));
			});
			counts[taken ? 'taken' : 'refused']++;
		}
	});
	return counts;
}
