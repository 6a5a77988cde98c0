/** Recorded launches that fusion understands: what they compute, and which elements of which slots they read and write. */
import { type ELEMENTWISE_PARAMS, type ElementAccess, frameOf } from '../../../../shaders/elementwise.wgsl';
import { dropoutFrame, type StepFrame } from '../../../../shaders/fused.wgsl';
import type { ParameterValues, ViewValue } from '../../../../shaders/parameters';
import { randomMask } from '../../../../shaders/random.wgsl';
import type { StorageType } from '../../../../shaders/shader';
import { storageType } from '../launch';
import type { RecordedLaunch, Slot } from '../recording';
import { type IndexMap, indexMap } from './maps';

/** Elements of a slot. */
export interface Access {
	readonly slot: number;
	readonly map: IndexMap;
	readonly type: StorageType;
}

export interface Operation {
	readonly label: string;
	readonly frame: StepFrame;
	readonly size: number;
	readonly inputs: readonly Access[];
	readonly output: Access;
	/** The bits of the uniform parameters. */
	readonly s: number;
	readonly t: number;
	readonly isRandom: boolean;
	/** Floating-point operations for an element. */
	readonly flops: number;
	/** For another kernel that elementwise operations may follow: its buffer, and the slots of its other buffers, all and those that it writes. */
	readonly head?: { readonly out: string; readonly others: readonly number[]; readonly written: readonly number[] };
}

/** Kernels that store each element of a buffer once, and do not read it: the buffer's name. */
const HEADS: Readonly<Record<string, string>> = {
	'matmul.tile': 'out',
	'matmul.workgroup': 'out',
	'matmul.vector': 'out',
	'matmul.sum': 'out',
	'conv.correlate': 'y',
	'conv.correlateTiled': 'y',
	'norm.rows': 'result',
	'indexing.gatherRows': 'y',
	'pool.maxGrad': 'gradX',
};

/** A launch that elementwise operations may follow in the same kernel: it alone writes a whole slot, before any other uses it. */
export function headOf(
	{ record, pipeline, slots, keyAt }: RecordedLaunch,
	isOnlyWriter: (slot: number) => boolean,
	all: readonly Slot[],
): Operation | undefined {
	const out = HEADS[record.kernel.name];
	if (out === undefined || keyAt >= 0) return undefined;
	const slot = slots[pipeline.names.indexOf(out)]!;
	if (!isOnlyWriter(slot)) return undefined;
	const size = all[slot]!.length;
	const type = storageType(all[slot]!);
	return {
		label: record.kernel.name,
		frame: { operands: {}, output: type, value: '' },
		size,
		inputs: [],
		output: { slot, map: indexMap(0, [size], [1]), type },
		s: 0,
		t: 0,
		isRandom: false,
		flops: 0,
		head: {
			out,
			others: slots.filter((other) => other >= 0 && other !== slot),
			written: slots.filter((other, k) => other >= 0 && other !== slot && pipeline.layout.bindings[k] !== 'read'),
		},
	};
}

/** The elementwise operation of a launch; undefined if it is another one. */
export function operationOf(launch: RecordedLaunch): Operation | undefined {
	const { record, pipeline } = launch;
	if ((record.firstGroup ?? 0) > 0) return undefined;
	if (record.kernel.name === randomMask.name) return dropoutOf(launch);
	const frame = frameOf(record.kernel, record.variant);
	if (frame === undefined) return undefined;
	const params = record.params as ParameterValues<typeof ELEMENTWISE_PARAMS>;
	const slotOf = (name: string) => launch.slots[pipeline.names.indexOf(name)]!;
	const present = Object.entries(frame.operands).flatMap(([name, operand]) => (operand === false ? [] : [{ name, operand }]));
	const size = params.size;
	const output: Access = { slot: slotOf('out'), map: mapOf(frame.access, present.length, 3, params, size), type: frame.output };
	const inputs = present.map(({ name, operand }, k): Access => {
		if (operand.isOutput) return output;
		return { slot: slotOf(name), map: mapOf(frame.access, k, k, params, size), type: operand.stored };
	});
	const bits = (...names: string[]) => names.reduce((sum, name) => sum | wordOf(launch, name), 0) >>> 0;
	const { op } = record.variant;
	return {
		label: `${record.kernel.name.split('.')[1]}${op === undefined ? '' : ` ${op}`}`,
		frame,
		size,
		inputs,
		output,
		s: bits('s', 'integerS'),
		t: bits('t', 'integerT'),
		isRandom: false,
		flops: record.flops / size,
	};
}

function wordOf({ record, words }: RecordedLaunch, name: string): number {
	const field = record.kernel.layout.fields.find((candidate) => candidate.name === name);
	return field === undefined ? 0 : words[field.at]!;
}

/** The map of the operand with the k-th mode, from its component of offsets and strides. */
function mapOf(
	access: ElementAccess,
	k: number,
	component: number,
	params: ParameterValues<typeof ELEMENTWISE_PARAMS>,
	size: number,
): IndexMap {
	const [kind, modes] = access.split('.') as [string, string];
	const mode = modes[k]!;
	const offset = params.offsets[component]!;
	if (mode === 'f') return indexMap(4 * offset, [size], [1]);
	if (mode === 'c') return indexMap(offset, [size], [0]);
	const sizes = params.sizes!;
	const strides = sizes.map((_, d) => params.strides![4 * d + component]!);
	if (kind !== 'rows' || mode === 'r') return indexMap(offset, sizes, strides);
	const last = sizes.length - 1;
	return indexMap(
		4 * offset,
		sizes,
		strides.map((stride, d) => (d === last ? 1 : 4 * stride)),
	);
}

function dropoutOf(launch: RecordedLaunch): Operation | undefined {
	const { record, pipeline, slots } = launch;
	const { kind, input, out } = record.variant as { kind: string; input: StorageType; out: StorageType };
	const params = record.params as { readonly n: number; readonly group: number; readonly input: ViewValue };
	if (kind !== 'dropout' || params.group !== 1) return undefined;
	const { shape, strides, offset = 0 } = params.input;
	const x: Access = { slot: slots[pipeline.names.indexOf('input')]!, map: indexMap(offset, shape, strides), type: input };
	const output: Access = { slot: slots[pipeline.names.indexOf('out')]!, map: indexMap(0, [params.n], [1]), type: out };
	const [s, t] = [wordOf(launch, 'dropped'), wordOf(launch, 'scale')];
	return {
		label: 'dropout',
		frame: dropoutFrame(input, out),
		size: params.n,
		inputs: [x],
		output,
		s,
		t,
		isRandom: true,
		flops: 1,
	};
}
