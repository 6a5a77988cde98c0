/** Makes one launch of several elementwise operations. */
import { type FusedProgram, fusedKernel, type Place } from '../../../../shaders/fused.wgsl';
import { epilogueValues, storedType, withEpilogue } from '../../../../shaders/fusedEpilogue.wgsl';
import { type Kernel, type StorageType, WORKGROUP_SIZE } from '../../../../shaders/shader';
import { ownsTailAt, quadsEach } from '../elementwisePlan';
import type { Gpu, Launch } from '../launch';
import { gpuBytes } from '../memory';
import { packParameters, SLOT_WORDS } from '../parameters';
import type { RecordedLaunch, Slot } from '../recording';
import { collapseDims } from '../strides';
import { commonSizes, type IndexMap, isConsecutive, isConstant, isSame, stridesAlong } from './maps';
import type { Access, Operation } from './operations';

/** A launch of a plan before it has a pipeline. */
export interface Composed {
	readonly record: Launch;
	readonly words: Uint32Array;
	/** The slot of each buffer. */
	readonly slots: readonly number[];
	/** The words at which keys begin, and how many keys of the recording came before each. */
	readonly draws: readonly { readonly at: number; readonly draw: number }[];
	readonly operation: string;
	/** Whether the grid is that of a launch that was recorded; else it is a row of workgroups, which may be folded. */
	readonly isPlaced: boolean;
}

/** An access of the kernel: what it loads, or the last of what it stores there. */
interface Value {
	readonly access: Access;
	isLoaded: boolean;
	/** Whether a kernel before hands it over. */
	readonly isGiven: boolean;
	/** The step that computes it; -1 if it is only loaded. */
	step: number;
}

type Mode = Place['mode'];

interface Walks {
	readonly kind: 'linear' | 'rows';
	readonly modes: readonly Mode[];
	readonly sizes: readonly number[];
	/** Strides along the sizes for each value, in the units of its mode. */
	readonly strides: readonly (readonly number[])[];
}

/**
 * The launch, null if nothing reads what the operations compute, or undefined if they need more buffers or parameters than a launch has.
 * `isNeeded` tells whether a slot is read outside.
 */
export function composed(
	gpu: Gpu,
	launches: readonly RecordedLaunch[],
	operations: readonly Operation[],
	slots: readonly Slot[],
	isNeeded: (slot: number) => boolean,
	drawOf: (launch: RecordedLaunch) => number,
): Composed | null | undefined {
	const values: Value[] = [];
	const numbers: number[] = [];
	const keys: RecordedLaunch[] = [];
	const steps: FusedProgram['steps'][number][] = [];
	const find = (access: Access) =>
		values.find((value) => value.access.slot === access.slot && isSame(value.access.map, access.map));
	const numberOf = (bits: number) => {
		const known = numbers.indexOf(bits);
		return known >= 0 ? known : numbers.push(bits) - 1;
	};
	const { head } = operations[0]!;
	operations.forEach((operation, k) => {
		if (operation.head !== undefined) {
			values.push({ access: operation.output, isLoaded: false, isGiven: true, step: -1 });
			return;
		}
		const inputs = operation.inputs.map((access) => {
			let value = find(access);
			if (value === undefined) {
				value = { access, isLoaded: true, isGiven: false, step: -1 };
				values.push(value);
			}
			return value.step >= 0 ? { step: value.step } : { value };
		});
		const { label, frame, s, t, isRandom, output } = operation;
		const usesNumbers = frame.parameters !== undefined || /\bp\.(s|t|integer[ST])\b/.test(frame.value);
		steps.push({
			label,
			frame,
			inputs: inputs as never,
			s: usesNumbers ? numberOf(s) : 0,
			t: usesNumbers ? numberOf(t) : 0,
			key: isRandom ? keys.push(launches[k]!) - 1 : 0,
		});
		const known = find(output);
		const step = steps.length - 1;
		if (known !== undefined) known.step = step;
		else values.push({ access: output, isLoaded: false, isGiven: false, step });
	});
	const isStoredValue = ({ step, isGiven, access }: Value) => (step >= 0 || isGiven) && isNeeded(access.slot);
	const used = values.filter((value) => value.isLoaded || value.isGiven || isStoredValue(value));
	const stores = used.flatMap((value, place) => (isStoredValue(value) ? [{ place, step: value.step }] : []));
	if (stores.length === 0) return head === undefined ? null : undefined;
	const bound = [...new Set(used.flatMap((value) => (value.isLoaded || isStoredValue(value) ? [value.access.slot] : [])))];
	// The kernel before keeps all its buffers except the one for its result.
	const others = head === undefined ? 0 : launches[0]!.slots.length - 1;
	if (bound.length + others > gpu.limits.maxStorageBuffersPerShaderStage) return undefined;
	const { size } = operations[0]!;
	const isStored = (i: number) => stores.some(({ place }) => place === i);
	const type = head && storedType(launches[0]!.record.kernel, launches[0]!.record.variant, head.out);
	const isQuad = type?.startsWith('vec4');
	const given = operations[0]!.output.type;
	if (type !== undefined && (type !== (isQuad ? `vec4<${given}>` : given) || (isQuad && size % 4 > 0))) return undefined;
	const walks =
		(head === undefined ? rowWalks(used, isStored) : undefined) ??
		linearWalks(used, isStored, size, isQuad === false ? undefined : slots);
	if (walks === undefined) return undefined;

	const types = bound.map((slot) => typeOf(used.filter(({ access }) => access.slot === slot)));
	if (types.includes(undefined)) return undefined;
	const [places, tables] = tabulated(used, bound, walks);
	const program: FusedProgram = {
		kind: walks.kind,
		...(head !== undefined && { given: 0, givenType: given }),
		buffers: bound.map((slot, b) => ({
			type: types[b]!,
			isVector: isQuad !== false && places.every(({ buffer, mode }) => buffer !== b || mode === 'f' || mode === 'v'),
			isWritten: stores.some(({ place }) => used[place]!.access.slot === slot),
		})),
		places,
		loads: used.flatMap(({ isLoaded }, i) => (isLoaded ? [i] : [])),
		steps: steps.map((step) => ({
			...step,
			inputs: (step.inputs as readonly { step?: number; value?: Value }[]).map(({ step: from, value }) =>
				from === undefined ? { place: used.indexOf(value!) } : { step: from },
			),
		})),
		stores,
		walks: tables.length,
		numbers: numbers.length,
		keys: keys.length,
	};
	const made = composedKernel(launches[0]!, head, program);
	if (made === undefined || made.kernel.layout.words > SLOT_WORDS) return undefined;
	const { kernel } = made;

	const rank = walks.sizes.length;
	const count = Math.ceil(size / 4);
	const inner = walks.kind === 'rows' ? walks.sizes[rank - 1]! / 4 : 0;
	const chunks = Math.ceil(inner / quadsEach(gpu, count));
	const rows = walks.kind === 'rows' ? (count / inner) * chunks : count;
	const each = walks.kind === 'rows' ? chunks : quadsEach(gpu, count);
	const groups = Math.ceil(rows / (walks.kind === 'rows' ? WORKGROUP_SIZE : WORKGROUP_SIZE * each));
	const params = {
		size,
		quads: rows,
		each,
		rank,
		inner,
		offsets: used.map(({ access: { map } }, i) =>
			isQuad !== false && ['f', 'v'].includes(walks.modes[i]!) ? map.offset / 4 : map.offset,
		),
		sizes: walks.sizes,
		strides: interleaved(tables, rank),
		numbers,
		keys: keys.flatMap(({ words, keyAt }) => [...words.subarray(keyAt, keyAt + 4)]),
	};
	const first = launches[0]!;
	const whole = head === undefined ? params : { ...first.record.params, ...epilogueValues(params) };
	const words = packParameters(kernel, whole, 0);
	const keysAt = kernel.layout.fields.find(({ name }) => name === 'keys' || name === 'fusedKeys')?.at ?? 0;
	const widths = used.map(
		({ access, isLoaded }, i) => gpuBytes(slots[access.slot]!.dtype) * (Number(isStored(i)) + Number(isLoaded)),
	);
	const record: Launch = {
		...(head !== undefined && { check: first.record.check }),
		kernel,
		variant: { program: numberOfProgram(kernel.source({}).code) },
		buffers: {},
		params: {},
		grid: head === undefined ? [groups] : [first.x, first.y, first.z],
		flops: operations.reduce((sum, { flops }) => sum + flops, 0) * size + (head === undefined ? 0 : first.record.flops),
		bytes: widths.reduce((sum, width) => sum + width, 0) * size + (head === undefined ? 0 : first.record.bytes),
	};
	const draws = keys.map((launch, k) => ({ at: keysAt + 4 * k, draw: drawOf(launch) }));
	const operation = [...new Set(launches.map((launch) => launch.operation))].join(', ');
	if (head === undefined) return { record, words, slots: bound, draws, operation, isPlaced: false };
	const kept = made.names.map((name) => first.slots[first.pipeline.names.indexOf(name)]!);
	const reports = first.slots.filter((slot) => slot < 0);
	return { record, words, slots: [...kept, ...bound, ...reports], draws, operation, isPlaced: true };
}

function composedKernel(
	first: RecordedLaunch,
	head: Operation['head'],
	program: FusedProgram,
): { kernel: Kernel; names: string[] } | undefined {
	if (head === undefined) return { kernel: fusedKernel(program) as unknown as Kernel, names: [] };
	const made = withEpilogue(first.record.kernel, first.record.variant, head.out, program);
	return made && { kernel: made.kernel as unknown as Kernel, names: made.names };
}

/** Programs with the same code share a pipeline. */
const programs = new Map<string, number>();

function numberOfProgram(code: string): number {
	const known = programs.get(code) ?? programs.size;
	programs.set(code, known);
	return known;
}

/** The type of a buffer: that of its first use. Others may read and write the same bits as another type of this width. */
function typeOf(values: readonly Value[]): StorageType | undefined {
	const [first, ...rest] = values.map(({ access }) => access.type);
	return rest.every((type) => (type === 'f16') === (first === 'f16')) ? first : undefined;
}

function strideLists(
	values: readonly Value[],
	maps: (map: IndexMap) => boolean,
): [readonly number[], readonly (readonly number[])[]] | undefined {
	const size = values[0]!.access.map.sizes.reduce((a, b) => a * b, 1);
	const bends = values.flatMap(({ access: { map } }) => (maps(map) ? [map.sizes] : []));
	const finest = commonSizes(bends, size);
	if (finest === undefined) return undefined;
	const { shape, strides } = collapseDims(
		finest,
		values.map(({ access: { map } }) => stridesAlong(map, finest)),
	);
	return shape.length > 8 ? undefined : [shape, strides];
}

/** Rows of quads, if every value is consecutive or the same along them. */
function rowWalks(values: readonly Value[], isStored: (i: number) => boolean): Walks | undefined {
	if (values.every(({ access: { map } }) => isConsecutive(map) && map.offset % 4 === 0)) return undefined;
	const lists = strideLists(values, (map) => !isConstant(map));
	if (lists === undefined) return undefined;
	const [sizes, strides] = lists;
	const last = sizes.length - 1;
	if (last === 0 || sizes[last]! % 4 !== 0) return undefined;
	const modes: Mode[] = [];
	for (const [i, { access }] of values.entries()) {
		const steps = strides[i]!;
		if (steps[last] === 0 && !isStored(i)) modes.push('r');
		else if (access.map.offset % 4 === 0 && steps[last] === 1 && steps.every((step, d) => d === last || step % 4 === 0))
			modes.push('v');
		else return undefined;
	}
	if (modes.some((mode, i) => values.some(({ access }, j) => access.slot === values[i]!.access.slot && modes[j] !== mode)))
		return undefined;
	const units = strides.map((steps, i) => (modes[i] === 'r' ? steps : steps.map((step, d) => (d === last ? 1 : step / 4))));
	return { kind: 'rows', modes, sizes, strides: units };
}

/** Without `slots`, each element is computed by itself, at any place. */
function linearWalks(
	values: readonly Value[],
	isStored: (i: number) => boolean,
	size: number,
	slots: readonly Slot[] | undefined,
): Walks | undefined {
	const modes = values.map(({ access: { slot, map } }, i): Mode => {
		if (slots === undefined) return isConsecutive(map) ? 'f' : size > 1 && isConstant(map) && !isStored(i) ? 'c' : 's';
		if (isConsecutive(map) && map.offset % 4 === 0) {
			if (!isStored(i) || ownsTailAt(map.offset, size, slots[slot]!.length)) return 'f';
		} else if (size > 1 && isConstant(map) && !isStored(i)) return 'c';
		return 's';
	});
	if (slots === undefined) return walked(values, modes);
	// A buffer is declared once: as quads, or else as elements.
	const scalar = new Set(values.flatMap(({ access }, i) => (modes[i] === 'f' ? [] : [access.slot])));
	const final = modes.map((mode, i): Mode => (mode === 'f' && scalar.has(values[i]!.access.slot) ? 's' : mode));
	return walked(values, final);
}

function walked(values: readonly Value[], final: readonly Mode[]): Walks | undefined {
	if (!final.includes('s')) return { kind: 'linear', modes: final, sizes: [], strides: final.map(() => []) };
	const walking = values.filter((_, i) => final[i] === 's');
	const lists = strideLists(walking, (map) => !isConstant(map));
	if (lists === undefined) return undefined;
	return {
		kind: 'linear',
		modes: final,
		sizes: lists[0],
		strides: values.map((value) => lists[1][walking.indexOf(value)] ?? []),
	};
}

/** The places of the values, and the distinct lists of strides that they walk by. */
function tabulated(
	values: readonly Value[],
	bound: readonly number[],
	{ modes, strides }: Walks,
): [Place[], (readonly number[])[]] {
	const tables: (readonly number[])[] = [];
	const places = values.map(({ access }, i): Place => {
		const mode = modes[i]!;
		let walk = -1;
		if (mode !== 'f' && mode !== 'c') {
			walk = tables.findIndex((table) => table.join() === strides[i]!.join());
			if (walk < 0) walk = tables.push(strides[i]!) - 1;
		}
		return { buffer: bound.indexOf(access.slot), mode, offset: i, walk };
	});
	return [places, tables];
}

/** Four lists of strides side by side, and behind them the next four. */
function interleaved(tables: readonly (readonly number[])[], rank: number): number[] {
	const words = new Array<number>(32 * Math.ceil(tables.length / 4)).fill(0);
	tables.forEach((table, w) => {
		for (let d = 0; d < rank; d++) words[32 * (w >> 2) + 4 * d + (w & 3)] = table[d]!;
	});
	return words;
}
