/**
 * Which variants of kernels run, by kernel and size class. Launchers choose them by the kind of adapter; a table of choices, made by
 * measurements on this adapter, can tell them another kind for some classes.
 */
import type { Kernels, Storage, View } from '../contract';

type Views = Readonly<Record<string, View | readonly View[] | null | undefined>>;

/** A kernel of the contract, called with plain objects. */
export type AnyKernel = (inputs: Views, outputs: Views, attributes: unknown) => void;

/** One call of a kernel. */
export interface KernelCall {
	readonly name: keyof Kernels;
	readonly inputs: Views;
	readonly outputs: Views;
	readonly attributes: unknown;
}

/** The names of forms (see forms.ts) by the classes of calls. */
export type Choices = ReadonlyMap<string, string>;

/** The kernels with several variants for the same call, which write all of their outputs and nothing else. */
const TUNABLE: ReadonlySet<string> = new Set<keyof Kernels>([
	'matmul',
	'conv',
	'convInputGrad',
	'convWeightGrad',
	'attention',
	'attentionGradQuery',
	'attentionGradKeyValue',
	'softmax',
	'softmaxGrad',
	'groupNorm',
	'groupNormGrad',
	'normParametersGrad',
	'channelStatistics',
	'channelNormGrad',
	'reduce',
	'variance',
	'quantizedLinear',
	'quantizedLinearGrad',
]);

/** Attributes that the choice of a variant does not depend on. */
const VALUES = new Set(['scale', 'seed', 'counter', 'p', 'eps', 'momentum', 'correction']);

/** Small sizes as they are, others rounded up to a power of two. */
const sizeClass = (size: number) => (size <= 4 ? size : 2 ** Math.ceil(Math.log2(size)));

function viewClass({ dtype, shape, strides, offset }: View): string {
	const steps = strides.map((stride) => (stride === 0 ? '0' : stride === 1 ? '1' : '+')).join('');
	return `${dtype}[${shape.map(sizeClass)}]${steps}${offset % 4 === 0 ? '' : '!'}`;
}

/** Calls of one class take the same variant. */
export function classOf({ name, inputs, outputs, attributes }: KernelCall): string {
	const views = [...Object.entries(inputs), ...Object.entries(outputs)].map(([key, value]) =>
		value === null || value === undefined ? '' : `${key} ${viewsOf(value).map(viewClass).join()}`,
	);
	const settings = JSON.stringify(attributes ?? {}, (key, value) => (VALUES.has(key) ? undefined : value));
	return `${name} ${views.filter((view) => view !== '').join(' ')} ${settings}`;
}

function viewsOf(value: View | readonly View[]): readonly View[] {
	return Array.isArray(value) ? value : [value as View];
}

/** Plain views like `views`, which may be tensors, with their storages replaced. */
export function movedTo(views: Views, storageOf: (view: View) => Storage): Views {
	const one = (view: View): View => {
		const { dtype, shape, strides, offset } = view;
		return { storage: storageOf(view), dtype, shape, strides, offset };
	};
	return Object.fromEntries(
		Object.entries(views).map(([name, value]) => [name, Array.isArray(value) ? value.map(one) : value && one(value as View)]),
	);
}

/** Every tunable kernel of `kernels`, replaced by `wrap`. */
function withTunable(kernels: Kernels, wrap: (name: keyof Kernels, kernel: AnyKernel) => AnyKernel): Kernels {
	const entries = Object.entries(kernels).map(([name, kernel]) => [
		name,
		// Bound, because some kernels call others.
		TUNABLE.has(name) ? wrap(name as keyof Kernels, kernel.bind(kernels) as AnyKernel) : kernel,
	]);
	return Object.fromEntries(entries) as unknown as Kernels;
}

/** The kernels of the form that `choices` names for a call's class; those of `kernels` where it names none. */
export function choosing(kernels: Kernels, choices: Choices, formNamed: (name: string) => Kernels | undefined): Kernels {
	return withTunable(kernels, (name, own) => (inputs, outputs, attributes) => {
		const chosen = choices.get(classOf({ name, inputs, outputs, attributes }));
		const kernel = chosen === undefined ? undefined : (formNamed(chosen)?.[name] as AnyKernel | undefined);
		(kernel ?? own)(inputs, outputs, attributes);
	});
}

/** Shows every call of a tunable kernel to `see`, before it runs. */
export function watching(kernels: Kernels, see: (call: KernelCall) => void): Kernels {
	return withTunable(kernels, (name, kernel) => (inputs, outputs, attributes) => {
		see({ name, inputs, outputs, attributes });
		kernel(inputs, outputs, attributes);
	});
}
