/** Makes a module of a compiled model: parameters and buffers of weights, constants of everything else. */
import type { Backend } from '../../backends/contract';
import { backendOf } from '../../backends/registry';
import { type DType, isFloating } from '../../core/dtype';
import { runOperation } from '../../core/scope';
import type { Elements } from '../../io/elements';
import type { Module } from '../../nn/module';
import { Parameter } from '../../nn/parameter';
import { Tensor } from '../../tensor';
import type { ValueInfoProto } from './messages';
import { OnnxModule, OnnxScope, type OnnxValue, type Program } from './module';
import { Host } from './operator';
import { type Compiled, freeEarly, type Plan, type Step, type Stored } from './plan';
import { isOnHost, type Run, runStep } from './run';
import { dtypeOf, elementsOf, type Precision } from './tensors';

export type Read = (stored: Stored) => Promise<Elements>;

/** The uses of values that decide what training changes. */
interface Uses {
	readonly weights: Set<number>;
	/** As weights, if they have more than one element. */
	readonly terms: Set<number>;
	readonly buffers: Set<number>;
}

export async function buildModule(compiled: Compiled, read: Read, backend: Backend, precision: Precision): Promise<OnnxModule> {
	const typeOf = (dataType: number) => dtypeOf('a value', dataType, precision);
	const module = new OnnxModule(
		compiled.inputs.map((value) => describe(value, typeOf)),
		compiled.outputs.map((value) => describe(value, typeOf)),
	);
	const { weights, terms, buffers } = usesOf(compiled.plan);
	const state: Program['state'][number][] = [];
	const constants = new Map<number, Host>();
	const cpu = backendOf('cpu');
	for (const stored of compiled.stored) {
		const { value, name, proto, isTop } = stored;
		const { data, dtype } = await read(stored);
		const isWeight = weights.has(value) || (terms.has(value) && data.length > 1);
		const isState = isTop && isFloating(dtype) && (isWeight || buffers.has(value));
		const tensor = runOperation(
			'loadOnnx',
			() => new Tensor((isState ? backend : cpu).upload(data, dtype, proto.dims), proto.dims),
		);
		if (isState) state.push({ value, find: register(module, name, tensor, !isWeight) });
		else constants.set(value, new Host(tensor));
	}
	const cache = new Map<Step, Map<string, Host | null>>();
	const constant: Run['constant'] = (step, attribute) => {
		const known = cache.get(step) ?? new Map<string, Host | null>();
		cache.set(step, known);
		if (!known.has(attribute)) known.set(attribute, hosted(step, attribute, precision));
		return known.get(attribute)!;
	};
	fold(compiled.plan, compiled.count, constants, { dtypeOf: typeOf, constant });
	module.load({
		plan: compiled.plan,
		inputs: module.inputs,
		outputs: module.outputs,
		count: compiled.count,
		constants: [...constants].map(([value, host]) => ({ value, host })),
		state,
		device: backend.device,
		dtypeOf: typeOf,
		constant,
	});
	return module;
}

function describe({ name, type }: ValueInfoProto, typeOf: (dataType: number) => DType): OnnxValue {
	const tensor = type?.tensorType;
	if (tensor == null) return { name, dtype: 'float32', shape: null };
	const shape = tensor.shape?.dim.map(({ dimValue, dimParam }) => dimValue ?? (dimParam || null)) ?? null;
	return { name, dtype: typeOf(tensor.elemType), shape };
}

function hosted(step: Step, attribute: string, precision: Precision): Host | null {
	const proto = step.attributes.tensor(attribute);
	if (proto === null) return null;
	const { data, dtype } = elementsOf(proto, null, precision);
	return new Host(new Tensor(backendOf('cpu').upload(data, dtype, proto.dims), proto.dims));
}

/** Follows values from the nodes that use them as weights to the tensors that these come from. */
function usesOf(plan: Plan, uses: Uses = { weights: new Set(), terms: new Set(), buffers: new Set() }): Uses {
	for (const step of plan.steps.toReversed()) {
		const { operator, inputs, outputs } = step;
		const listed = (which: readonly number[] | 'all' | undefined) =>
			(which === 'all' ? inputs : (which ?? []).map((index) => inputs[index] ?? -1)).filter((value) => value >= 0);
		for (const set of [uses.weights, uses.terms, uses.buffers]) {
			if (!outputs.some((value) => set.has(value))) continue;
			for (const value of listed(operator.passes)) set.add(value);
		}
		for (const value of listed(operator.weights)) (operator.ignoresNumbers === true ? uses.terms : uses.weights).add(value);
		for (const value of listed(operator.buffers)) uses.buffers.add(value);
		for (const body of step.subgraphs.values()) usesOf(body, uses);
	}
	return uses;
}

/** Computes once what only constants determine. */
function fold(
	plan: Plan,
	count: number,
	constants: Map<number, Host>,
	{ dtypeOf, constant }: Pick<Run, 'dtypeOf' | 'constant'>,
): void {
	const values = Array.from({ length: count }, (_, value) => constants.get(value) ?? null);
	const run: Run = { device: 'cpu', training: false, values, dtypeOf, constant };
	plan.steps = plan.steps.filter((step) => {
		const isKnown = step.inputs.every((value) => value < 0 || values[value] !== null);
		if (!isKnown || !isOnHost(step, values)) return true;
		const { done, value } = runStep(step, run).next();
		if (done !== true) return true;
		// A sequence stays a step.
		if (!value.every((result) => result === null || result instanceof Host)) return true;
		step.outputs.forEach((output, i) => {
			const host = value[i];
			if (output < 0 || !(host instanceof Host)) return;
			values[output] = host;
			constants.set(output, host);
		});
		return false;
	});
	freeEarly(plan);
}

/** Puts a tensor into the module under its dotted name. Returns how to find what is there later. */
function register(module: OnnxModule, name: string, tensor: Tensor, isBuffer: boolean): () => Tensor {
	const path = name.split('.');
	const parts = path.includes('') ? [name.replaceAll('.', '_') || '_'] : path;
	let owner: Module = module;
	for (const part of parts.slice(0, -1)) owner = childOf(owner, part);
	const key = freeName(owner, parts.at(-1)!);
	if (isBuffer) {
		owner.registerBuffer(key, tensor);
		return () => owner.buffer(key);
	}
	owner.registerParameter(key, new Parameter(tensor));
	tensor.dispose();
	return () => (owner as unknown as Record<string, Tensor>)[key]!;
}

function childOf(owner: Module, name: string): Module {
	const known = owner.namedChildren().find(([key]) => key === name)?.[1];
	if (known !== undefined) return known;
	const child = new OnnxScope();
	const key = freeName(owner, name);
	const again = owner.namedChildren().find(([other]) => other === key)?.[1];
	if (again !== undefined) return again;
	owner.addModule(key, child);
	return child;
}

/** The name, or one with underscores behind it where the module has a member of that name. */
function freeName(owner: Module, name: string): string {
	let key = name;
	const buffers = new Set(owner.namedBuffers().map(([path]) => path));
	while (key in owner || buffers.has(key)) key += '_';
	return key;
}
