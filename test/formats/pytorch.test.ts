/** Files of torch.save(), as PyTorch 1.13 writes them and as nobody should. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, nn, Tensor, tensor } from 'wgrad';
import { type LoadPyTorchOptions, loadPyTorch } from 'wgrad/formats';
import { FileError } from '../../src/core/fileError';
import { refuses } from '../data/refuses';
import { runFor } from '../soak/campaign';
import { damagedPyTorch } from '../soak/pytorch';
import { checkpoint, everyDtype, files, views } from './pytorch.fixture';

function unpacked(text: string): Uint8Array {
	return new Uint8Array(gunzipSync(Buffer.from(text, 'base64')));
}

/** Every form of a file, by name. */
function forms(name: keyof typeof files): [string, Uint8Array][] {
	return Object.entries(files[name]).map(([form, text]) => [form, unpacked(text)]);
}

function load<T>(bytes: Uint8Array): Promise<T> {
	return loadPyTorch<T>(bytes, { device: 'cpu' });
}

/** A value as the fixture has it: each tensor as its dtype, shape and elements. */
async function told(value: unknown): Promise<unknown> {
	if (value instanceof Tensor) {
		const values = [...(await value.data())].map((number) =>
			value.dtype === 'bool' ? number === 1 : Number.isFinite(number) ? number : number > 0 ? 'inf' : '-inf',
		);
		return { dtype: value.dtype, shape: [...value.shape], values };
	}
	if (Array.isArray(value)) return Promise.all(value.map(told));
	if (typeof value !== 'object' || value === null) return value;
	return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, item]) => [key, await told(item)])));
}

/** The dtypes of PyTorch that wgrad reads as another. */
const READ_AS: Readonly<Record<string, string>> = {
	float16: 'float32',
	int64: 'int32',
	int16: 'int32',
};

function asRead(value: unknown): unknown {
	return JSON.parse(
		JSON.stringify(value, (key, item) => (key === 'dtype' ? (READ_AS[item as string] ?? (item as string)) : (item as unknown))),
	);
}

for (const [name, expected] of Object.entries({ checkpoint, everyDtype, views } as const)) {
	test(`${name}: PyTorch's values, from an archive and from a stream`, async () => {
		for (const [form, bytes] of forms(name as keyof typeof files)) {
			assert.equal(await told(await load(bytes)), asRead(expected), form);
		}
	});
}

test('a module takes the state of a checkpoint', async () => {
	const model = new nn.Sequential(new nn.Linear(3, 2, { device: 'cpu' }), new nn.BatchNorm1d(2, { device: 'cpu' }));
	const { model: state } = await load<{ model: nn.StateDict }>(unpacked(files.checkpoint.zip));
	assert.equal(model.loadStateDict(state), { missingKeys: [], unexpectedKeys: [] });
	assert.equal(await model.getParameter('0.weight').toArray(), await state['0.weight']!.toArray());
});

test('tensors share memory as in PyTorch, and keep their strides', async () => {
	for (const [, bytes] of forms('views')) {
		const state = await load<nn.StateDict>(bytes);
		const { base, transposed, block, column, expanded } = state as Record<string, Tensor>;
		assert.equal([...transposed!.strides], [1, 6]);
		assert.equal([...block!.strides, block!.offset], [6, 2, 6]);
		assert.equal([...expanded!.strides], [0, 0]);
		column!.copy_(tensor([-1, -2, -3, -4], { device: 'cpu' }));
		assert.equal([...(await base!.select(1, 2).data())], [-1, -2, -3, -4]);
		assert.equal([...(await transposed!.select(0, 2).data())], [-1, -2, -3, -4]);
		assert.ok(state.parameter instanceof nn.Parameter && state.parameter.requiresGrad);
		assert.ok(state.frozen instanceof nn.Parameter && !state.frozen.requiresGrad);
		assert.ok(!(state.required instanceof nn.Parameter) && state.required!.requiresGrad && state.required!.isLeaf);
	}
});

test('numbers, texts and containers, in pickle protocols 2 and 4', async () => {
	for (const [, bytes] of forms('values')) {
		const { texts, ...values } = await load<Record<string, unknown>>(bytes);
		assert.equal(texts, ['', 'na\u00efve \u4e2d', 'x'.repeat(300)]);
		assert.equal(
			{ ...values, ordered: { ...(values.ordered as object) }, byNumber: { ...(values.byNumber as object) } },
			{
				none: null,
				flags: [true, false],
				numbers: [0, 255, 256, 65536, -1, 2 ** 31, -(2 ** 40), 0.5, Number.NEGATIVE_INFINITY],
				large: [2n ** 60n, -(2n ** 200n)],
				tuple: [1, ['two', 3]],
				bytes: Uint8Array.of(0, 255),
				bytearray: Uint8Array.of(97, 98),
				set: new Set([7]),
				frozen: new Set(['a']),
				ordered: { z: 1, a: [2] },
				byNumber: { 0: 'a', 10: 'b' },
				byTuple: new Map([[[1, 2], 'c']]),
				mixed: new Map<unknown, string>([
					[1, 'number'],
					['1', 'text'],
				]),
				size: [2, 3],
				dtype: 'torch.float32',
				device: 'cuda:1',
			},
		);
	}
});

test('reads paths, file URLs and Blobs, and names them in errors', async () => {
	const folder = mkdtempSync(join(tmpdir(), 'wgrad-pt-'));
	const path = join(folder, 'model.pt');
	try {
		for (const [, bytes] of forms('everyDtype')) {
			writeFileSync(path, bytes);
			for (const source of [path, pathToFileURL(path), new Blob([bytes as Uint8Array<ArrayBuffer>])]) {
				const { int32 } = await loadPyTorch(source, { device: 'cpu' });
				assert.equal([...(await int32!.data())], [-2147483648, 2147483647, 6]);
			}
			writeFileSync(path, bytes.subarray(0, 700));
			await refuses(
				() => loadPyTorch(path),
				/model\.pt: (PyTorch file: the zip archive is damaged|pickle: it is cut short)/,
				FormatError,
			);
		}
		await refuses(() => loadPyTorch(folder), /loadPyTorch: '.*' cannot be read: it is a folder/, FileError);
		await refuses(() => loadPyTorch(join(folder, 'none.pt')), /there is no such file/, FileError);
		await refuses(() => loadPyTorch(12 as never), /loadPyTorch: it reads a URL, a File or Blob/);
		await refuses(() => loadPyTorch(path, { map: 1 } as LoadPyTorchOptions), /there is no option 'map'/);
	} finally {
		rmSync(folder, { recursive: true });
	}
});

test('objects of other classes throw, by name', async () => {
	for (const [, bytes] of forms('module')) {
		await refuses(
			() => load(bytes),
			/it holds an object of Python, "torch\.nn\.modules\.linear\.Linear".*save model\.state_dict\(\) instead of the model/,
			FormatError,
		);
	}
	for (const name of [
		'os\nsystem',
		'builtins\neval',
		'__builtin__\ngetattr',
		'torch._utils\n_rebuild_qtensor',
		'constructor\n',
		'\n',
	]) {
		await refuses(() => load(stream(`c${name}\n.`)), /it holds an object of Python, "/, FormatError);
	}
});

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const START = '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}X\r\0\0\0little_endian\x88s.';

/** A file without an archive: `pickle` without its protocol, and the storage k, if it is there, of two floats. */
function stream(pickle: string, data = '\x02\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40'): Uint8Array {
	const keys = pickle.includes('storage') ? 'X\x01\0\0\0k' : '';
	return bytesOf(`${START}\x80\x02${pickle}\x80\x02(${keys}l.${data}`);
}

const FLOATS = 'ctorch\nFloatStorage\n';
const storage = (length: string, type = FLOATS) => `(X\x07\0\0\0storage${type}X\x01\0\0\0kX\x03\0\0\0cpu${length}NtQ`;
/** A tensor of a storage of two floats. Numbers are pickled integers. */
const tensorOf = (offset: string, size: string, stride: string, of = storage('K\x02')) =>
	`ctorch._utils\n_rebuild_tensor_v2\n(${of}${offset}(${size}t(${stride}t\x89)tR`;
const HUGE = '\x8a\x07\0\0\0\0\0\0\x10';

test('tensors of the newest form, with a dtype beside their storage', async () => {
	const bytes = (dtype: string) =>
		stream(
			`ctorch._utils\n_rebuild_tensor_v3\n(${storage('K\x08', 'ctorch.storage\nUntypedStorage\n')}K\x00(K\x04t(K\x01t\x89)ctorch\n${dtype}\ntR.`,
			'\x08\0\0\0\0\0\0\0\x01\0\xff\xff\0\0\0\0',
		);
	const found = await load<Tensor>(bytes('uint16'));
	assert.equal([found.dtype, [...(await found.data())]], ['int32', [1, 65535, 0, 0]]);
	await refuses(() => load(bytes('int64')), /needs 4 elements, and storage "k" has 1/, FormatError);
	await refuses(() => load(bytes('complex64')), /it holds an object of Python, "torch.complex64"/, FormatError);
});

test('pickles that lie, nest or refer to themselves throw', async () => {
	const cases: readonly (readonly [RegExp, string])[] = [
		[/a list holds itself/, ']q\x00h\x00a.'],
		[/a dict holds itself/, '}q\x00X\x01\0\0\0ah\x00s.'],
		[/nests containers more than 200 deep/, `${']'.repeat(100_000)}${'a'.repeat(99_999)}.`],
		[/nests containers more than 200 deep/, `${')'}${'\x85'.repeat(100_000)}.`],
		[/cut short, or a length in it is wrong/, 'X\xff\xff\xff\xff.'],
		[/cut short, or a length in it is wrong/, '\x8d\xff\xff\xff\xff\xff\xff\xff\xff.'],
		[/an integer has 4294967295 bytes/, '\x8b\xff\xff\xff\xff.'],
		[/refers to object 7, which it has not stored/, 'h\x07.'],
		[/an opcode takes more values than there are/, 'a.'],
		[/needs a mark/, 't.'],
		[/opcode 0x69/, '(ios\nsystem\n.'],
		[/opcode 0x82/, '\x82\x01.'],
		[/calls a list, which is no function/, '])R.'],
		[/instead of a tuple/, 'ccollections\nOrderedDict\n]R.'],
		[/refers to something that is no storage/, 'NQ.'],
		[/not valid UTF-8/, 'X\x01\0\0\0\xff.'],
		[/the key "__proto__", which is refused/, '}X\x09\0\0\0__proto__Ns.'],
		[/torch\._utils\._rebuild_tensor_v2 where a value must be/, 'ctorch._utils\n_rebuild_tensor_v2\n.'],
		[/its keys|list of storages|no text/, 'N.\x80\x02(K\x01l.'],
		[/needs 3 elements, and storage "k" has 2/, `${tensorOf('K\x00', 'K\x03', 'K\x01')}.`],
		[/needs 3 elements/, `${tensorOf('K\x02', 'K\x01', 'K\x01')}.`],
		[/needs 6 elements/, `${tensorOf('K\x00', 'K\x02', 'K\x05')}.`],
		[/more than 2147483648 elements/, `${tensorOf('K\x00', HUGE, 'K\x00')}.`],
		[/the offset of a tensor must be a whole number/, `${tensorOf('J\xff\xff\xff\xff', 'K\x01', 'K\x01')}.`],
		[/in the strides of a tensor must be a whole number/, `${tensorOf('K\x00', 'K\x01', 'J\xff\xff\xff\xff')}.`],
		[/2 dimensions has 1 strides/, `${tensorOf('K\x00', 'K\x01K\x01', 'K\x01')}.`],
		[/9 dimensions; at most 8/, `${tensorOf('K\x00', 'K\x01'.repeat(9), 'K\x01'.repeat(9))}.`],
		[/storage "k" has two lengths/, `]${tensorOf('K\x00', 'K\x01', 'K\x01')}a${storage('K\x03')}a.`],
		[
			/storage "k" is F32 for one tensor and I64 for another/,
			`]${storage('K\x02')}a${storage('K\x02', 'ctorch\nLongStorage\n')}a.`,
		],
		[/has 2 elements instead of 1000|its storages take/, `${tensorOf('K\x00', 'K\x01', 'K\x01', storage('M\xe8\x03'))}.`],
	];
	for (const [message, pickle] of cases) await refuses(() => load(stream(pickle)), message, FormatError);
	const good = await load<Tensor>(stream(`${tensorOf('K\x00', 'K\x02', 'K\x01')}.`));
	assert.equal(await good.toArray(), [1, 2]);
	const cut = stream(`${tensorOf('K\x00', 'K\x02', 'K\x01')}.`).slice(0, -1);
	await refuses(() => load(cut), /it is cut short or damaged/, FormatError);
	await refuses(() => load(bytesOf('a text')), /this is no file of torch\.save\(\)/, FormatError);
	await refuses(() => load(new Uint8Array()), /this is no file of torch\.save\(\)/, FormatError);
});

test('lists of lists that share their items stay small', async () => {
	let pickle = ']q\x00';
	for (let i = 1; i <= 100; i++)
		pickle += `0](h${String.fromCharCode(i - 1)}h${String.fromCharCode(i - 1)}eq${String.fromCharCode(i)}`;
	let list = await load<unknown[]>(stream(`${pickle}.`));
	for (let depth = 0; depth < 100; depth++) {
		assert.is(list[0], list[1]);
		list = list[0] as unknown[];
	}
	assert.equal(list, []);
});

/** Where the entry `name` stands in the directory of an archive. */
function directoryAt(bytes: Uint8Array, name: string): number {
	return Buffer.from(bytes).lastIndexOf(name) - 46;
}

test('archives that lie about their entries throw', async () => {
	const whole = unpacked(files.views.zip);
	const patched = (name: string, at: number, ...values: number[]) => {
		const bytes = whole.slice();
		bytes.set(values, directoryAt(bytes, name) + at);
		return bytes;
	};
	const cases: readonly (readonly [RegExp, Uint8Array])[] = [
		[/is compressed, and torch\.save\(\) compresses nothing/, patched('archive/data/0', 10, 8)],
		[/size mismatch/, patched('archive/data/0', 24, 0xe8, 3)],
		[/size mismatch/, patched('archive/data/0', 20, 97)],
		[
			/zip archive is damaged|cut short or damaged/,
			patched('archive/data.pkl', 20, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f),
		],
		[/zip archive is damaged|cut short or damaged/, patched('archive/data/0', 42, 0xff, 0xff, 0xff, 0x7f)],
		[/holds "archive\/data\/0" twice/, patched('archive/data/1', 46 + 13, '0'.charCodeAt(0))],
		[/storage "1" is missing/, patched('archive/data/1', 46 + 13, '9'.charCodeAt(0))],
		[/has no data\.pkl, or several/, patched('archive/data.pkl', 46, 'b'.charCodeAt(0), '/'.charCodeAt(0))],
	];
	for (const [message, bytes] of cases) await refuses(() => load(bytes), message, FormatError);
	for (let length = 4; length < whole.length; length += 37)
		await refuses(() => load(whole.subarray(0, length)), /./, FormatError);
});

test('damaged files throw or give tensors, in little memory and time', async () => {
	const { taken, refused, tensors } = await runFor(2000, 'PyTorch', damagedPyTorch);
	assert.ok(taken! > 0 && refused! > 0 && tensors! > 0, JSON.stringify({ taken, refused, tensors }));
});

test.run();
