/** The arguments of a compiled call: the tensors in them, and the signature that a plan depends on. */
import { isGradEnabled } from '../autograd/modes';
import { backendOf, defaultDevice, deviceOfNew } from '../backends/registry';
import { Tensor } from '../tensor';

/** What the signature holds of an object that is neither a tensor nor plain data, such as a module: its number. */
const numbers = new WeakMap<object, number>();
let count = 0;

function numberOf(value: object): number {
	const known = numbers.get(value);
	if (known !== undefined) return known;
	numbers.set(value, ++count);
	return count;
}

export interface Arguments {
	/** The arguments with a tensor of no dims in place of each number. */
	readonly values: readonly unknown[];
	/** The tensors in them, in order, each once. */
	readonly tensors: readonly Tensor[];
	/** The tensors that stand for numbers. */
	readonly made: readonly Tensor[];
	readonly signature: string;
}

export function readArguments(given: readonly unknown[]): Arguments {
	const tensors: Tensor[] = [];
	const made: Tensor[] = [];
	let signature = `${defaultDevice()}${isGradEnabled() ? '' : ' no grad'} `;
	const read = (value: unknown): unknown => {
		if (typeof value === 'number') {
			const scalar = scalarOf(value);
			made.push(scalar);
			return read(scalar);
		}
		if (value instanceof Tensor) {
			const known = tensors.indexOf(value);
			if (known >= 0) {
				signature += `=${known} `;
				return value;
			}
			const { storage, dtype, shape, strides, offset } = value;
			const shared = tensors.findIndex((tensor) => tensor.storage === storage);
			tensors.push(value);
			signature += `${storage.device} ${dtype} ${shape.join()}/${strides.join()}+${offset}`;
			signature += `${value.requiresGrad ? ' grad' : ''}${shared < 0 ? '' : ` on ${shared}`} `;
			return value;
		}
		if (typeof value !== 'object' || value === null) {
			signature += typeof value === 'function' ? `#${numberOf(value)} ` : `${typeof value} ${JSON.stringify(String(value))} `;
			return value;
		}
		if (Array.isArray(value)) {
			signature += `[${value.length} `;
			return value.map(read);
		}
		if (Object.getPrototypeOf(value) === Object.prototype) {
			signature += `{${Object.keys(value)
				.map((key) => JSON.stringify(key))
				.join()} `;
			return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, read(item)]));
		}
		signature += `#${numberOf(value)} `;
		return value;
	};
	const values = given.map(read);
	return { values, tensors, made, signature };
}

function scalarOf(value: number): Tensor {
	return new Tensor(backendOf(deviceOfNew()).upload(Float32Array.of(value), 'float32', []), []);
}
