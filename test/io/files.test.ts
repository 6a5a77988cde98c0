/** Model files on disk and from a server of this process: whole, in shards, cut off, cached, damaged. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, FormatError, init, io, nn, type Tensor, tensor, WgradError } from 'wgrad';
import { loadPyTorch } from 'wgrad/formats';
import { refuses } from '../data/refuses';
import { files as pytorch } from '../formats/pytorch.fixture';
import { type ModelServer, modelServer } from './modelServer';
import { everyDtype } from './safetensors.fixture';

let folder: string;
let server: ModelServer;
test.before(async () => {
	await init({ device: 'cpu' });
	folder = mkdtempSync(join(tmpdir(), 'wgrad-io-'));
	server = await modelServer();
});
test.before.each(() => {
	Object.assign(server, { breaks: [], ranges: true, etags: [] });
	server.requests.length = 0;
});
test.after(async () => {
	await server.close();
	rmSync(folder, { recursive: true, force: true });
});

const path = (name: string) => join(folder, name);

async function told(state: Readonly<Record<string, Tensor>>): Promise<unknown> {
	const entries = Object.keys(state)
		.sort()
		.map(async (name) => [name, state[name]!.dtype, [...state[name]!.shape], [...(await state[name]!.data())]]);
	return Promise.all(entries);
}

test('a module and a state are saved and load again, by path, URL, Blob and bytes', async () => {
	const model = new nn.Sequential(new nn.Linear(3, 2), new nn.BatchNorm1d(2));
	await io.save(model, path('new/model.safetensors'), { metadata: { format: 'pt' } });
	const bytes = new Uint8Array(readFileSync(path('new/model.safetensors')));
	assert.equal(bytes, await io.saveSafetensors(model.stateDict(), { format: 'pt' }));
	await io.save(model.stateDict(), pathToFileURL(path('state.safetensors')));
	server.files.set('model.safetensors', bytes);
	const expected = await told(model.stateDict());
	const sources = [
		path('state.safetensors'),
		pathToFileURL(path('state.safetensors')),
		`${server.url}/model.safetensors?download=true`.replace(/\?.*/, ''),
		new URL(`${server.url}/model.safetensors`),
		new Blob([bytes as Uint8Array<ArrayBuffer>]),
		bytes,
		bytes.buffer,
	];
	for (const source of sources) {
		const state = await io.load(source);
		assert.equal(await told(state), expected);
		new nn.Sequential(new nn.Linear(3, 2), new nn.BatchNorm1d(2)).loadStateDict(state);
	}
	// Tensors own their memory.
	const own = await io.load(bytes);
	own['0.weight']!.fill_(7);
	assert.equal(bytes, await io.saveSafetensors(model.stateDict(), { format: 'pt' }));
});

test('a saved half stays one, and load keeps or converts halves', async () => {
	await io.save({ half: tensor([1.5, -2], { dtype: 'float16' }), single: tensor([0.1]) }, path('half.safetensors'));
	const dtypes = async (options: io.LoadFileOptions) =>
		Object.fromEntries(
			Object.entries(await io.load(path('half.safetensors'), options)).map(([name, { dtype }]) => [name, dtype]),
		);
	assert.equal(await dtypes({}), { half: 'float32', single: 'float32' });
	assert.equal(await dtypes({ dtype: 'auto' }), { half: 'float16', single: 'float32' });
	assert.equal(await dtypes({ dtype: 'float16' }), { half: 'float16', single: 'float16' });
	writeFileSync(path('all.safetensors'), Buffer.from(everyDtype, 'base64'));
	const all = await io.load(path('all.safetensors'), { dtype: 'float32' });
	assert.equal([all.f64!.dtype, all.bf16!.dtype, all.i64!.dtype], ['float32', 'float32', 'int32']);
	assert.equal([...(await all.bf16!.data())], [1, -3.140625, 2 ** 100]);
	const kept = await io.load(path('all.safetensors'));
	assert.equal([kept.f64!.dtype, kept.bf16!.dtype, kept.f16!.dtype], ['float64', 'bfloat16', 'float32']);
	await io.save({ bf16: kept.bf16! }, path('bf16.safetensors'));
	const { bf16 } = await io.load(path('bf16.safetensors'));
	assert.equal([bf16!.dtype, ...(await bf16!.data())], ['bfloat16', 1, -3.140625, 2 ** 100]);
	assert.is((await io.load(path('half.safetensors'), { dtype: 'bfloat16' })).single!.dtype, 'bfloat16');
});

test('save writes to a stream, and leaves the old file if it is stopped', async () => {
	const parts: Uint8Array[] = [];
	await io.save({ a: tensor([1, 2]) }, new WritableStream<Uint8Array>({ write: (part) => void parts.push(part) }));
	assert.equal(new Uint8Array(Buffer.concat(parts)), await io.saveSafetensors({ a: tensor([1, 2]) }));
	writeFileSync(path('old.safetensors'), 'old');
	const stop = new AbortController();
	const options = { signal: stop.signal, onProgress: () => stop.abort(new RangeError('enough')) };
	await refuses(() => io.save({ a: tensor([1]), b: tensor([2]) }, path('old.safetensors'), options), /enough/, RangeError);
	assert.is(readFileSync(path('old.safetensors'), 'utf8'), 'old');
	assert.equal(
		readdirSync(folder).filter((name) => name.endsWith('.tmp')),
		[],
	);
	await refuses(() => io.save({ a: 1 as never }, path('x')), /io\.save/);
	await refuses(() => io.save({}, 12 as never), /it writes to a path, a WritableStream or a FileSystemFileHandle, not 12/);
	await refuses(() => io.save({}, folder), /it is a folder/, FileError);
});

test('shards load by their index from a folder, a server and the files of a page', async () => {
	const shards = {
		'model-1.safetensors': { a: tensor([1, 2]), b: tensor([3]) },
		'model-2.safetensors': { c: tensor([[4]]) },
	};
	const map: Record<string, string> = {};
	for (const [name, state] of Object.entries(shards)) {
		await io.save(state, path(name));
		server.files.set(name, readFileSync(path(name)));
		for (const key of Object.keys(state)) map[key] = name;
	}
	const indexed = (more: object = {}) => {
		const text = JSON.stringify({ metadata: {}, weight_map: { ...map, ...more } });
		writeFileSync(path('model.safetensors.index.json'), text);
		server.files.set('model.safetensors.index.json', Buffer.from(text));
		return new File([text], 'model.safetensors.index.json');
	};
	const index = indexed();
	const blobs = Object.keys(shards).map((name) => new File([readFileSync(path(name))], name));
	const expected = await told({ ...shards['model-1.safetensors'], ...shards['model-2.safetensors'] });
	const progress: io.Progress[] = [];
	for (const source of [
		path('model.safetensors.index.json'),
		pathToFileURL(path('model.safetensors.index.json')),
		`${server.url}/model.safetensors.index.json`,
		[...blobs, index],
		Object.keys(shards).map(path),
	]) {
		progress.length = 0;
		assert.equal(await told(await io.load(source, { onProgress: (step) => progress.push(step) })), expected);
		assert.equal(progress.at(-1), { loaded: 16, total: 16 });
	}
	await refuses(
		() => io.load([index, blobs[0]!]),
		/names the file "model-2\.safetensors", which is not among the given/,
		FormatError,
	);
	await refuses(() => io.load([blobs[0]!, blobs[0]!]), /tensor "a" is in two files/, FormatError);
	for (const [message, more] of [
		[/the index names tensors that no file holds: "d"/, { d: 'model-1.safetensors' }],
		[/no plain name: "\.\.\/\.\.\/etc\/passwd"/, { d: '../../etc/passwd' }],
		[/no plain name: "https:/, { d: 'https://elsewhere/x' }],
		[/no plain name/, { d: 3 }],
	] as const) {
		indexed(more);
		await refuses(() => io.load(path('model.safetensors.index.json')), message, FormatError);
	}
	await refuses(() => io.load(new File(['{}'], 'a.json')), /a\.json: the index has no weight_map/, FormatError);
	await refuses(() => io.load([]), /there is no file to load/);
});

test('a large state is saved in shards, which replace what was saved there before', async () => {
	const place = path('sh#ards');
	const listed = () => readdirSync(place).sort();
	const state = { a: tensor([1, 2]), b: tensor([[3, 4, 5]]), c: tensor([6], { dtype: 'int32' }), d: tensor([7]) };
	const shards = (count: number) =>
		Array.from({ length: count }, (_, i) => `model-0000${i + 1}-of-0000${count}.safetensors`).concat(
			'model.safetensors.index.json',
		);
	const save = (maxShardSize: number | string) => io.save(state, join(place, 'model.safetensors'), { maxShardSize });
	const load = async (name: string) => assert.equal(await told(await io.load(join(place, name))), await told(state));
	const progress: io.Progress[] = [];
	const options = { maxShardSize: 10, onProgress: (step: io.Progress) => void progress.push(step), metadata: { format: 'pt' } };
	await io.save(state, pathToFileURL(join(place, 'model.safetensors')), options);
	assert.equal(listed(), shards(3));
	assert.is(progress.at(-1)!.loaded, progress.at(-1)!.total);
	assert.equal(JSON.parse(readFileSync(join(place, 'model.safetensors.index.json'), 'utf8')), {
		metadata: { total_size: 28 },
		weight_map: { a: shards(3)[0], b: shards(3)[1], c: shards(3)[2], d: shards(3)[2] },
	});
	await load('model.safetensors.index.json');
	await save('0.02kb');
	assert.equal(listed(), shards(2));
	await load('model.safetensors.index.json');
	await save('1GiB');
	assert.equal(listed(), ['model.safetensors']);
	await load('model.safetensors');
	await save('16B');
	assert.equal(listed(), shards(3));
	// Stopped in the second shard: the old ones stay.
	const stop = new AbortController();
	const stopped = { maxShardSize: 8, signal: stop.signal, onProgress: () => stop.abort(new RangeError('enough')) };
	await refuses(
		() => io.save({ z: tensor([1, 2]), y: tensor([3]) }, join(place, 'model.safetensors'), stopped),
		/enough/,
		RangeError,
	);
	assert.equal(listed(), shards(3));
	await load('model.safetensors.index.json');
	await refuses(() => save('much'), /maxShardSize must be a number of bytes, or a text such as '500MB', not 'much'/);
	await refuses(() => save(0), /maxShardSize must be/);
	await refuses(() => io.save(state, new WritableStream(), { maxShardSize: 8 }), /a state in shards needs a path/);
	await refuses(() => io.save(state, place, { maxShardSize: 8 }), /it is a folder/, FileError);
});

test('a download goes on after broken connections, with ranges and without', async () => {
	const values = Float32Array.from({ length: 100_000 }, (_, i) => i);
	const bytes = await io.saveSafetensors({ a: tensor(values), b: tensor([1]) });
	server.files.set('large.safetensors', bytes);
	for (const ranges of [true, false]) {
		Object.assign(server, { ranges, breaks: [100_000, 50_000] });
		server.requests.length = 0;
		const { a } = await io.load(`${server.url}/large.safetensors`);
		assert.equal(await a!.data(), values);
		assert.equal(server.requests, ['', 'bytes=100000-', ranges ? 'bytes=150000-' : 'bytes=100000-']);
	}
	server.breaks = [1000];
	server.etags = ['"1"', '"2"'];
	await refuses(() => io.load(`${server.url}/large.safetensors`), /has changed on the server while it was read/, FormatError);
	await refuses(() => io.load(`${server.url}/none.safetensors`), /the server answered 404/, WgradError);
	await refuses(() => io.load('http://127.0.0.1:1/x'), /cannot be fetched/, WgradError);
});

test('a signal stops a load before and while it reads', async () => {
	server.files.set('cut.safetensors', await io.saveSafetensors({ a: tensor(new Float32Array(1000)) }));
	const stopped = AbortSignal.abort(new RangeError('enough'));
	await refuses(() => io.load(`${server.url}/cut.safetensors`, { signal: stopped }), /enough/, RangeError);
	server.breaks = [2000];
	const signal = AbortSignal.timeout(100);
	await refuses(() => io.load(`${server.url}/cut.safetensors`, { signal }), /timeout/, DOMException);
	await refuses(() => io.load(path('x'), { signal: 1 as never }), /signal must be that of an AbortController/);
	await refuses(() => io.load(path('x'), { cache: 1 as never }), /cache must be true, false or the name of a folder/);
});

test('the cache keeps blocks, goes on with a broken download, and mends damage', async () => {
	const cache = path('cache');
	// Two blocks.
	const values = Float32Array.from({ length: 5_000_000 }, (_, i) => i % 1000);
	server.files.set('cached.safetensors', await io.saveSafetensors({ a: tensor(values) }));
	const url = `${server.url}/cached.safetensors`;
	const stop = new AbortController();
	// Stopped after the first part, when the first block is stored.
	const options = { cache, signal: stop.signal, onProgress: () => stop.abort(new RangeError('enough')) };
	await refuses(() => io.load(url, options), /enough/, RangeError);
	const [place] = readdirSync(cache);
	assert.equal(readdirSync(join(cache, place!)).sort(), ['0', 'record.json']);
	server.requests.length = 0;
	const load = async () => {
		const found = await (await io.load(url, { cache })).a!.data();
		assert.is(Buffer.compare(new Uint8Array(found.buffer), new Uint8Array(values.buffer)), 0);
	};
	await load();
	assert.equal(server.requests, ['', 'bytes=16777216-']);
	server.requests.length = 0;
	await load();
	assert.equal(server.requests, ['']);
	// One bit of the second block.
	const block = readFileSync(join(cache, place!, '1'));
	block[1000]! ^= 1;
	writeFileSync(join(cache, place!, '1'), block);
	await load();
	assert.equal(server.requests, ['', '', 'bytes=16777216-']);
	// Without a connection the copy will do; another version on the server will not.
	server.files.delete('cached.safetensors');
	await load();
	const other = await io.saveSafetensors({ a: tensor([1]) });
	server.files.set('cached.safetensors', other);
	server.etags = ['"3"'];
	assert.equal(await (await io.load(url, { cache })).a!.toArray(), [1]);
});

test("PyTorch's files load from a server in parts", async () => {
	const bytes = new Uint8Array(gunzipSync(Buffer.from(pytorch.views.zip, 'base64')));
	server.files.set('model.pt', bytes);
	const progress: io.Progress[] = [];
	const { base } = await loadPyTorch(`${server.url}/model.pt`, { onProgress: (step) => progress.push(step) });
	assert.equal(base!.shape, [4, 6]);
	assert.is(progress.at(-1)!.loaded, progress.at(-1)!.total);
	assert.ok(server.requests.some((range) => range !== ''));
});

test('damaged files throw and name the file', async () => {
	writeFileSync(path('cut.safetensors'), (await io.saveSafetensors({ a: tensor([1, 2, 3]) })).subarray(0, -2));
	await refuses(() => io.load(path('cut.safetensors')), /cut\.safetensors: safetensors: .*cut short/, FormatError);
	writeFileSync(path('page.safetensors'), '<html><body>Not found</body></html>');
	await refuses(() => io.load(path('page.safetensors')), /a page of HTML/, FormatError);
	writeFileSync(path('empty.safetensors'), '');
	await refuses(() => io.load(path('empty.safetensors')), /the file has 0 bytes/, FormatError);
	await refuses(() => io.load(path('none')), /io\.load: '.*none' cannot be read: there is no such file/, FileError);
});

test.run();
