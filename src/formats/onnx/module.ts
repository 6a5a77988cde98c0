/** The module that a file of ONNX becomes. */
import { isGradEnabled, noGrad } from '../../autograd/modes';
import type { DeviceName } from '../../backends/contract';
import { requireInstance } from '../../core/checks';
import { type DType, isFloating } from '../../core/dtype';
import { ArgumentError, DTypeError, FormatError, formatShape, ShapeError } from '../../core/errors';
import { isObject } from '../../core/state';
import { quote } from '../../io/header';
import { Module } from '../../nn/module';
import { to } from '../../ops/elementwise';
import { reshape } from '../../ops/layout';
import { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import { Host, type Steps, type Value } from './operator';
import type { Plan, Step } from './plan';
import { type Run, runPlan } from './run';

/** An input or output of an ONNX model. */
export interface OnnxValue {
	readonly name: string;
	readonly dtype: DType;
	/** The sizes; a name, or null, for one that the caller chooses. null: of any rank. */
	readonly shape: readonly (number | string | null)[] | null;
}

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A part of the dotted names of parameters. */
export class OnnxScope extends Module {
	forward(): never {
		throw new ArgumentError('a part of an ONNX model has no forward: call that of the model');
	}
}

/** What a module needs to run. */
export interface Program {
	readonly plan: Plan;
	readonly inputs: readonly OnnxValue[];
	readonly outputs: readonly OnnxValue[];
	/** How many values there are. */
	readonly count: number;
	readonly constants: readonly { readonly value: number; readonly host: Host }[];
	readonly state: readonly { readonly value: number; readonly find: () => Tensor }[];
	readonly device: DeviceName;
	dtypeOf(dataType: number): DType;
	constant(step: Step, attribute: string): Host | null;
}

/**
 * An ONNX model. Its parameters have the names of the file. It is made in inference mode: call `train()` for dropout, and for batch norm
 * with the statistics of the batch.
 */
export class OnnxModule extends Module {
	/** The inputs that `forward` takes. */
	readonly inputs: readonly OnnxValue[];
	/** The outputs that `forward` returns. */
	readonly outputs: readonly OnnxValue[];
	#program: Program | null = null;

	/** Only for the library: see `loadOnnx`. */
	constructor(inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]) {
		super();
		this.inputs = inputs;
		this.outputs = outputs;
		this.training = false;
	}

	/** @internal */
	load(program: Program): void {
		this.#program = program;
	}

	/**
	 * Computes the outputs. Takes the only input and returns the only output, or takes and returns tensors by name. Throws an ArgumentError if
	 * the model needs elements on the host, as NonZero does: then call `run`.
	 */
	forward(input: Tensor): Tensor;
	forward(inputs: NamedTensors): Record<string, Tensor>;
	forward(given: Tensor | NamedTensors): Tensor | Record<string, Tensor> {
		const named = this.#named(given);
		const outputs = tidy(() => {
			const { done, value } = this.#steps(named).next();
			if (done === true) return value;
			throw new ArgumentError(
				`forward: the model needs the elements of a tensor of shape ${formatShape(value.shape)} on the host. Call await model.run()`,
			);
		});
		return given instanceof Tensor ? this.#only(outputs) : outputs;
	}

	/** As `forward`, for models whose shapes or branches depend on the elements of tensors: it waits for these where it must. */
	run(input: Tensor): Promise<Tensor>;
	run(inputs: NamedTensors): Promise<Record<string, Tensor>>;
	async run(given: Tensor | NamedTensors): Promise<Tensor | Record<string, Tensor>> {
		const steps = this.#steps(this.#named(given));
		const records = isGradEnabled();
		// noGrad() ends at an await.
		const resumed = (host?: Host) => {
			const next = () => (host === undefined ? steps.next() : steps.next(host));
			return records ? next() : noGrad(next);
		};
		let { done, value } = resumed();
		while (done !== true) {
			const host = new Host(await onHost(value as Tensor));
			({ done, value } = resumed(host));
		}
		const outputs = value as Record<string, Tensor>;
		return given instanceof Tensor ? this.#only(outputs) : outputs;
	}

	#named(given: Tensor | NamedTensors): NamedTensors {
		if (given instanceof Tensor) {
			if (this.inputs.length === 1 && this.outputs.length === 1) return { [this.inputs[0]!.name]: given };
			throw new ArgumentError(
				`forward: the model has the inputs ${names(this.inputs)} and the outputs ${names(this.outputs)}. Pass the tensors by name: { ${this.inputs[0]?.name ?? 'x'}: tensor }`,
			);
		}
		if (!isObject(given)) throw new ArgumentError(`forward: it takes a tensor, or tensors by name: ${names(this.inputs)}`);
		const known = new Set(this.inputs.map(({ name }) => name));
		const unknown = Object.keys(given).find((name) => !known.has(name));
		if (unknown !== undefined)
			throw new ArgumentError(`forward: there is no input ${quote(unknown)}; there are ${names(this.inputs)}`);
		return given as NamedTensors;
	}

	#only(outputs: Record<string, Tensor>): Tensor {
		return outputs[this.outputs[0]!.name]!;
	}

	*#steps(given: NamedTensors): Steps<Record<string, Tensor>> {
		const program = this.#program!;
		const values = new Array<Value | null>(program.count).fill(null);
		const list = this.inputs.map((input) => checked(input, given));
		const state = program.state.map(({ find }) => find());
		const device = list[0]?.device ?? state[0]?.device ?? program.device;
		list.forEach((tensor, i) => {
			values[program.plan.inputs[i]!] = tensor;
		});
		program.state.forEach(({ value }, i) => {
			values[value] = state[i]!;
		});
		for (const { value, host } of program.constants) values[value] = host;
		const { dtypeOf, constant } = program;
		const run: Run = { device, training: this.training, values, dtypeOf, constant };
		yield* runPlan(program.plan, run);
		return Object.fromEntries(
			this.outputs.map(({ name }, i) => {
				const found = values[program.plan.outputs[i]!];
				const tensor = found instanceof Host ? found.on(device) : found;
				if (!(tensor instanceof Tensor)) throw new FormatError(`the output ${quote(name)} is no tensor`);
				return [name, reshape(tensor, tensor.shape)];
			}),
		);
	}

	override extraRepr(): string {
		return `${names(this.inputs)} -> ${names(this.outputs)}`;
	}
}

function names(values: readonly OnnxValue[]): string {
	return values.map(({ name }) => name).join(', ') || 'none';
}

async function onHost(x: Tensor): Promise<Tensor> {
	return x.device === 'cpu' ? reshape(x, x.shape) : to(x, 'cpu');
}

/** The tensor for an input, in its dtype. */
function checked({ name, dtype, shape }: OnnxValue, given: NamedTensors): Tensor {
	const tensor = Object.hasOwn(given, name) ? given[name] : undefined;
	requireInstance('forward', `the input ${quote(name)}`, tensor, Tensor, 'a tensor');
	const x = tensor as Tensor;
	if (isFloating(x.dtype) !== isFloating(dtype))
		throw new DTypeError(`forward: the input ${quote(name)} is of ${dtype}, not ${x.dtype}`);
	const fits =
		shape === null || (shape.length === x.ndim && shape.every((size, dim) => typeof size !== 'number' || size === x.shape[dim]));
	if (!fits) {
		const wanted = shape.map((size) => size ?? '?').join(', ');
		throw new ShapeError(`forward: the input ${quote(name)} has the shape [${wanted}], not ${formatShape(x.shape)}`);
	}
	return x.dtype === dtype || (isFloating(dtype) && x.dtype === 'float64') ? x : to(x, dtype);
}
