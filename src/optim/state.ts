/** The state tensors of optimizers. Those of many parameters share one storage, an arena, so that one launch can update them all. */
import { isHalf } from '../core/halves';
import { contiguousStrides, sameShape } from '../core/shape';
import { zeros } from '../ops/creation';
import { Tensor } from '../tensor';
import { keep } from '../tidy';

/** An optimizer's state of one parameter. */
export type ParamState = Record<string, Tensor | number>;

/** Elements. A larger parameter keeps the device busy alone, so its state has its own memory. */
const ARENA_ELEMENTS = 2 ** 22;

/** Every state tensor in an arena begins at a multiple of this many elements: see contract/optimizer.ts. */
const ALIGNMENT = 4;

/** The dtype of the state. */
function dtypeOf({ dtype }: Tensor) {
	return isHalf(dtype) ? 'float32' : dtype;
}

/** A state tensor of `param`'s shape, of zeros. float16 parameters have float32 state. */
export function stateTensor(param: Tensor): Tensor {
	return keep(zeros(param.shape, { dtype: dtypeOf(param), device: param.device }));
}

/** Whether `value` can be a state tensor of 'param'. */
export function holdsStateOf(param: Tensor, value: Tensor): boolean {
	const { storage } = value;
	return (
		storage.owner.loss === undefined &&
		storage.device === param.device &&
		value.dtype === dtypeOf(param) &&
		sameShape(value.shape, param.shape)
	);
}

/** A parameter that needs state tensors. */
interface Need {
	readonly param: Tensor;
	readonly state: ParamState;
	readonly keys: readonly string[];
}

interface Arena {
	readonly like: Tensor;
	readonly entries: { readonly need: Need; readonly missing: readonly string[] }[];
	elements: number;
}

/** The elements that one state tensor takes in an arena. */
function room({ size }: Tensor): number {
	return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}

/** Adds the missing state tensors, as `stateTensor` makes them. */
export function addState(needs: readonly Need[]): void {
	const open = new Map<string, Arena>();
	for (const need of needs) {
		const { param, state, keys } = need;
		const missing = keys.filter((key) => !(state[key] instanceof Tensor));
		const elements = missing.length * room(param);
		if (elements > ARENA_ELEMENTS) {
			for (const key of missing) state[key] = stateTensor(param);
			continue;
		}
		const kind = `${param.device} ${dtypeOf(param)}`;
		let arena = open.get(kind);
		if (arena === undefined || arena.elements + elements > ARENA_ELEMENTS) {
			if (arena !== undefined) fill(arena);
			arena = { like: param, entries: [], elements: 0 };
			open.set(kind, arena);
		}
		arena.entries.push({ need, missing });
		arena.elements += elements;
	}
	for (const arena of open.values()) fill(arena);
}

function fill({ like, entries, elements }: Arena): void {
	const whole = zeros([elements], { dtype: dtypeOf(like), device: like.device });
	let offset = 0;
	for (const { need, missing } of entries) {
		const { shape } = need.param;
		for (const key of missing) {
			need.state[key] = keep(new Tensor(whole.storage, shape, contiguousStrides(shape), offset));
			offset += room(need.param);
		}
	}
	whole.dispose();
}
