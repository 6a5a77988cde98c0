/** One library in a process of its own: answers the messages of run.mjs. `node child.mjs LIBRARY` */
import { findGpu } from '../../adapters/driver.mjs';
import { answer } from './session.mjs';

const library = process.argv[2];
if (library !== 'reference') {
	const gpu = await findGpu();
	// Node 20 has no navigator; later ones have one without a GPU.
	const navigator = globalThis.navigator ?? {};
	Object.defineProperty(globalThis, 'navigator', {
		configurable: true,
		value: Object.assign(Object.create(navigator), { gpu, userAgent: 'Node', hardwareConcurrency: 2 }),
	});
	const { globals } = await import('webgpu');
	Object.assign(globalThis, globals);
	// Dawn in Node refuses shared memory, which onnxruntime-web uses.
	const { writeBuffer } = globals.GPUQueue.prototype;
	globals.GPUQueue.prototype.writeBuffer = function (buffer, offset, data, ...rest) {
		const isShared = data.buffer instanceof SharedArrayBuffer;
		return writeBuffer.call(this, buffer, offset, isShared ? data.slice() : data, ...rest);
	};
}
const isWgrad = library === 'wgrad' || library === 'reference';
const cases = isWgrad
	? (await import('./wgrad.mjs')).casesOf(await import('../../dist/node/index.js'))
	: await import(`./${library}.mjs`);
const session = answer(cases, library === 'reference' ? 'cpu' : undefined);
process.on('message', async ({ id, ask, args }) => {
	try {
		process.send({ id, value: await session[ask](...args) });
	} catch (error) {
		process.send({ id, error: String(error?.stack ?? error).slice(0, 1500) });
	}
});
process.send({ id: 'ready' });
