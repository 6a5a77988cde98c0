/**
 * Runs a function on example tensors and records each operation, for `saveOnnx`.
 *
 * A trace knows values, not memory: a view is another value, made by the operation of the view, and an in-place write makes a new value that
 * later readers of the memory see. The results of operations on constants alone are constants, too. Kernels that run outside operations on
 * values that follow the inputs make tensors that a trace cannot follow.
 */
import { noGrad } from '../../autograd/modes';
import { currentRecorder, type RecordedCall, type RecordedWrite, type Recorder, withRecorder } from '../../autograd/recorder';
import type { Backend, Kernels, View } from '../../backends/contract';
import { withBackends } from '../../backends/registry';
import type { DType } from '../../core/dtype';
import { ArgumentError, formatShape } from '../../core/errors';
import { defaultGenerator } from '../../core/generator';
import { currentOperation } from '../../core/scope';
import type { Shape } from '../../core/shape';
import type { Module } from '../../nn/module';
import { copyOf, Tensor } from '../../tensor';
import { keep, tidy } from '../../tidy';

/** A tensor of the trace. */
export interface Value {
	readonly id: number;
	readonly shape: Shape;
	readonly dtype: DType;
	/** The name of an input or of a parameter or buffer; '' for others. */
	readonly name: string;
	readonly source: 'input' | 'state' | 'constant' | 'step';
	/** The elements of state and constants. */
	tensor: Tensor | null;
}

/** One recorded operation. */
export interface Step {
	readonly kind: string;
	readonly name: string;
	/** The path of the module that ran it; '' for the model itself. */
	readonly place: string;
	readonly inputs: Readonly<Record<string, Value | null>>;
	readonly attributes: unknown;
	readonly outputs: readonly (Value | null)[];
}

export interface Trace {
	readonly values: readonly Value[];
	readonly steps: readonly Step[];
	/** The paths of the output tensors within what forward returned. */
	readonly outputs: readonly string[];
	/** Their values. */
	readonly results: readonly Value[];
}

/** One way to see a memory: the value there, as long as the memory is not written; and the operation that made the view. */
interface Sight {
	value: Value;
	writes: number;
	readonly from: { readonly sight: Sight; readonly call: RecordedCall; readonly index: number } | null;
	readonly geometry: Geometry;
}

type Geometry = Pick<Tensor, 'shape' | 'strides' | 'offset'>;

interface Memory {
	writes: number;
	readonly sights: Map<string, Sight>;
}

/** The tensors within the results of forward, in order, with a path for each. */
export function tensorsIn(result: unknown, path = ''): [path: string, tensor: Tensor][] {
	if (result instanceof Tensor) return [[path, result]];
	if (typeof result !== 'object' || result === null) return [];
	const join = (key: string) => (path === '' ? key : `${path}_${key}`);
	if (Array.isArray(result)) return result.flatMap((item, i) => tensorsIn(item, join(String(i))));
	return Object.entries(result).flatMap(([key, item]) => tensorsIn(item, join(key)));
}

export interface TraceTarget {
	readonly module: Module | null;
	readonly forward: (...inputs: Tensor[]) => unknown;
	/** The names of the inputs. */
	readonly names: readonly string[];
}

/** Runs the target on `inputs`. The tensors of values stay until `dispose` of each. */
export function trace(target: TraceTarget, inputs: readonly Tensor[]): Trace {
	const tracer = new Tracer();
	target.names.forEach((name, i) => {
		tracer.define(inputs[i]!, 'input', name);
	});
	if (target.module !== null) for (const [name, tensor] of stateOf(target.module)) tracer.define(tensor, 'state', name);
	const restore = target.module === null ? [] : target.module.namedModules().map(([path, part]) => tracer.watch(path, part));
	const random = defaultGenerator.getState();
	try {
		return tidy(() =>
			noGrad(() => withBackends(tracer.backends, () => withRecorder(tracer, () => tracer.finish(target.forward(...inputs))))),
		);
	} finally {
		for (const undo of restore) undo();
		defaultGenerator.setState(random);
	}
}

/** Parameters and buffers under their first names. */
function stateOf(module: Module): [string, Tensor][] {
	return [...module.namedParameters(), ...module.namedBuffers()];
}

function keyOf({ shape, strides, offset }: Geometry): string {
	return `${shape.join()};${strides.join()};${offset}`;
}

class Tracer implements Recorder {
	readonly #values: Value[] = [];
	readonly #steps: Step[] = [];
	/** By storage. */
	readonly #memories = new Map<unknown, Memory>();
	/** Storages that a kernel outside of operations computed from recorded values, with the name of what ran. */
	readonly #lost = new Map<unknown, string>();
	readonly #wrapped = new Map<Backend, Backend>();
	#place = '';
	#random = '';

	readonly backends = (backend: Backend): Backend => {
		let found = this.#wrapped.get(backend);
		if (found === undefined) {
			found = this.#watched(backend);
			this.#wrapped.set(backend, found);
			this.#wrapped.set(found, found);
		}
		return found;
	};

	/** The same backend, with kernels that tell when they run outside of recorded operations. */
	#watched(real: Backend): Backend {
		const kernels = Object.keys(real.kernels).map((name) => {
			const run = real.kernels[name as keyof Kernels] as (...given: unknown[]) => unknown;
			return [
				name,
				(
					inputs: Readonly<Record<string, View | undefined>>,
					outputs: Readonly<Record<string, View | undefined>>,
					...rest: unknown[]
				) => {
					this.#sawKernel(name, inputs, outputs ?? {});
					return run.call(real.kernels, inputs, outputs, ...rest);
				},
			];
		});
		return {
			device: real.device,
			loss: real.loss,
			hasFloat16: real.hasFloat16,
			kernels: Object.fromEntries(kernels) as Kernels,
			allocate: (length, dtype, shape) => real.allocate(length, dtype, shape),
			upload: (data, dtype, shape) => real.upload(data, dtype, shape),
			allocateForHost: (length, dtype, shape) => real.allocateForHost(length, dtype, shape),
			write: (storage, data, at) => real.write(storage, data, at),
			release: (storage) => real.release(storage),
			read: (storage) => real.read(storage),
			pace: () => real.pace(),
			throwReported: () => real.throwReported(),
		};
	}

	#sawKernel(
		name: string,
		inputs: Readonly<Record<string, View | undefined>>,
		outputs: Readonly<Record<string, View | undefined>>,
	): void {
		if (name.startsWith('random') || name === 'bernoulli' || name === 'dropout') this.#random = currentOperation() || name;
		if (currentRecorder() === null) return;
		const known = (view: View | undefined) => view !== undefined && this.#follows(view);
		if (!Object.values(inputs).some(known)) return;
		for (const view of Object.values(outputs)) if (view !== undefined) this.#lost.set(view.storage, currentOperation() || name);
	}

	/** Notes where the operations within the module's forward stand. Returns a function that stops it. */
	watch(path: string, module: Module): () => void {
		const own = module as unknown as { forward: (...inputs: readonly unknown[]) => unknown };
		const before = Object.getOwnPropertyDescriptor(own, 'forward');
		const forward = own.forward;
		own.forward = (...inputs) => {
			const outer = this.#place;
			this.#place = path;
			const output = forward.apply(module, inputs as unknown[]);
			this.#place = outer;
			return output;
		};
		return () => {
			if (before === undefined) delete (own as { forward?: unknown }).forward;
			else Object.defineProperty(own, 'forward', before);
		};
	}

	define(tensor: Tensor, source: 'input' | 'state', name: string): void {
		const memory = this.#memories.get(tensor.storage);
		if (memory?.sights.has(keyOf(tensor))) return;
		const value = this.#value(tensor, source, name, source === 'state' ? held(tensor) : null);
		if (memory === undefined) this.#newMemory(tensor, value);
		else memory.sights.set(keyOf(tensor), sightOf(tensor, value, 0));
	}

	#value(
		{ shape, dtype }: Pick<Tensor, 'shape' | 'dtype'>,
		source: Value['source'],
		name = '',
		tensor: Tensor | null = null,
	): Value {
		const value = { id: this.#values.length, shape: [...shape], dtype, name, source, tensor };
		this.#values.push(value);
		return value;
	}

	#newMemory(tensor: Tensor, value: Value): void {
		this.#memories.set(tensor.storage, { writes: 0, sights: new Map([[keyOf(tensor), sightOf(tensor, value, 0)]]) });
	}

	called(call: RecordedCall): void {
		const entries = Object.entries(call.inputs);
		const follows = entries.some(([, tensor]) => tensor != null && this.#follows(tensor));
		const inputs = Object.fromEntries(entries.map(([key, tensor]) => [key, tensor == null ? null : this.#valueOf(tensor)]));
		const outputs = call.outputs.map((tensor) => tensor && (follows ? this.#value(tensor, 'step') : this.#constant(tensor)));
		this.#steps.push({
			kind: call.kind,
			name: call.name,
			place: this.#place,
			inputs,
			attributes: call.attributes,
			outputs: outputs.map((value) => value ?? null),
		});
		call.outputs.forEach((tensor, index) => {
			if (tensor == null) return;
			const value = outputs[index]!;
			const memory = this.#memories.get(tensor.storage);
			if (memory === undefined) this.#newMemory(tensor, value);
			else this.#addView(memory, tensor, value, call, index);
		});
	}

	#addView(memory: Memory, tensor: Tensor, value: Value, call: RecordedCall, index: number): void {
		const base = Object.values(call.inputs).find((input) => input?.storage === tensor.storage);
		if (base == null || keyOf(base) === keyOf(tensor) || memory.sights.get(keyOf(tensor))?.from === null) return;
		const sight = memory.sights.get(keyOf(base))!;
		memory.sights.set(keyOf(tensor), sightOf(tensor, value, memory.writes, { sight, call, index }));
	}

	#constant(tensor: Tensor): Value {
		return this.#value(tensor, 'constant', '', held(tensor));
	}

	/** Whether a tensor depends on inputs or on state. */
	#follows({ storage }: View): boolean {
		if (this.#lost.has(storage)) return true;
		const memory = this.#memories.get(storage);
		return memory !== undefined && [...memory.sights.values()].some(({ value }) => value.source !== 'constant');
	}

	#valueOf(tensor: Tensor): Value {
		const lost = this.#lost.get(tensor.storage);
		if (lost !== undefined)
			throw new ArgumentError(`${this.#where()}${lost} computes outside of operations, so its result cannot be exported`);
		const memory = this.#memories.get(tensor.storage);
		if (memory === undefined) {
			const value = this.#constant(tensor);
			this.#newMemory(tensor, value);
			return value;
		}
		const key = keyOf(tensor);
		const known = memory.sights.get(key);
		if (known !== undefined) return this.#current(memory, known);
		const stretched = this.#stretched(memory, tensor);
		if (stretched !== null) return stretched;
		const outside = [...memory.sights.values()].every(({ value }) => value.source === 'constant' || value.source === 'state');
		if (!outside || memory.writes > 0) {
			throw new ArgumentError(
				`${this.#where()}a view of shape ${formatShape(tensor.shape)} was made outside of operations, so it cannot be exported. Make it with narrow(), reshape() or another operation on views`,
			);
		}
		const value = this.#constant(tensor);
		memory.sights.set(key, sightOf(tensor, value, memory.writes));
		return value;
	}

	/** A view that repeats a known one along other dims, as kernels take it: the same as a reshape and an expansion. */
	#stretched(memory: Memory, tensor: Tensor): Value | null {
		const real = ({ shape, strides }: Geometry) =>
			shape.flatMap((size, d) => (size === 1 || strides[d] === 0 ? [] : [size, strides[d]!]));
		const key = real(tensor).join();
		const sight = [...memory.sights.values()].find(
			({ geometry }) => geometry.offset === tensor.offset && real(geometry).join() === key,
		);
		if (sight === undefined || tensor.size === 0) return null;
		const place = { place: this.#place, name: currentOperation() || 'expand' };
		const narrow = tensor.shape.map((size, d) => (tensor.strides[d] === 0 ? 1 : size));
		const step = (kind: string, x: Value, shape: Shape) => {
			const value = this.#value({ shape, dtype: tensor.dtype }, 'step');
			this.#steps.push({ ...place, kind, inputs: { x }, attributes: { shape }, outputs: [value] });
			return value;
		};
		const value = step('expand', step('reshape', this.#current(memory, sight), narrow), tensor.shape);
		memory.sights.set(keyOf(tensor), sightOf(tensor, value, memory.writes));
		return value;
	}

	/** The value of a sight after the writes into its memory: the view is made again from what it is a view of. */
	#current(memory: Memory, sight: Sight): Value {
		if (sight.writes === memory.writes) return sight.value;
		if (sight.from === null)
			throw new ArgumentError(
				`${this.#where()}a tensor was written through a view whose base the trace does not know, so it cannot be exported`,
			);
		const { sight: base, call, index } = sight.from;
		const input = this.#current(memory, base);
		const outputs = call.outputs.map((tensor) => (tensor == null ? null : this.#value(sight.value, 'step')));
		const [key] = Object.keys(call.inputs) as [string];
		this.#steps.push({
			kind: call.kind,
			name: call.name,
			place: this.#place,
			inputs: { [key]: input },
			attributes: call.attributes,
			outputs,
		});
		sight.value = outputs[index]!;
		sight.writes = memory.writes;
		return sight.value;
	}

	beforeWrite(x: Tensor): void {
		this.#valueOf(x);
		for (const value of this.#values) {
			if (value.tensor === null || value.tensor.storage !== x.storage) continue;
			const { tensor } = value;
			value.tensor = withRecorder(null, () => keep(copyOf(tensor)));
			tensor.dispose();
		}
	}

	wrote({ name, x, source, attributes }: RecordedWrite): void {
		if (!this.#follows(x) && (source === null || !this.#follows(source))) {
			// Constants that are written into a constant make another constant.
			this.#memories.delete(x.storage);
			return;
		}
		const memory = this.#memories.get(x.storage)!;
		const key = keyOf(x);
		const sight = memory.sights.get(key)!;
		const before = this.#current(memory, sight);
		const inputs = { x: before, source: source && this.#valueOf(source) };
		const value = this.#value(x, 'step');
		this.#steps.push({ kind: 'write', name, place: this.#place, inputs, attributes, outputs: [value] });
		const chain = [sight];
		while (chain.at(-1)!.from !== null) chain.push(chain.at(-1)!.from!.sight);
		const bases = chain.map((link) => this.#current(memory, link));
		memory.writes++;
		let part = value;
		chain.forEach((link, i) => {
			link.value = part;
			link.writes = memory.writes;
			if (link.from === null) return;
			const base = bases[i + 1]!;
			const whole = this.#value(base, 'step');
			const { call, index } = link.from;
			const back = { kind: call.kind, index, attributes: call.attributes };
			this.#steps.push({
				kind: 'writeBack',
				name,
				place: this.#place,
				inputs: { base, part },
				attributes: back,
				outputs: [whole],
			});
			part = whole;
		});
	}

	#where(): string {
		return this.#place === '' ? 'ONNX export: ' : `ONNX export: in module '${this.#place}': `;
	}

	finish(outputs: unknown): Trace {
		if (outputs instanceof Promise) {
			outputs.catch(() => {});
			throw new ArgumentError(
				'ONNX export: forward is async. A graph cannot wait for values on the host; compute with tensors, without data(), item() or nonzero()',
			);
		}
		if (this.#random !== '') {
			throw new ArgumentError(
				`ONNX export: forward draws random numbers (${this.#random}). Pass the random tensor as an input, or export in inference mode`,
			);
		}
		const results = tensorsIn(outputs).map(([, tensor]) => this.#valueOf(tensor));
		if (results.length === 0) throw new ArgumentError('ONNX export: forward returned no tensor');
		return { values: this.#values, steps: this.#steps, outputs: tensorsIn(outputs).map(([path]) => path), results };
	}
}

function sightOf({ shape, strides, offset }: Tensor, value: Value, writes: number, from: Sight['from'] = null): Sight {
	return { value, writes, from, geometry: { shape, strides, offset } };
}

/** Another handle of the same memory, which no scope frees. */
function held(tensor: Tensor): Tensor {
	return keep(new Tensor(tensor.storage, tensor.shape, tensor.strides, tensor.offset));
}
