/** Runs the steps of a plan. */
import type { DeviceName } from '../../backends/contract';
import type { DType } from '../../core/dtype';
import { ArgumentError, DTypeError, FormatError, ShapeError } from '../../core/errors';
import { reshape } from '../../ops/layout';
import { Tensor } from '../../tensor';
import { tidied } from '../../tidy';
import {
	type Call,
	Host,
	MOST_ON_HOST,
	NeedsHost,
	type Result,
	Sequence,
	type Steps,
	type Subgraph,
	type Value,
} from './operator';
import type { Plan, Step } from './plan';

/** Where and how a plan runs. */
export interface Run {
	readonly device: DeviceName;
	readonly training: boolean;
	/** Values by number, of all plans of a model. */
	readonly values: (Value | null)[];
	dtypeOf(dataType: number): DType;
	/** The tensor in an attribute. */
	constant(step: Step, attribute: string): Host | null;
}

export function* runPlan(plan: Plan, run: Run): Steps<void> {
	const { values } = run;
	for (const step of plan.steps) {
		const results = yield* runStep(step, run);
		step.outputs.forEach((value, i) => {
			if (value >= 0) values[value] = results[i] ?? null;
		});
		for (const value of step.frees) {
			const found = values[value];
			if (found instanceof Tensor) found.dispose();
			values[value] = null;
		}
	}
}

/** Whether the host computes a step: it knows all inputs, and two runs give the same. */
export function isOnHost(step: Step, values: readonly (Value | null)[]): boolean {
	if (step.operator.varies === true || step.subgraphs.size > 0) return false;
	return step.inputs.every((value) => value < 0 || values[value] instanceof Host);
}

export function* runStep(step: Step, run: Run): Steps<readonly (Value | null)[]> {
	const onHost = isOnHost(step, run.values);
	const inputs = step.inputs.map((value) => (value < 0 ? null : run.values[value]!));
	const call: Call = {
		attributes: step.attributes,
		version: step.version,
		outputs: step.outputs.map((value) => value >= 0),
		inputs,
		types: step.types,
		device: onHost ? 'cpu' : run.device,
		training: run.training,
		dtypeOf: run.dtypeOf,
		subgraph: (attribute) => subgraph(step, attribute, run),
		constant: (attribute) => run.constant(step, attribute),
	};
	for (;;) {
		try {
			const result = start(step, call);
			return own(isSteps(result) ? yield* result : result, inputs, onHost, step);
		} catch (error) {
			if (!(error instanceof NeedsHost)) throw placed(error, step);
			inputs[error.input] = yield inputs[error.input] as Tensor;
		}
	}
}

function isSteps(result: Result | Steps<Result>): result is Steps<Result> {
	return Symbol.iterator in result && !Array.isArray(result);
}

/** Runs an operator, and frees its temporaries. */
function start(step: Step, call: Call): Result | Steps<Result> {
	return tidied(() => {
		const result = step.operator.run(call);
		return { result, tensors: isSteps(result) ? [] : tensorsIn(result) };
	}).result;
}

function tensorsIn(result: Result): Tensor[] {
	if (result instanceof Tensor) return [result];
	if (result instanceof Sequence) return result.items.filter((item) => item instanceof Tensor);
	return Array.isArray(result) ? result.flatMap((value: Value | null) => (value === null ? [] : tensorsIn(value))) : [];
}

/** The outputs. Those that the host computed are of the host; a tensor that was an input gets a handle of its own. */
function own(result: Result, inputs: readonly (Value | null)[], onHost: boolean, step: Step): readonly (Value | null)[] {
	const list: readonly (Value | null)[] = Array.isArray(result) ? result : [result as Value];
	const handle = (value: Tensor) => (isForeign(value, inputs) ? reshape(value, value.shape) : value);
	return list.map((value) => {
		if (value instanceof Sequence) return new Sequence(value.items.map((item) => (item instanceof Host ? item : handle(item))));
		if (!(value instanceof Tensor)) return value;
		if (!onHost) return handle(value);
		if (value.size > MOST_ON_HOST)
			throw new FormatError(
				`${step.attributes.node} makes a constant of ${value.size} elements, and the limit is ${MOST_ON_HOST}`,
			);
		return new Host(value);
	});
}

function isForeign(value: Tensor, inputs: readonly (Value | null)[]): boolean {
	return inputs.some(
		(input) =>
			input === value ||
			(input instanceof Host && input.holds(value)) ||
			(input instanceof Sequence && input.items.includes(value)),
	);
}

/** The error, with the node in front. */
function placed(error: unknown, step: Step): unknown {
	const Kind = [ShapeError, ArgumentError, DTypeError, FormatError].find((kind) => (error as Error).constructor === kind);
	const { message } = error as Error;
	const { node } = step.attributes;
	if (Kind === undefined || message.startsWith(node)) return error;
	return new Kind(`${node}: ${message}`, { cause: error });
}

function subgraph(step: Step, attribute: string, run: Run): Subgraph {
	const plan = step.subgraphs.get(attribute);
	if (plan === undefined) throw new FormatError(`${step.attributes.node} has no graph ${attribute}`);
	return {
		inputs: plan.inputs.length,
		*run(given) {
			plan.inputs.forEach((value, i) => {
				run.values[value] = given[i] ?? null;
			});
			yield* runPlan(plan, run);
			return plan.outputs.map((value) => {
				const found = run.values[value] ?? null;
				return found instanceof Tensor ? reshape(found, found.shape) : found;
			});
		},
	};
}
