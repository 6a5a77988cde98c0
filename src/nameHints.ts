/**
 * Names of tensors in PyTorch, NumPy or TensorFlow.js that do not exist here. Reading or setting one throws an error with wgrad's
 * name. Plain JavaScript would return undefined for `w.T` and `x[0]`, and silently accept `x.requires_grad = true`.
 */
import { ArgumentError } from './core/errors';
import { Tensor } from './tensor';

const READ = 'await x.data(), await x.toArray(), or await x.item() for one number';
const ROWS = 'x.select(0, i), x.narrow(0, start, length) or x.slice()';

const OURS: Readonly<Record<string, string>> = {
	cuda: "x.to('webgpu'); after await init() new tensors are on the GPU already",
	numpy: READ,
	dataSync: READ,
	arraySync: READ,
	long: "x.to('int32')",
	short: "x.to('int32')",
	byte: "x.to('uint8')",
	char: "x.to('int8')",
	bfloat16: "x.to('bfloat16')",
	astype: 'x.to(dtype)',
	dim: 'x.ndim',
	nelement: 'x.size',
	requires_grad: 'x.requiresGrad; x.requiresGrad_() sets it',
	'-1': ROWS,
	'0': ROWS,
	'1': ROWS,
};

/** Defines these names on Tensor, and the snake-case forms of `methods`. */
export function defineOtherNames(methods: readonly string[]): void {
	const snake = methods.map((name) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), `x.${name}()`]);
	for (const [name, cure] of [...snake, ...Object.entries(OURS)] as [string, string][]) {
		if (name in Tensor.prototype) continue;
		const refuse = () => {
			throw new ArgumentError(`Tensor: there is no x${/\d/.test(name) ? `[${name}]` : `.${name}`}; use ${cure}`);
		};
		Object.defineProperty(Tensor.prototype, name, { get: refuse, set: refuse, configurable: true });
	}
}
