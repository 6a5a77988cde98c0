/**
 * Writes Python's pickle format, protocol 2, which PyTorch uses. Arrays become lists, Maps and plain objects dicts, Sets sets, Uint8Arrays
 * bytes, whole numbers and bigints integers, null None. An object in several places stays one object.
 */
import { describe } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { isObject } from '../core/state';
import { OPCODES } from './pickle';

/** Writes objects of a class that the host knows. */
export interface PickleWriterHost {
	/** Writes `value` and returns true, or returns false if it does not know it. */
	write(value: object, writer: PickleWriter): boolean;
}

const DEEPEST = 200;

/** The pickle of a value. Errors name `operation` and the place in the value. */
export function pickle(operation: string, value: unknown, host: PickleWriterHost): Uint8Array {
	const writer = new PickleWriter(operation, host);
	writer.byte(OPCODES.PROTO, 2);
	writer.value(value, 'the value');
	writer.byte(OPCODES.STOP);
	return writer.bytes;
}

export class PickleWriter {
	#buffer = new Uint8Array(2 ** 12);
	#length = 0;
	readonly #memo = new Map<object, number>();
	/** The objects that hold the current one. */
	readonly #open = new Set<object>();

	constructor(
		readonly operation: string,
		readonly host: PickleWriterHost,
	) {}

	get bytes(): Uint8Array {
		return this.#buffer.slice(0, this.#length);
	}

	byte(...bytes: readonly number[]): void {
		this.#append(Uint8Array.from(bytes));
	}

	/** Names a class or function of Python. */
	global(module: string, name: string): void {
		this.byte(OPCODES.GLOBAL);
		this.#append(new TextEncoder().encode(`${module}\n${name}\n`));
	}

	/** Calls `module.name` with a tuple of what `args` writes. */
	call(module: string, name: string, args: () => void): void {
		this.global(module, name);
		this.tuple(args);
		this.byte(OPCODES.REDUCE);
	}

	tuple(items: () => void): void {
		this.byte(OPCODES.MARK);
		items();
		this.byte(OPCODES.TUPLE);
	}

	value(value: unknown, place: string): void {
		if (value === null) this.byte(OPCODES.NONE);
		else if (typeof value === 'boolean') this.byte(value ? OPCODES.NEWTRUE : OPCODES.NEWFALSE);
		else if (typeof value === 'number') this.#number(value);
		else if (typeof value === 'bigint') this.#integer(value);
		else if (typeof value === 'string') this.#text(value);
		else if (typeof value === 'object') this.#object(value, place);
		else throw this.#refused(value, place);
	}

	#object(value: object, place: string): void {
		const known = this.#memo.get(value);
		if (known !== undefined) {
			this.#numbered(OPCODES.LONG_BINGET, known);
			return;
		}
		if (this.#open.has(value)) throw new ArgumentError(`${this.operation}: ${place} holds itself`);
		if (this.#open.size >= DEEPEST)
			throw new ArgumentError(`${this.operation}: ${place} nests containers more than ${DEEPEST} deep`);
		this.#open.add(value);
		if (!this.host.write(value, this)) this.#container(value, place);
		this.#open.delete(value);
		this.#numbered(OPCODES.LONG_BINPUT, this.#memo.size);
		this.#memo.set(value, this.#memo.size);
	}

	#container(value: object, place: string): void {
		if (Array.isArray(value)) {
			this.byte(OPCODES.EMPTY_LIST);
			this.#items(value, place);
			this.byte(OPCODES.APPENDS);
		} else if (value instanceof Map) this.#dict(value, place);
		else if (value instanceof Set) {
			this.call('__builtin__', 'set', () => {
				this.byte(OPCODES.EMPTY_LIST);
				this.#items([...value], place);
				this.byte(OPCODES.APPENDS);
			});
		} else if (value instanceof Uint8Array) {
			this.call('_codecs', 'encode', () => {
				this.#text(Array.from(value, (byte) => String.fromCharCode(byte)).join(''));
				this.#text('latin1');
			});
		} else if (isObject(value) && isPlain(value)) this.#dict(Object.entries(value), place);
		else throw this.#refused(value, place);
	}

	#items(items: readonly unknown[], place: string): void {
		this.byte(OPCODES.MARK);
		for (const [i, item] of items.entries()) this.value(item, `item ${i} of ${place}`);
	}

	#dict(entries: Iterable<readonly [unknown, unknown]>, place: string): void {
		this.byte(OPCODES.EMPTY_DICT, OPCODES.MARK);
		for (const [key, item] of entries) {
			const name = describe(key);
			this.value(key, `the key ${name} of ${place}`);
			this.value(item, `${name} of ${place}`);
		}
		this.byte(OPCODES.SETITEMS);
	}

	#number(value: number): void {
		if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
			this.#integer(value);
			return;
		}
		const view = new DataView(new ArrayBuffer(8));
		view.setFloat64(0, value, false);
		this.byte(OPCODES.BINFLOAT);
		this.#append(new Uint8Array(view.buffer));
	}

	/** Little-endian, in two's complement. */
	#integer(value: number | bigint): void {
		if (value >= -(2 ** 31) && value < 2 ** 31) {
			this.#numbered(OPCODES.BININT, Number(value));
			return;
		}
		const big = BigInt(value);
		const digits = (big < 0n ? -big - 1n : big).toString(2).length;
		const length = Math.floor(digits / 8) + 1;
		if (length > 255) throw new ArgumentError(`${this.operation}: an integer of ${length} bytes is too large`);
		this.byte(OPCODES.LONG1, length, ...Array.from({ length }, (_, i) => Number((big >> BigInt(8 * i)) & 255n)));
	}

	#text(text: string): void {
		const bytes = new TextEncoder().encode(text);
		this.#numbered(OPCODES.BINUNICODE, bytes.length);
		this.#append(bytes);
	}

	#numbered(opcode: number, value: number): void {
		const view = new DataView(new ArrayBuffer(5));
		view.setUint8(0, opcode);
		view.setInt32(1, value, true);
		this.#append(new Uint8Array(view.buffer));
	}

	#append(bytes: Uint8Array): void {
		if (this.#length + bytes.length > this.#buffer.length) {
			const larger = new Uint8Array(2 * (this.#length + bytes.length));
			larger.set(this.#buffer.subarray(0, this.#length));
			this.#buffer = larger;
		}
		this.#buffer.set(bytes, this.#length);
		this.#length += bytes.length;
	}

	#refused(value: unknown, place: string): ArgumentError {
		return new ArgumentError(
			`${this.operation}: ${place} is ${describe(value)}; it takes tensors, numbers, texts, null, lists, objects, Maps and Sets`,
		);
	}
}

function isPlain(value: object): boolean {
	const prototype = Object.getPrototypeOf(value) as unknown;
	return prototype === Object.prototype || prototype === null;
}
