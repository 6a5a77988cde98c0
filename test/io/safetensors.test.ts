import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DType } from '../../src/core/dtype';
import { FormatError } from '../../src/core/errors';
import { float16ToFloat32 } from '../../src/core/float16';
import { numel } from '../../src/core/shape';
import { decodeSafetensors, encodeSafetensors, type SafetensorsRecord } from '../../src/io/safetensors';
import { runFor } from '../soak/campaign';
import { changedSafetensors } from '../soak/safetensors';
import { everyDtype, model, tooLarge } from './safetensors.fixture';

function fromBase64(text: string): Uint8Array {
	return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** A file with exactly this header text, and this many zero bytes of data. */
function file(header: string | Uint8Array, dataBytes: number, claimed?: bigint): Uint8Array {
	const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
	const bytes = new Uint8Array(8 + text.length + dataBytes);
	new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
	bytes.set(text, 8);
	return bytes;
}

/** A header of one-dimensional F32 tensors, with shapes that follow from the offsets. */
function tensors(places: Record<string, [number, number]>): string {
	const entries = Object.entries(places).map(([name, [begin, end]]) => [
		name,
		{ dtype: 'F32', shape: [(end - begin) / 4], data_offsets: [begin, end] },
	]);
	return JSON.stringify(Object.fromEntries(entries));
}

function refuses(bytes: Uint8Array, message: RegExp): void {
	try {
		decodeSafetensors(bytes);
	} catch (error) {
		assert.instance(error, FormatError);
		assert.match((error as Error).message, message);
		return;
	}
	assert.unreachable(`no error of ${message}`);
}

function byName(records: readonly SafetensorsRecord[]): Record<string, SafetensorsRecord> {
	return Object.fromEntries(records.map((record) => [record.name, record]));
}

test('reads every dtype', () => {
	const { tensors: records, metadata } = decodeSafetensors(fromBase64(everyDtype), { float16As: 'float32' });
	const expected: Record<string, [DType, number[], number[]]> = {
		bool: ['bool', [3], [1, 0, 1]],
		u8: ['uint8', [2], [0, 255]],
		i8: ['int8', [2], [-128, 127]],
		i16: ['int32', [1, 2], [-32768, 32767]],
		u16: ['int32', [2], [0, 65535]],
		f16: ['float32', [4], [1.5, -65504, 2 ** -24, Number.POSITIVE_INFINITY]],
		bf16: ['bfloat16', [3], [0x3f80, 0xc049, 0x7180]],
		i32: ['int32', [2], [-2147483648, 2147483647]],
		u32: ['int32', [2], [0, 2147483647]],
		f32: ['float32', [2, 2], [0.1, -1e-40, 3e38, Number.NEGATIVE_INFINITY].map(Math.fround)],
		f64: ['float64', [], [0.1]],
		i64: ['int32', [2], [-2147483648, 2147483647]],
		u64: ['int32', [1], [7]],
	};
	assert.equal(metadata, {});
	assert.is(records.length, Object.keys(expected).length);
	for (const { name, dtype, shape, data } of records) {
		assert.equal([dtype, [...shape], Array.from(data)], expected[name], name);
	}
});

test('F16 stays F16 by default, and F64 narrows on request', () => {
	const { f16, f64 } = byName(decodeSafetensors(fromBase64(everyDtype), { float64As: 'float32' }).tensors);
	assert.is(f16!.dtype, 'float16');
	assert.equal(f16!.data, new Uint16Array([0x3e00, 0xfbff, 0x0001, 0x7c00]));
	assert.is(f64!.dtype, 'float32');
	assert.equal(f64!.data, new Float32Array([0.1]));
});

test("writes the same bytes as the format's own writer", () => {
	const records: SafetensorsRecord[] = [
		{ name: 'conv.weight', dtype: 'float32', shape: [2, 1, 1, 2], data: new Float32Array([0.5, -1.25, 3, 1e-3]) },
		{ name: 'conv.bias', dtype: 'float32', shape: [2], data: new Float32Array([0, 1]) },
		{ name: 'steps', dtype: 'int32', shape: [], data: new Int32Array([12345]) },
		{ name: 'mask', dtype: 'bool', shape: [3], data: new Uint8Array([1, 0, 1]) },
		{ name: 'half', dtype: 'float16', shape: [3], data: new Uint16Array([0x3c00, 0xc000, 0x2e66]) },
		{ name: 'double', dtype: 'float64', shape: [1], data: new Float64Array([0.1]) },
		{ name: 'empty', dtype: 'float32', shape: [0, 3], data: new Float32Array(0) },
		{ name: 'naïve "quoted"\n中', dtype: 'float32', shape: [1], data: new Float32Array([2]) },
	];
	const bytes = encodeSafetensors(records, { format: 'pt' });
	assert.equal(bytes, fromBase64(model));
	const decoded = decodeSafetensors(bytes);
	assert.equal(decoded.metadata, { format: 'pt' });
	const found = byName(decoded.tensors);
	for (const record of records) assert.equal(found[record.name], record);
	const only = encodeSafetensors([{ name: 'attn.0', dtype: 'float32', shape: [1, 2, 3], data: new Float32Array(6) }]);
	assert.equal(only, file('{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}', 24));
});

test('written files are read back, from memory at any address', () => {
	const name = fc
		.string({ unit: 'grapheme', maxLength: 12 })
		.filter((text) => text !== '__metadata__' && !text.includes('__proto__'));
	const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
	const arrays = {
		float32: Float32Array,
		float64: Float64Array,
		float16: Uint16Array,
		bfloat16: Uint16Array,
		int32: Int32Array,
		int8: Int8Array,
		uint8: Uint8Array,
		bool: Uint8Array,
	};
	const record = fc
		.tuple(name, shape, fc.constantFrom(...(Object.keys(arrays) as (keyof typeof arrays)[])), fc.integer())
		.map(([name, shape, dtype, seed]): SafetensorsRecord => {
			const data = new arrays[dtype](numel(shape));
			for (let i = 0; i < data.length; i++) data[i] = dtype === 'bool' ? (seed + i) & 1 : seed + i;
			return { name, dtype, shape, data };
		});
	const records = fc.uniqueArray(record, { selector: ({ name }) => name, maxLength: 6 });
	fc.assert(
		fc.property(records, fc.dictionary(name, fc.string()), fc.integer({ min: 0, max: 9 }), (list, metadata, shift) => {
			const bytes = encodeSafetensors(list, metadata);
			const moved = new Uint8Array(bytes.length + shift).subarray(shift);
			moved.set(bytes);
			const decoded = decodeSafetensors(moved);
			assert.equal({ ...decoded.metadata }, { ...metadata });
			assert.is(decoded.tensors.length, list.length);
			const found = new Map(decoded.tensors.map((entry) => [entry.name, entry]));
			for (const entry of list) assert.equal(found.get(entry.name), entry);
		}),
	);
});

test('aligned elements are not copied', () => {
	const bytes = encodeSafetensors([{ name: 'w', dtype: 'float32', shape: [2], data: new Float32Array([1, 2]) }]);
	const { data } = decodeSafetensors(bytes).tensors[0]!;
	assert.is(data.buffer, bytes.buffer);
	const odd = new Uint8Array(bytes.length + 1).subarray(1);
	odd.set(bytes);
	assert.is.not(decodeSafetensors(odd).tensors[0]!.data.buffer, odd.buffer);
});

test('reads an empty file of no tensors', () => {
	assert.equal(decodeSafetensors(file('{}', 0)), { tensors: [], metadata: {} });
	assert.equal(decodeSafetensors(file('{}      ', 0)).tensors, []);
});

test('rejects a bad length or a missing header', () => {
	refuses(new Uint8Array(0), /0 bytes, too few/);
	refuses(new Uint8Array(7), /7 bytes, too few/);
	refuses(file('{}', 0, 100_000_001n), /claims 100000001 bytes; the limit is 100000000/);
	refuses(file('{}', 0, 2n ** 64n - 1n), /the limit is/);
	refuses(file('{}', 0, 3n), /claims 3 bytes, but only 2 follow/);
	refuses(file('', 0), /does not start with "\{" but with ""/);
	refuses(file('{}', 4, 1n), /not valid JSON/);
});

test('rejects a header that is not a JSON object in UTF-8', () => {
	refuses(file(' {}', 0), /does not start with/);
	refuses(file('\ufeff{}', 0), /does not start with/);
	refuses(file('[]', 0), /does not start with/);
	refuses(file('{"a":', 0), /not valid JSON/);
	refuses(file('{} {}', 0), /not valid JSON/);
	refuses(file(`{"a":${'['.repeat(100000)}`, 0), /not described by an object/);
	refuses(file(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 0), /not valid UTF-8/);
});

test('rejects duplicate keys, also with escapes', () => {
	const entry = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
	refuses(file(`{"a":${entry},"a":${entry}}`, 4), /key "a" twice/);
	refuses(file(`{"a":${entry},"\\u0061" : ${entry}}`, 4), /key "a" twice/);
	refuses(file('{"a":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,8]}}', 8), /key "dtype" twice/);
	refuses(file('{"__metadata__":{"x":"1","x":"2"}}', 0), /key "x" twice/);
	refuses(file(`{"\\\\":${entry},"a\\\\":${entry},"\\\\":${entry}}`, 4), /key "\\\\" twice/);
	refuses(file('{"__metadata__":{},"__metadata__":{}}', 0), /key "__metadata__" twice/);
});

test('rejects offsets that overlap, leave holes, lie outside or run backwards', () => {
	refuses(file(tensors({ a: [0, 8], b: [4, 12] }), 12), /"b" at \[4, 12\] overlaps another tensor, which ends at 8/);
	refuses(file(tensors({ a: [0, 8], b: [0, 8] }), 8), /overlaps/);
	refuses(file(tensors({ a: [0, 4], b: [8, 12] }), 12), /"b" at \[8, 12\] leaves a gap after 4/);
	refuses(file(tensors({ a: [4, 8] }), 8), /gap after 0/);
	refuses(file(tensors({ a: [0, 8] }), 4), /outside the data of 4 bytes/);
	refuses(file(tensors({ a: [0, 4] }), 5), /1 bytes after the last tensor belong to no tensor/);
	refuses(file('{}', 1), /1 bytes after the last tensor/);
	refuses(file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', 4), /wrong order: \[4, 0\]/);
	for (const offsets of ['[-4,0]', '[0]', '[0,4,8]', '[0,4.5]', '["0","4"]', '[0,1e300]', 'null', '{}', '4']) {
		refuses(
			file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":${offsets}}}`, 4),
			/data_offsets that are not two whole numbers/,
		);
	}
	const { tensors: records } = decodeSafetensors(file(tensors({ b: [4, 8], a: [0, 4], none: [4, 4] }), 8));
	assert.equal(
		records.map(({ name }) => name),
		['a', 'none', 'b'],
	);
});

test('rejects invalid shapes, and shapes that do not fit the bytes', () => {
	const withShape = (shape: string, dtype = 'F32') => file(`{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":[0,4]}}`, 4);
	for (const shape of ['[-1]', '[0.5]', '["1"]', '[null]', '[1e400]', '[9007199254740992]', '[[1]]']) {
		refuses(withShape(shape), /sizes that are not whole numbers/);
	}
	refuses(withShape('1'), /has no shape/);
	refuses(withShape('[4294967296,4294967296]'), /too large to count/);
	refuses(withShape('[9007199254740991,9007199254740991,0]'), /too large to count/);
	refuses(withShape('[2]'), /shape "\[2\]" takes 8 bytes, but its data_offsets span 4/);
	refuses(withShape('[]', 'F64'), /takes 8 bytes/);
	refuses(withShape('[0]'), /takes 0 bytes/);
});

test('rejects incomplete or unknown descriptions', () => {
	refuses(file('{"a":1}', 0), /not described by an object/);
	refuses(file('{"a":[]}', 0), /not described by an object/);
	refuses(file('{"a":{"shape":[],"data_offsets":[0,0]}}', 0), /has no dtype/);
	refuses(
		file('{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', 1),
		/dtype "F8_E4M3", which wgrad does not support; readable are BOOL/,
	);
	refuses(file('{"a":{"dtype":"toString","shape":[],"data_offsets":[0,0]}}', 0), /dtype "toString"/);
	refuses(file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}', 4), /unknown field "x"/);
	refuses(file('{"__metadata__":{"a":1}}', 0), /"a", which is not a string/);
	refuses(file('{"__metadata__":"x"}', 0), /not an object of strings/);
});

test('names the dtypes that it does not read', () => {
	for (const dtype of ['F4', 'F6_E2M3', 'F6_E3M2', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'C64']) {
		const header = `{"a":{"dtype":"${dtype}","shape":[8],"data_offsets":[0,8]}}`;
		refuses(file(header, 8), new RegExp(`dtype "${dtype}", which wgrad does not support; readable are BOOL, .* Convert it`));
	}
});

test('takes only integers written as integers', () => {
	const at = (shape: string, offsets: string) => file(`{"a":{"dtype":"U8","shape":${shape},"data_offsets":${offsets}}}`, 1);
	for (const one of ['1.0', '1e0', '1E0', '10e-1', '01', '+1', '0x1', '1n']) {
		refuses(at(`[${one}]`, '[0,1]'), /shape with sizes that are not whole numbers of at least 0: "\[/);
		refuses(at('[1]', `[0,${one}]`), /data_offsets that are not two whole numbers/);
	}
	for (const none of ['-0', '-0.0', '0.0', '00', '0e5']) refuses(at('[1]', `[${none},1]`), /data_offsets that are not two/);
	refuses(at('[1,]', '[0,1]'), /sizes that are not whole numbers/);
	refuses(at('[,1]', '[0,1]'), /sizes that are not whole numbers/);
	refuses(at('[1 1]', '[0,1]'), /sizes that are not whole numbers/);
	assert.is(decodeSafetensors(at(' [ 1 ,\n1\t] ', '[0\r, 1 ]')).tensors[0]!.shape.length, 2);
});

test('rejects values nested 100,000 deep', () => {
	const nested = [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`];
	for (const value of nested) {
		refuses(file(`{"a":{"dtype":"U8","shape":${value},"data_offsets":[0,1]}}`, 1), /has no shape|sizes that are not whole/);
		refuses(file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":${value}}}`, 1), /data_offsets that are not two/);
		refuses(file(`{"a":{"dtype":${value},"shape":[1],"data_offsets":[0,1]}}`, 1), /has no dtype/);
		refuses(file(`{"a":${value}}`, 1), /unknown field "a"|not described by an object/);
		refuses(file(`{"__metadata__":{"a":${value}}}`, 0), /is not a string/);
	}
});

test('rejects a lone surrogate, when reading and writing', () => {
	const entry = '{"dtype":"F32","shape":[],"data_offsets":[0,4]}';
	for (const half of ['\\ud800', '\\uDFFFx', 'x\\udc00\\ud800', '\\ud83d\\u0041']) {
		refuses(file(`{"${half}":${entry}}`, 4), /a lone surrogate/);
		refuses(file(`{"__metadata__":{"${half}":"x"}}`, 0), /a lone surrogate/);
		refuses(file(`{"__metadata__":{"x":"${half}"}}`, 0), /a lone surrogate/);
		refuses(file(`{"a":{"dtype":"${half}","shape":[],"data_offsets":[0,4]}}`, 4), /a lone surrogate/);
		const text = JSON.parse(`"${half}"`) as string;
		const data = new Float32Array(1);
		assert.throws(() => encodeSafetensors([{ name: text, dtype: 'float32', shape: [], data }]), /a lone surrogate/);
		assert.throws(() => encodeSafetensors([], { [text]: 'x' }), /a lone surrogate/);
		assert.throws(() => encodeSafetensors([], { x: text }), /a lone surrogate/);
	}
	const { tensors: records, metadata } = decodeSafetensors(
		file(`{"__metadata__":{"\\ud83d\\ude00":"\\u0000\\n"},"\\ud83d\\ude00\\"":${entry}}`, 4),
	);
	assert.equal([records[0]!.name, metadata], ['\u{1f600}"', { '\u{1f600}': '\0\n' }]);
});

test('reads 100,000 empty tensors in linear time', () => {
	const seconds = (count: number) => {
		const entries = Array.from({ length: count }, (_, i) => `"t${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`);
		const bytes = file(`{${entries.join(',')}}`, 0);
		const start = performance.now();
		assert.is(decodeSafetensors(bytes).tensors.length, count);
		return performance.now() - start;
	};
	// A quadratic reader takes 400 times as long. The factor of ten allows for the garbage collector and other programs.
	const small = Math.max(5, seconds(5_000));
	const large = seconds(100_000);
	assert.ok(large < 200 * small, `${large} ms after ${small} ms for a twentieth`);
});

test("rejects names that would reach an object's prototype", () => {
	const entry = '{"dtype":"F32","shape":[],"data_offsets":[0,4]}';
	for (const name of ['__proto__', 'layer.__proto__.weight']) {
		refuses(file(`{"${name}":${entry}}`, 4), /names with "__proto__" are refused/);
		assert.throws(() => encodeSafetensors([{ name, dtype: 'bool', shape: [0], data: new Uint8Array(0) }]), /cannot be named/);
	}
	refuses(file('{"__metadata__":{"__proto__":"x"}}', 0), /refused/);
	assert.is(decodeSafetensors(file(`{"constructor":${entry}}`, 4)).tensors[0]!.name, 'constructor');
});

test('rejects values that int32 and bool cannot hold', () => {
	refuses(fromBase64(tooLarge), /"n" of dtype I64 holds 2147483648 at index 1, which does not fit int32/);
	const truth = file('{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}', 2);
	truth[truth.length - 1] = 2;
	refuses(truth, /holds the byte 2/);
});

test('changed files give a FormatError or the values of their bytes', async () => {
	const { tried, refused } = await runFor(1000, 'changedSafetensors', changedSafetensors);
	assert.ok(refused! > 0 && refused! < tried!);
});

test('refuses to write unreadable files', () => {
	const data = new Float32Array(2);
	const record: SafetensorsRecord = { name: 'a', dtype: 'float32', shape: [2], data };
	assert.throws(() => encodeSafetensors([record, record]), /two tensors are named "a"/);
	assert.throws(() => encodeSafetensors([{ ...record, name: '__metadata__' }]), /cannot be named "__metadata__"/);
	assert.throws(() => encodeSafetensors([{ ...record, shape: [3] }]), /shape \[3\] has 3 elements, but its data have 2/);
	assert.throws(
		() => encodeSafetensors([{ ...record, dtype: 'int32' }]),
		/dtype int32 comes as Float32Array instead of Int32Array/,
	);
	assert.throws(() => encodeSafetensors([], { a: 1 as unknown as string }), /metadata "a" is not a string/);
});

test('half precision survives a round trip by value', () => {
	const { half } = byName(decodeSafetensors(fromBase64(model)).tensors);
	assert.equal(float16ToFloat32(half!.data as Uint16Array), new Float32Array([1, -2, 0.0999755859375]));
});

test.run();
