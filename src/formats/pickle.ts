/**
 * Interprets Python's pickle format without executing anything: a pickle that names a class or function gets what the host has under that
 * name, or throws. Reads protocols 1 to 5, but no objects outside the pickle. https://github.com/python/cpython/blob/main/Lib/pickletools.py describes the opcodes.
 *
 * Lists become arrays, dicts Maps, sets Sets, bytes Uint8Arrays; tuples have a class of their own. Python's None is null. An integer beyond
 * 2^53 becomes a bigint. The same object in two places stays one object, and an object may hold itself.
 */
import { FormatError } from '../core/errors';
import { quote } from '../io/header';

export type Pickled =
	| null
	| boolean
	| number
	| bigint
	| string
	| Uint8Array
	| PickledTuple
	| PickledFunction
	| PickledObject
	| Pickled[]
	| Map<Pickled, Pickled>
	| Set<Pickled>;

export class PickledTuple {
	constructor(readonly items: readonly Pickled[]) {}
}

/** A class or function that the host knows. */
export class PickledFunction {
	constructor(
		readonly name: string,
		readonly call: (args: readonly Pickled[]) => Pickled,
	) {}
}

/** The base class of objects that the host makes. */
export abstract class PickledObject {}

export interface PickleHost {
	/** The value under a name such as 'collections.OrderedDict', or undefined. */
	find(name: string): Pickled | undefined;
	/** The value that a pickle refers to by `id`. */
	load(id: Pickled): Pickled;
}

/** The bytes end before the pickle does. */
export class PickleCut extends FormatError {}

/** The most opcodes of a pickle: each may take some bytes of memory. */
const MOST_OPCODES = 20_000_000;
/** The most bytes of an integer. */
const LONGEST_INTEGER = 1024;

/** Opcodes by name, as pickletools lists them. */
export const OPCODES = {
	MARK: 0x28,
	EMPTY_TUPLE: 0x29,
	STOP: 0x2e,
	POP: 0x30,
	POP_MARK: 0x31,
	DUP: 0x32,
	BINBYTES: 0x42,
	SHORT_BINBYTES: 0x43,
	FLOAT: 0x46,
	BINFLOAT: 0x47,
	INT: 0x49,
	BININT: 0x4a,
	BININT1: 0x4b,
	LONG: 0x4c,
	BININT2: 0x4d,
	NONE: 0x4e,
	BINPERSID: 0x51,
	REDUCE: 0x52,
	BINSTRING: 0x54,
	SHORT_BINSTRING: 0x55,
	BINUNICODE: 0x58,
	EMPTY_LIST: 0x5d,
	APPEND: 0x61,
	BUILD: 0x62,
	GLOBAL: 0x63,
	DICT: 0x64,
	APPENDS: 0x65,
	GET: 0x67,
	BINGET: 0x68,
	LONG_BINGET: 0x6a,
	LIST: 0x6c,
	PUT: 0x70,
	BINPUT: 0x71,
	LONG_BINPUT: 0x72,
	SETITEM: 0x73,
	TUPLE: 0x74,
	SETITEMS: 0x75,
	EMPTY_DICT: 0x7d,
	PROTO: 0x80,
	NEWOBJ: 0x81,
	TUPLE1: 0x85,
	TUPLE2: 0x86,
	TUPLE3: 0x87,
	NEWTRUE: 0x88,
	NEWFALSE: 0x89,
	LONG1: 0x8a,
	LONG4: 0x8b,
	SHORT_BINUNICODE: 0x8c,
	BINUNICODE8: 0x8d,
	BINBYTES8: 0x8e,
	EMPTY_SET: 0x8f,
	ADDITEMS: 0x90,
	FROZENSET: 0x91,
	STACK_GLOBAL: 0x93,
	MEMOIZE: 0x94,
	FRAME: 0x95,
	BYTEARRAY8: 0x96,
} as const;

/** The value of the pickle at the start of `bytes`, and where the pickle ends. */
export function unpickle(bytes: Uint8Array, host: PickleHost): { value: Pickled; end: number } {
	const unpickler = new Unpickler(bytes, host);
	return { value: unpickler.run(), end: unpickler.at };
}

function fail(message: string): never {
	throw new FormatError(`pickle: ${message}`);
}

class Unpickler {
	at = 0;
	readonly #view: DataView;
	#stack: Pickled[] = [];
	/** The stack below each mark. */
	readonly #below: Pickled[][] = [];
	readonly #memo = new Map<number, Pickled>();

	constructor(
		readonly bytes: Uint8Array,
		readonly host: PickleHost,
	) {
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	run(): Pickled {
		for (let count = 0; count < MOST_OPCODES; count++) {
			const opcode = this.#uint8();
			if (opcode === OPCODES.STOP) return this.#pop();
			this.#step(opcode);
		}
		return fail(`it has more than ${MOST_OPCODES} opcodes`);
	}

	#step(opcode: number): void {
		const stack = this.#stack;
		switch (opcode) {
			case OPCODES.PROTO: {
				const protocol = this.#uint8();
				if (protocol > 5) fail(`it has protocol ${protocol}; readable are 0 to 5`);
				return;
			}
			case OPCODES.FRAME:
				this.#take(8);
				return;
			case OPCODES.MARK:
				this.#below.push(stack);
				this.#stack = [];
				return;
			case OPCODES.POP:
				if (stack.length > 0) stack.pop();
				else this.#popMark();
				return;
			case OPCODES.POP_MARK:
				this.#popMark();
				return;
			case OPCODES.DUP:
				stack.push(this.#top());
				return;

			case OPCODES.NONE:
				stack.push(null);
				return;
			case OPCODES.NEWTRUE:
				stack.push(true);
				return;
			case OPCODES.NEWFALSE:
				stack.push(false);
				return;
			case OPCODES.INT: {
				const line = this.#line();
				stack.push(line === '01' ? true : line === '00' ? false : integerOf(line));
				return;
			}
			case OPCODES.LONG:
				stack.push(integerOf(this.#line().replace(/L$/, '')));
				return;
			case OPCODES.BININT:
				stack.push(this.#view.getInt32(this.#take(4), true));
				return;
			case OPCODES.BININT1:
				stack.push(this.#uint8());
				return;
			case OPCODES.BININT2:
				stack.push(this.#view.getUint16(this.#take(2), true));
				return;
			case OPCODES.LONG1:
				stack.push(this.#integer(this.#uint8()));
				return;
			case OPCODES.LONG4:
				stack.push(this.#integer(this.#uint32()));
				return;
			case OPCODES.FLOAT:
				stack.push(floatOf(this.#line()));
				return;
			case OPCODES.BINFLOAT:
				stack.push(this.#view.getFloat64(this.#take(8), false));
				return;
			case OPCODES.BINUNICODE:
			case OPCODES.BINSTRING:
				stack.push(this.#text(this.#uint32()));
				return;
			case OPCODES.SHORT_BINUNICODE:
			case OPCODES.SHORT_BINSTRING:
				stack.push(this.#text(this.#uint8()));
				return;
			case OPCODES.BINUNICODE8:
				stack.push(this.#text(this.#uint64()));
				return;
			case OPCODES.SHORT_BINBYTES:
				stack.push(this.#slice(this.#uint8()));
				return;
			case OPCODES.BINBYTES:
				stack.push(this.#slice(this.#uint32()));
				return;
			case OPCODES.BINBYTES8:
			case OPCODES.BYTEARRAY8:
				stack.push(this.#slice(this.#uint64()));
				return;

			case OPCODES.EMPTY_TUPLE:
				stack.push(new PickledTuple([]));
				return;
			case OPCODES.TUPLE1:
			case OPCODES.TUPLE2:
			case OPCODES.TUPLE3: {
				const length = opcode - OPCODES.TUPLE1 + 1;
				if (stack.length < length) this.#empty();
				stack.push(new PickledTuple(stack.splice(-length)));
				return;
			}
			case OPCODES.TUPLE:
				this.#push(new PickledTuple(this.#popMark()));
				return;
			case OPCODES.EMPTY_LIST:
				stack.push([]);
				return;
			case OPCODES.LIST:
				this.#push(this.#popMark());
				return;
			case OPCODES.APPEND: {
				const item = this.#pop();
				listOf(this.#top()).push(item);
				return;
			}
			case OPCODES.APPENDS: {
				const items = this.#popMark();
				const list = listOf(this.#top());
				for (const item of items) list.push(item);
				return;
			}
			case OPCODES.EMPTY_DICT:
				stack.push(new Map());
				return;
			case OPCODES.DICT:
				this.#push(setItems(new Map(), this.#popMark()));
				return;
			case OPCODES.SETITEM: {
				const value = this.#pop();
				const key = this.#pop();
				setItems(dictOf(this.#top()), [key, value]);
				return;
			}
			case OPCODES.SETITEMS: {
				const items = this.#popMark();
				setItems(dictOf(this.#top()), items);
				return;
			}
			case OPCODES.EMPTY_SET:
				stack.push(new Set());
				return;
			case OPCODES.FROZENSET:
				this.#push(new Set(this.#popMark()));
				return;
			case OPCODES.ADDITEMS: {
				const items = this.#popMark();
				const set = this.#top();
				if (!(set instanceof Set)) fail(`it adds items to ${kindOf(set)}, which is no set`);
				for (const item of items) set.add(item);
				return;
			}

			case OPCODES.PUT:
				this.#memo.set(this.#index(), this.#top());
				return;
			case OPCODES.BINPUT:
				this.#memo.set(this.#uint8(), this.#top());
				return;
			case OPCODES.LONG_BINPUT:
				this.#memo.set(this.#uint32(), this.#top());
				return;
			case OPCODES.MEMOIZE:
				this.#memo.set(this.#memo.size, this.#top());
				return;
			case OPCODES.GET:
				stack.push(this.#remembered(this.#index()));
				return;
			case OPCODES.BINGET:
				stack.push(this.#remembered(this.#uint8()));
				return;
			case OPCODES.LONG_BINGET:
				stack.push(this.#remembered(this.#uint32()));
				return;

			case OPCODES.GLOBAL: {
				const module = this.#line();
				stack.push(this.#find(`${module}.${this.#line()}`));
				return;
			}
			case OPCODES.STACK_GLOBAL: {
				const name = this.#pop();
				const module = this.#pop();
				if (typeof name !== 'string' || typeof module !== 'string') fail('the name of a class is no text');
				this.#push(this.#find(`${module}.${name}`));
				return;
			}
			case OPCODES.REDUCE:
			case OPCODES.NEWOBJ: {
				const args = this.#pop();
				const made = this.#pop();
				if (!(made instanceof PickledFunction)) fail(`it calls ${kindOf(made)}, which is no function`);
				if (!(args instanceof PickledTuple)) fail(`it calls ${made.name} with ${kindOf(args)} instead of a tuple`);
				this.#push(made.call(args.items));
				return;
			}
			case OPCODES.BUILD: {
				// Attributes of dicts and tensors, such as the versions of modules, have no counterpart here.
				this.#pop();
				const object = this.#top();
				if (!(object instanceof Map) && !(object instanceof PickledObject)) fail(`it gives attributes to ${kindOf(object)}`);
				return;
			}
			case OPCODES.BINPERSID:
				this.#push(this.host.load(this.#pop()));
				return;
			default:
				fail(`at byte ${this.at - 1} there is the opcode 0x${opcode.toString(16).padStart(2, '0')}, which is unknown or refused`);
		}
	}

	#push(value: Pickled): void {
		this.#stack.push(value);
	}

	#empty(): never {
		return fail(`at byte ${this.at - 1} an opcode takes more values than there are`);
	}

	#pop(): Pickled {
		if (this.#stack.length === 0) this.#empty();
		return this.#stack.pop()!;
	}

	#top(): Pickled {
		if (this.#stack.length === 0) this.#empty();
		return this.#stack.at(-1)!;
	}

	/** Takes all values above the last mark, and the mark. */
	#popMark(): Pickled[] {
		const below = this.#below.pop();
		if (below === undefined) return fail(`at byte ${this.at - 1} an opcode needs a mark, and there is none`);
		const items = this.#stack;
		this.#stack = below;
		return items;
	}

	#find(name: string): Pickled {
		const found = this.host.find(name);
		if (found === undefined) {
			fail(
				`it holds an object of Python, ${quote(name)}, and only tensors, numbers, texts and plain containers are read. In Python, save model.state_dict() instead of the model`,
			);
		}
		return found;
	}

	#remembered(index: number): Pickled {
		const value = this.#memo.get(index);
		if (value === undefined) fail(`it refers to object ${index}, which it has not stored`);
		return value;
	}

	/** Moves over `length` bytes. Returns where they begin. */
	#take(length: number): number {
		const start = this.at;
		if (length > this.bytes.length - start) throw new PickleCut('pickle: it is cut short, or a length in it is wrong');
		this.at = start + length;
		return start;
	}

	#uint8(): number {
		return this.#view.getUint8(this.#take(1));
	}

	#uint32(): number {
		return this.#view.getUint32(this.#take(4), true);
	}

	#uint64(): number {
		const start = this.#take(8);
		return this.#view.getUint32(start, true) + this.#view.getUint32(start + 4, true) * 2 ** 32;
	}

	#slice(length: number): Uint8Array {
		const start = this.#take(length);
		return this.bytes.slice(start, start + length);
	}

	#text(length: number): string {
		const start = this.#take(length);
		try {
			return UTF8.decode(this.bytes.subarray(start, start + length));
		} catch {
			return fail('a text is not valid UTF-8');
		}
	}

	#line(): string {
		const end = this.bytes.indexOf(10, this.at);
		const text = this.#text((end < 0 ? this.bytes.length : end) - this.at);
		this.#take(1);
		return text;
	}

	#index(): number {
		const index = integerOf(this.#line());
		if (typeof index !== 'number' || index < 0) fail(`an object has the number ${index}`);
		return index;
	}

	/** A little-endian integer in two's complement. */
	#integer(length: number): number | bigint {
		if (length > LONGEST_INTEGER) fail(`an integer has ${length} bytes; at most ${LONGEST_INTEGER} are read`);
		const start = this.#take(length);
		if (length === 0) return 0;
		const digits = [...this.bytes.subarray(start, start + length)].reverse().map((byte) => byte.toString(16).padStart(2, '0'));
		return small(BigInt.asIntN(8 * length, BigInt(`0x${digits.join('')}`)));
	}
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function small(value: bigint): number | bigint {
	const number = Number(value);
	return Number.isSafeInteger(number) ? number : value;
}

function integerOf(line: string): number | bigint {
	if (!/^[+-]?\d+$/.test(line) || line.length > LONGEST_INTEGER) fail(`${quote(line)} is no integer`);
	return small(BigInt(line.replace(/^\+/, '')));
}

function floatOf(line: string): number {
	const value = line === 'nan' ? Number.NaN : Number(line.replace(/^([+-]?)inf$/, '$1Infinity'));
	if (line.trim() === '' || (Number.isNaN(value) && line !== 'nan')) fail(`${quote(line)} is no number`);
	return value;
}

function listOf(value: Pickled): Pickled[] {
	if (!Array.isArray(value)) fail(`it appends to ${kindOf(value)}, which is no list`);
	return value;
}

function dictOf(value: Pickled): Map<Pickled, Pickled> {
	if (!(value instanceof Map)) fail(`it sets items of ${kindOf(value)}, which is no dict`);
	return value;
}

function setItems(dict: Map<Pickled, Pickled>, items: readonly Pickled[]): Map<Pickled, Pickled> {
	if (items.length % 2 !== 0) fail('a dict has a key without a value');
	for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!);
	return dict;
}

/** Names a value in messages. */
export function kindOf(value: Pickled): string {
	if (value === null) return 'None';
	if (Array.isArray(value)) return 'a list';
	if (value instanceof Map) return 'a dict';
	if (value instanceof Set) return 'a set';
	if (value instanceof PickledTuple) return 'a tuple';
	if (value instanceof PickledFunction) return value.name;
	if (value instanceof Uint8Array) return 'bytes';
	if (typeof value === 'object') return 'an object';
	return typeof value === 'string' ? quote(value) : String(value);
}
