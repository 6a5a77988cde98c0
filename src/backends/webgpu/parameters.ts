/**
 * The parameters of a batch: one slot for each launch, filled with the layout that shaders/parameters.ts gives a kernel's struct.
 */
import { MAX_VIEW_DIMS, type ParameterValue, VIEW_WORDS, type ViewValue } from '../../../shaders/parameters';
import type { Kernel } from '../../../shaders/shader';
import { ArgumentError } from '../../core/errors';

/** The bytes of parameters that one launch can carry. */
export const MAX_PARAM_BYTES = 512;

export const SLOT_WORDS = MAX_PARAM_BYTES / 4;

export class ParameterSlots {
	readonly words: Uint32Array<ArrayBuffer>;
	private readonly floats: Float32Array<ArrayBuffer>;

	constructor(slots: number) {
		this.words = new Uint32Array(slots * SLOT_WORDS);
		this.floats = new Float32Array(this.words.buffer);
	}

	/**
	 * Writes a launch's parameters and returns the slot's offset in bytes. The slot must be clear, because missing parameters are
	 * not written. An array of integers takes every number modulo 2^32, so negative numbers need no conversion. Throws if a value
	 * cannot become a number, and leaves the slot clear.
	 */
	write(
		slot: number,
		kernel: Kernel,
		params: Readonly<Record<string, ParameterValue>>,
		firstGroup: number,
		report: number,
	): number {
		const start = slot * SLOT_WORDS;
		try {
			this.writeFields(start, kernel, params);
		} catch (error) {
			this.words.fill(0, start, start + SLOT_WORDS);
			throw error;
		}
		if (firstGroup > 0) this.words[start + kernel.firstGroupAt] = firstGroup;
		if (report > 0) this.words[start + kernel.reportAt] = report;
		return start * 4;
	}

	/** Writes packed parameters, as `write` does. */
	writeWords(slot: number, kernel: Kernel, words: Uint32Array, report: number): number {
		const start = slot * SLOT_WORDS;
		this.words.set(words, start);
		if (report > 0) this.words[start + kernel.reportAt] = report;
		return start * 4;
	}

	private writeFields(start: number, { name: kernel, layout }: Kernel, params: Readonly<Record<string, ParameterValue>>): void {
		const { words, floats } = this;
		const { fields } = layout;
		for (let f = 0; f < fields.length; f++) {
			const { name, writing, at, words: room } = fields[f]!;
			const value = params[name];
			if (value === undefined) continue;
			switch (writing) {
				case 'integer':
					words[start + at] = value as number;
					break;
				case 'boolean':
					// Tests truthiness, as the CPU path does: JavaScript programs may pass an option of any type.
					words[start + at] = value ? 1 : 0;
					break;
				case 'float':
					floats[start + at] = value as number;
					break;
				case 'integers':
				case 'floats':
					copy(value as readonly number[], writing === 'floats' ? floats : words, start + at, room, kernel, name);
					break;
				default: {
					const { shape, strides, offset = 0 } = value as ViewValue;
					copy(shape, words, start + at + VIEW_WORDS.shape, MAX_VIEW_DIMS, kernel, name);
					copy(strides, words, start + at + VIEW_WORDS.strides, MAX_VIEW_DIMS, kernel, name);
					words[start + at + VIEW_WORDS.offset] = offset;
					words[start + at + VIEW_WORDS.rank] = shape.length;
				}
			}
		}
	}
}

const trial = new ParameterSlots(1);

/** Throws if `write` would. A launch that is written later gets this check first, so that the call that makes it throws. */
export function checkParameters(kernel: Kernel, params: Readonly<Record<string, ParameterValue>>): void {
	trial.write(0, kernel, params, 0, 0);
	trial.words.fill(0);
}

/** The parameters of a launch as `write` would write them, without a report. */
export function packParameters(
	kernel: Kernel,
	params: Readonly<Record<string, ParameterValue>>,
	firstGroup: number,
): Uint32Array<ArrayBuffer> {
	trial.write(0, kernel, params, firstGroup, 0);
	const words = trial.words.slice(0, kernel.layout.words);
	trial.words.fill(0);
	return words;
}

function copy(
	list: readonly number[],
	target: Uint32Array | Float32Array,
	at: number,
	room: number,
	kernel: string,
	name: string,
): void {
	if (list.length > room) throw new ArgumentError(`${kernel}: ${name} has ${list.length} values, but room for ${room}`);
	for (let k = 0; k < list.length; k++) target[at + k] = list[k]!;
}
