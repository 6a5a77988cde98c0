/** Model files in a browser: chosen by the user, fetched, and kept in the private file system. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, io, tensor } from 'wgrad';
import { loadPyTorch } from 'wgrad/formats';
import { FileError } from '../../src/core/fileError';
import { refuses } from '../data/refuses';
import { files } from '../formats/pytorch.fixture';

test.before(async () => {
	await init({ device: 'cpu' });
});

test('a file of the private file system is written, and loads as a File, by URL and through the cache', async () => {
	const root = await navigator.storage.getDirectory();
	const handle = await root.getFileHandle('a.safetensors', { create: true });
	await io.save({ a: tensor([1, 2]) }, handle);
	const file = await handle.getFile();
	const url = URL.createObjectURL(file);
	for (const options of [{}, { cache: true }, { cache: true }]) {
		for (const source of [file, url]) assert.equal(await (await io.load(source, options)).a!.toArray(), [1, 2]);
	}
	const cache = await root.getDirectoryHandle('wgrad-cache');
	for await (const place of (cache as unknown as { keys(): AsyncIterable<string> }).keys()) {
		const block = await (await cache.getDirectoryHandle(place)).getFileHandle('0');
		assert.is((await block.getFile()).size, file.size);
	}
	await refuses(() => io.save({}, 'a.safetensors'), /a browser has no paths/, FileError);
	await root.removeEntry('a.safetensors');
	await root.removeEntry('wgrad-cache', { recursive: true });
});

test("PyTorch's files", async () => {
	const zipped = Uint8Array.from(atob(files.views.zip), (char) => char.charCodeAt(0));
	const blob = await new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream('gzip'))).blob();
	const { row } = await loadPyTorch(blob);
	assert.equal(await row!.toArray(), [6, 7, 8, 9, 10, 11]);
});

test.run();
