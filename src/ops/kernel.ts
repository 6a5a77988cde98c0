/** `defineKernel`: differentiable operations of handwritten WGSL. */

import { cast, zeroGradient } from '../autograd/gradients';
import { currentAutocast, isGradEnabled } from '../autograd/modes';
import { defineOperation, NO_GRADIENT } from '../autograd/operation';
import type { CustomKernel, KernelArray, KernelElement, KernelParameter, KernelValue } from '../backends/contract/custom';
import { customKernels } from '../backends/kernels';
import { requireFunction, requireInteger, requireOneOf, requireString, wrongArgument } from '../core/checks';
import type { DType } from '../core/dtype';
import { ArgumentError, AutogradError, DTypeError } from '../core/errors';
import { isHalf } from '../core/halves';
import { checkOptions, requireOptions } from '../core/options';
import { numel, type Shape } from '../core/shape';
import { copyOf, emptyOn, type Tensor } from '../tensor';
import { requireSameDevice, requireTensor } from '../tensorChecks';

export type { KernelArray, KernelElement, KernelParameter } from '../backends/contract/custom';

type Elements = Readonly<Record<string, KernelElement>>;
type KernelParameters = Readonly<Record<string, KernelParameter>>;

/** The values of a kernel's parameters. */
export type KernelValues<P extends KernelParameters> = {
	readonly [K in keyof P]: P[K] extends 'bool' ? boolean : P[K] extends `vec4<${string}>` ? readonly number[] : number;
};

type Tensors<Names> = { readonly [K in keyof Names]: Tensor };
type Arrays<Names> = { readonly [K in keyof Names]: KernelArray };
type Shapes<Names> = { readonly [K in keyof Names]: Shape };

export interface KernelOptions<I extends Elements, O extends Elements, P extends KernelParameters, S extends string> {
	/** The name in messages and profiles. */
	readonly name: string;
	/** The tensors that the kernel reads, by name, with the type of their elements in WGSL: f32, i32 (int32) or u32 (bool, as 0 and 1). */
	readonly inputs: I;
	/** The tensors that it writes. It must write each element of each of them. */
	readonly outputs: O;
	/** Numbers that a call passes, by name: `p.name` in WGSL. Default none. */
	readonly params?: P;
	/** The shapes of the outputs. Default: that of the first input, for each. */
	readonly shapes?: (inputs: Shapes<I>, params: KernelValues<P>) => Shapes<O>;
	/**
	 * The number of invocations. `main` then has its own number, `i`, and those beyond the count have returned. Default: the number of elements
	 * of the first output.
	 */
	readonly invocations?: (inputs: Shapes<I>, outputs: Shapes<O>, params: KernelValues<P>) => number;
	/**
	 * In place of `invocations`, the number of workgroups, for kernels with shared memory. `main` then has `groupIndex`, which may exceed the count if
	 * there are more than 65,535, and `lid`, the number of the invocation in its workgroup.
	 */
	readonly workgroups?: (inputs: Shapes<I>, outputs: Shapes<O>, params: KernelValues<P>) => number;
	/** The invocations of a workgroup. Default 64. Every adapter takes 256. */
	readonly workgroupSize?: number;
	/** WGSL declarations beside `main`: functions, constants, structs, workgroup memory. Default none. */
	readonly functions?: string;
	/** The body of `main` in WGSL. Each tensor is an array with its name; its elements lie in order, without gaps. */
	readonly main: string;
	/**
	 * The same in JavaScript: the reference, and what runs on the CPU device. The arrays are those of the tensors, in order, without gaps. Elements of f32
	 * are float64 where an input is.
	 */
	readonly cpu: (inputs: Arrays<I>, outputs: Arrays<O>, params: KernelValues<P>) => void;
	/** The inputs and outputs that `vjp` reads. Default none. */
	readonly saves?: readonly S[];
	/**
	 * The gradient of each input that has one, from the gradients of the outputs, by other kernels or by operations; null or nothing where there is
	 * none. If it uses differentiable operations only, it can be differentiated again. Without it, the kernel refuses inputs that require a gradient.
	 */
	readonly vjp?: (
		gradients: Tensors<O>,
		saved: { readonly [K in S]: Tensor },
		params: KernelValues<P>,
	) => { readonly [K in keyof I]?: Tensor | null };
}

/** Runs a kernel on tensors of one device. Returns its outputs by name. */
export interface KernelFunction<I extends Elements, O extends Elements, P extends KernelParameters> {
	(
		inputs: Tensors<I>,
		...params: Readonly<Record<never, never>> extends P ? [params?: KernelValues<P>] : [params: KernelValues<P>]
	): Tensors<O>;
	/** The name in messages and profiles. */
	readonly name: string;
}

const OPTIONS = [
	'name',
	'inputs',
	'outputs',
	'params',
	'shapes',
	'invocations',
	'workgroups',
	'workgroupSize',
	'functions',
	'main',
	'cpu',
	'saves',
	'vjp',
] as const;

const ELEMENTS = ['f32', 'i32', 'u32'] as const;
const PARAMETERS = ['f32', 'i32', 'u32', 'bool', 'vec4<f32>', 'vec4<i32>', 'vec4<u32>'] as const;

/** Names that the frame around `main` uses. */
const TAKEN = ['p', 'i', 'lid', 'wid', 'nwg', 'localId', 'subgroupLane', 'groupIndex', 'main', 'Params', 'View', 'invocations'];

/** The keywords and reserved words of the specification of WGSL, and the types that the frame around `main` uses. */
const RESERVED: ReadonlySet<string> = new Set(
	`alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let loop override
	requires return struct switch true var while array atomic bool f16 f32 i32 u32 vec2 vec3 vec4
	NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become cast catch class co_await co_return
	co_yield coherent column_major common compile compile_fragment concept const_cast consteval constexpr constinit crate debugger
	decltype delete demote demote_to_helper do dynamic_cast enum explicit export extends extern external fallthrough filter final finally
	friend from fxgroup get goto groupshared highp impl implements import inline instanceof interface layout lowp macro macro_rules match
	mediump meta mod module move mut mutable namespace new nil noexcept noinline nointerpolation non_coherent noncoherent noperspective
	null nullptr of operator package packoffset partial pass patch pixelfragment precise precision premerge priv protected pub public
	readonly ref regardless register reinterpret_cast require resource restrict self set shared sizeof smooth snorm static static_assert
	static_cast std subroutine super target template this thread_local throw trait try type typedef typeid typename typeof union unless
	unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield`.split(/\s+/),
);

/** WebGPU guarantees as many storage buffers. */
const MOST_TENSORS = 8;

/**
 * A function that runs handwritten WGSL on the GPU, and JavaScript with the same result on the CPU. The tensors are float32 (or float64 on the CPU) for
 * f32, int32 for i32, bool for u32; other layouts are copied first. With a `vjp` it is differentiable; so is a `customOp` that calls it. As CUDA
 * extensions for PyTorch. See docs/kernels.md.
 *
 * ```ts
 * const scale = defineKernel({
 *   name: 'scale',
 *   inputs: { x: 'f32' },
 *   outputs: { y: 'f32' },
 *   params: { factor: 'f32' },
 *   main: 'y[i] = p.factor * x[i];',
 *   cpu: ({ x }, { y }, { factor }) => x.data.forEach((value, i) => { y.data[i] = factor * value; }),
 *   vjp: ({ y }, _, { factor }) => ({ x: y.mul(factor) }),
 * });
 * const { y } = scale({ x: tensor([1, 2]) }, { factor: 3 });
 * ```
 */
export function defineKernel<
	const I extends Elements,
	const O extends Elements,
	const P extends KernelParameters = Readonly<Record<never, never>>,
	const S extends keyof (I & O) & string = never,
>(options: KernelOptions<I, O, P, S>): KernelFunction<I, O, P> {
	const rule = new UserKernel(options as unknown as AnyOptions);
	const call = (inputs: Tensors<I>, params?: KernelValues<P>) =>
		rule.call(inputs as NamedTensors, (params ?? {}) as Values) as Tensors<O>;
	rules.set(call, rule);
	return Object.defineProperty(call, 'name', { value: rule.kernel.name }) as KernelFunction<I, O, P>;
}

type Values = Readonly<Record<string, KernelValue>>;
type AnyOptions = KernelOptions<Elements, Elements, KernelParameters, string>;
type AnyShapes = Readonly<Record<string, Shape>>;

type NamedTensors = Readonly<Record<string, Tensor>>;

type RunOperation = (inputs: NamedTensors, attributes: Attributes) => NamedTensors;

interface Attributes {
	readonly params: Values;
	readonly shapes: AnyShapes;
}

const rules = new WeakMap<object, UserKernel>();

/** The kernel behind a function that `defineKernel` made; undefined for other functions. */
export function userKernelOf(fn: unknown): UserKernel | undefined {
	return rules.get(fn as object);
}

export class UserKernel {
	readonly kernel: CustomKernel;
	readonly #options: AnyOptions;
	readonly #operation: RunOperation;
	#poison: ((output: Tensor) => void) | null = null;

	constructor(options: AnyOptions) {
		requireOptions('defineKernel', options);
		requireString('defineKernel', 'name', options.name);
		if (!/^[^\p{Cc}]+$/u.test(options.name))
			throw new ArgumentError('defineKernel: name must be one line of text, which messages and profiles show, and not empty');
		const { name, inputs, outputs, params = {}, functions = '', main, cpu, saves = [], vjp, workgroupSize = 64 } = options;
		checkOptions(`defineKernel(${name})`, options, OPTIONS);
		const where = `defineKernel(${name})`;
		for (const [what, types, allowed] of [
			['inputs', inputs, ELEMENTS],
			['outputs', outputs, ELEMENTS],
			['params', params, PARAMETERS],
		] as const) {
			requireOptions(`${where}: ${what}`, types);
			for (const [own, type] of Object.entries(types)) {
				requireOneOf(where, `${what}.${own}`, type, allowed);
				if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(own) || own.includes('__') || TAKEN.includes(own) || RESERVED.has(own))
					throw new ArgumentError(
						`${where}: '${own}' cannot be a name in ${what}; take another word of letters and digits, no word that WGSL reserves, and none of ${TAKEN.join(', ')}`,
					);
			}
		}
		const tensors = [...Object.keys(inputs), ...Object.keys(outputs)];
		const twice = tensors.find((own, k) => tensors.indexOf(own) < k);
		if (twice !== undefined) throw new ArgumentError(`${where}: '${twice}' is both an input and an output`);
		for (const [what, types] of Object.entries({ inputs, outputs }))
			if (Object.keys(types).length === 0)
				throw new ArgumentError(`${where}: ${what} is empty; a kernel reads and writes at least one tensor`);
		if (tensors.length > MOST_TENSORS)
			throw new ArgumentError(
				`${where}: ${tensors.length} inputs and outputs; WebGPU guarantees ${MOST_TENSORS} buffers for a kernel`,
			);
		requireInteger(where, 'workgroupSize', workgroupSize, 1);
		requireString(where, 'main', main);
		requireString(where, 'functions', functions);
		requireFunction(where, 'cpu', cpu);
		for (const [what, fn] of Object.entries({
			shapes: options.shapes,
			invocations: options.invocations,
			workgroups: options.workgroups,
			vjp,
		}))
			if (fn !== undefined) requireFunction(where, what, fn);
		if (options.invocations !== undefined && options.workgroups !== undefined)
			throw new ArgumentError(`${where}: takes invocations or workgroups, not both`);
		for (const saved of saves) requireOneOf(where, 'saves', saved, tensors);
		this.#options = options;
		this.kernel = { name, inputs, outputs, params, workgroupSize, functions, main, cpu };
		this.#operation = defineOperation({
			name,
			inputs: Object.keys(inputs),
			outputs: Object.keys(outputs),
			saves: saves as readonly string[],
			forward: (given: NamedTensors, attributes: Attributes) => this.#run(given, attributes),
			vjp:
				vjp === undefined
					? NO_GRADIENT
					: (gradients: Readonly<Record<string, Tensor | null>>, saved: NamedTensors, { params, shapes }: Attributes) =>
							this.#vjp(gradients, saved, params, shapes),
		} as never) as unknown as RunOperation;
	}

	call(inputs: NamedTensors, params: Values): NamedTensors {
		const { name } = this.kernel;
		const names = Object.keys(this.kernel.inputs);
		checkOptions(name, requireOptions(name, inputs), names);
		this.#requireParams(params);
		const tensors: Record<string, Tensor> = {};
		for (const own of names) {
			const given = inputs[own];
			requireTensor(name, given, own);
			tensors[own] = this.#typed(own, given);
		}
		requireSameDevice(name, ...Object.values(tensors));
		if (this.#options.vjp === undefined && isGradEnabled() && Object.values(tensors).some((x) => x.requiresGrad))
			throw new AutogradError(
				`${name}: an input requires a gradient, but the kernel has none; give its definition a vjp, or call it in noGrad or in the forward of a customOp`,
			);
		return this.#operation(tensors, { params, shapes: this.#shapes(tensors, params) });
	}

	/** Runs `fn`, and fills outputs with `poison` before the kernel writes them, so that elements that it leaves out show. */
	poisoned<T>(poison: (output: Tensor) => void, fn: () => T): T {
		this.#poison = poison;
		try {
			return fn();
		} finally {
			this.#poison = null;
		}
	}

	#run(inputs: NamedTensors, { params, shapes }: Attributes): NamedTensors {
		const { kernel } = this;
		const wide = Object.values(inputs).some(({ dtype }) => dtype === 'float64');
		const like = Object.values(inputs)[0]!;
		const outputs: Record<string, Tensor> = {};
		for (const [name, element] of Object.entries(kernel.outputs)) {
			outputs[name] = emptyOn(like, shapes[name]!, dtypeOf(element, wide));
			this.#poison?.(outputs[name]);
		}
		const gapless = Object.fromEntries(
			Object.entries(inputs).map(([name, x]) => [name, x.isContiguous && x.offset === 0 ? x : copyOf(x)]),
		);
		const inputShapes = shapesOf(inputs);
		const { invocations, workgroups } = this.#options;
		const count = (workgroups ?? invocations ?? firstSize)(inputShapes, shapes, params as never);
		requireInteger(
			kernel.name,
			workgroups === undefined ? 'the number of invocations' : 'the number of workgroups',
			count,
			0,
			2 ** 32,
		);
		const work = workgroups === undefined ? { invocations: count } : { workgroups: count };
		customKernels(like.backend).custom(gapless, outputs, { kernel, params, work });
		return outputs;
	}

	#vjp(
		gradients: Readonly<Record<string, Tensor | null>>,
		saved: NamedTensors,
		params: Values,
		shapes: AnyShapes,
	): Readonly<Record<string, Tensor | null | undefined>> {
		const { name, inputs } = this.kernel;
		const like = Object.values(gradients).find((gradient) => gradient !== null)!;
		const filled = Object.fromEntries(
			Object.entries(gradients).map(([own, gradient]) => [own, gradient ?? zeroGradient(shapes[own]!, like)]),
		);
		const found = this.#options.vjp!(filled, saved as never, params as never) as unknown;
		if (typeof found !== 'object' || found === null)
			throw new ArgumentError(`${name}: vjp must return an object with the gradients of ${Object.keys(inputs).join(', ')}`);
		for (const own of Object.keys(found))
			if (!Object.hasOwn(inputs, own)) throw new ArgumentError(`${name}: vjp returned a gradient of '${own}', which is no input`);
		return found as Readonly<Record<string, Tensor | null | undefined>>;
	}

	/** An input in the dtype that its element type asks for. */
	#typed(own: string, x: Tensor): Tensor {
		const { name, inputs } = this.kernel;
		const element = inputs[own]!;
		if (element === 'f32' && isHalf(x.dtype) && currentAutocast() !== null) return cast(x, 'float32');
		const isRight = x.dtype === dtypeOf(element, false) || (element === 'f32' && x.dtype === 'float64');
		if (!isRight)
			throw new DTypeError(
				`${name}: ${own} is ${x.dtype}, but the kernel reads ${element}; convert with .to('${dtypeOf(element, false)}')`,
			);
		return x;
	}

	#shapes(inputs: NamedTensors, params: Values): AnyShapes {
		const { name, outputs } = this.kernel;
		const given = shapesOf(inputs);
		const shapes: AnyShapes =
			this.#options.shapes?.(given as never, params as never) ??
			Object.fromEntries(Object.keys(outputs).map((own) => [own, Object.values(given)[0]!]));
		for (const own of Object.keys(outputs)) {
			const shape = shapes[own];
			if (!Array.isArray(shape) || !shape.every((size) => Number.isInteger(size) && size >= 0))
				throw wrongArgument(name, `shapes().${own}`, 'a list of sizes', shape);
		}
		return shapes;
	}

	#requireParams(params: Values): void {
		const { name, params: types } = this.kernel;
		checkOptions(name, requireOptions(name, params), Object.keys(types));
		for (const [own, type] of Object.entries(types)) {
			const value = params[own];
			if (type === 'bool') {
				if (typeof value !== 'boolean') throw wrongArgument(name, own, 'true or false', value);
			} else if (type.startsWith('vec4')) {
				if (!Array.isArray(value) || value.length > 4 || !value.every((part) => fits(type, part)))
					throw wrongArgument(name, own, `up to four numbers for ${type}`, value);
			} else if (!fits(type, value)) throw wrongArgument(name, own, `a number for ${type}`, value);
		}
	}
}

/** Whether a value is a number that a scalar, or a component of a vector, of this type can hold. */
function fits(type: string, value: unknown): boolean {
	if (typeof value !== 'number') return false;
	if (type.includes('f32')) return true;
	if (!Number.isInteger(value)) return false;
	return type.includes('i32') ? value >= -(2 ** 31) && value < 2 ** 31 : value >= 0 && value < 2 ** 32;
}

function dtypeOf(element: KernelElement, wide: boolean): DType {
	if (element === 'f32') return wide ? 'float64' : 'float32';
	return element === 'i32' ? 'int32' : 'bool';
}

function shapesOf(tensors: NamedTensors): AnyShapes {
	return Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
}

function firstSize(_: AnyShapes, outputs: AnyShapes): number {
	return numel(Object.values(outputs)[0]!);
}
