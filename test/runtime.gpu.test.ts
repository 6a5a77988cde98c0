/** The WebGPU runtime alone: order, hazards, caches, errors, loss. The library's kernels have their own tests. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Storage } from '../src/backends/contract';
import { createWebGPUBackend, type WebGPUBackend } from '../src/backends/webgpu/backend';
import type { Launch } from '../src/backends/webgpu/launch';
import { sizeClass } from '../src/backends/webgpu/memory';
import { nodeGpu } from '../src/backends/webgpu/nodeGpu';
import { coarseStep } from '../src/backends/webgpu/profiler';
import { Timeline } from '../src/backends/webgpu/timeline';
import { ArgumentError, DeviceError } from '../src/core/errors';
import { runOperation } from '../src/core/scope';
import { affine, broken, optional, oversized, sparse, sumOfWords } from './runtimeKernels';

let backend: WebGPUBackend;

function filled(value: number, length = 16): Storage {
	return backend.upload(new Float32Array(length).fill(value), 'float32');
}

function launch(x: Storage, y: Storage, a: number, b: number, add = 0): void {
	const { length } = x;
	backend.gpu.launch({
		kernel: affine,
		variant: { add },
		buffers: { x, y },
		params: { n: length, a, b },
		grid: [Math.ceil(length / 4)],
		flops: 2 * length,
		bytes: 8 * length,
	});
}

/** x * a + b + add as a new storage. Releases x. */
function step(x: Storage, a: number, b: number, add = 0): Storage {
	const y = backend.allocate(x.length, 'float32');
	launch(x, y, a, b, add);
	backend.release(x);
	return y;
}

/** The first element of x. Releases x. */
async function first(x: Storage): Promise<number> {
	const value = (await backend.read(x))[0]!;
	backend.release(x);
	return value;
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
	try {
		await promise;
	} catch (error) {
		return error as Error;
	}
	throw new Error('it should have been rejected');
}

/** Runs `body` on a given backend instead of the shared one, and destroys it. */
async function withBackend(own: WebGPUBackend, body: () => Promise<void>): Promise<void> {
	const shared = backend;
	backend = own;
	try {
		await body();
	} finally {
		backend = shared;
		own.destroy();
	}
}

/** A device without any optional features. */
async function plainDevice(): Promise<GPUDevice> {
	const gpu = globalThis.navigator?.gpu ?? (await nodeGpu());
	return (await gpu.requestAdapter())!.requestDevice();
}

test.before(async () => {
	backend = await createWebGPUBackend();
});
test.after(() => backend.destroy());

test('a chain of dependent launches longer than a batch', async () => {
	let x = filled(0);
	for (let i = 0; i < 500; i++) x = step(x, 1, 1);
	assert.equal(await backend.read(x), new Float32Array(16).fill(500));
	backend.release(x);
});

test('every dtype survives an upload and a read; lengths need not fill 32-bit words', async () => {
	const cases = [
		['float32', new Float32Array([1.5, -2, Infinity])],
		['int32', new Int32Array([1, -2, 2 ** 31 - 1])],
		['bool', new Uint8Array([1, 0, 1, 1, 0])],
		['uint8', new Uint8Array([1, 0, 7, 128, 255])],
		['float32', new Float32Array(0)],
		['bool', new Uint8Array(0)],
	] as const;
	for (const [dtype, data] of cases) {
		const storage = backend.upload(data, dtype);
		assert.equal(await backend.read(storage), data, dtype);
		backend.release(storage);
	}
	const half = new Uint16Array([0x3c00, 0xc000, 0x7c00]);
	if (!backend.features.has('shader-f16')) assert.throws(() => backend.upload(half, 'float16'), /no float16/);
	else assert.equal(await backend.read(backend.upload(half, 'float16')), half);
	assert.throws(() => backend.allocate(3, 'float64'), /float64 lives on the CPU only/);
});

test('grids of more than 65,535 workgroups are folded, and empty grids launch nothing', async () => {
	const length = 4 * 65535 * 2 + 5;
	const data = Float32Array.from({ length }, (_, i) => i % 4093);
	const y = step(backend.upload(data, 'float32'), 2, 1);
	const got = await backend.read(y);
	assert.is(
		data.findIndex((value, i) => got[i] !== 2 * value + 1),
		-1,
	);
	const { launches } = backend.counters();
	backend.gpu.launch({
		kernel: affine,
		variant: { add: 0 },
		buffers: { x: y, y },
		params: { n: 0, a: 1, b: 0 },
		grid: [0],
		flops: 0,
		bytes: 0,
	});
	assert.is(backend.counters().launches, launches);
	backend.release(y);
});

test('an upload does not overtake launches that still read its buffer', async () => {
	for (let i = 0; i < 200; i++) {
		const y = step(filled(i, 64), 1, 0);
		const z = filled(-1, 64);
		assert.is(await first(y), i);
		backend.release(z);
	}
});

test('a read sees the storage as it was at the time of the call', async () => {
	const x = filled(7);
	const y = backend.allocate(16, 'float32');
	launch(x, y, 1, 0);
	const early = backend.read(y);
	launch(x, y, 1, 100);
	const late = backend.read(y);
	backend.release(y);
	const z = step(x, 1, 200);
	const values = (await Promise.all([early, late, backend.read(z)])).map((data) => data[0]);
	assert.equal(values, [7, 107, 207]);
	backend.release(z);
});

test('launches keep their order while pipelines are being compiled, with reads and uploads in between', async () => {
	let x = filled(0);
	let sum = 0;
	const expected: number[] = [];
	const reads: Promise<ArrayLike<number>>[] = [];
	for (let i = 0; i < 60; i++) {
		const add = 10 + (i % 6);
		x = step(x, 1, 0, add);
		sum += add;
		expected.push(sum);
		reads.push(backend.read(x));
		backend.release(filled(-1e6));
	}
	assert.equal(
		(await Promise.all(reads)).map((data) => data[3]),
		expected,
	);
	backend.release(x);
});

test('the launches of a program that never awaits are submitted, in order', async () => {
	await withBackend(await createWebGPUBackend({ waitingLaunches: 100 }), async () => {
		let x = filled(0);
		for (let i = 0; i < 150; i++) x = step(x, 1, 1, 70 + (i % 3));
		const { submits, memory } = backend.counters();
		assert.ok(submits > 0, 'nothing was submitted');
		assert.ok(memory.pooled < 4096, `${memory.pooled} bytes wait for the launches`);
		assert.is(await first(x), 150 * 72);
	});
	await withBackend(await createWebGPUBackend(), async () => {
		const large = 2 ** 22;
		let x = filled(0, large);
		for (let i = 0; i < 24; i++) {
			x = step(x, 1, 1, 73);
			backend.release(filled(1, large));
		}
		assert.ok(backend.counters().submits > 0, 'uploads pile up behind launches that wait');
		assert.is(await first(x), 24 * 74);
	});
});

test('reads of one task share a submit', async () => {
	const storages = [filled(1), filled(2), filled(3)];
	await backend.sync();
	const { submits } = backend.counters();
	assert.equal(await Promise.all(storages.map(first)), [1, 2, 3]);
	assert.is(backend.counters().submits, submits + 1);
});

test('work starts even if nobody waits for it', async () => {
	await backend.sync();
	const { submits } = backend.counters();
	const x = step(filled(1), 1, 1);
	assert.is(backend.counters().submits, submits);
	await new Promise((resolve) => setTimeout(resolve, 20));
	assert.is(backend.counters().submits, submits + 1);
	backend.release(x);
});

test('a launch carries 512 bytes of parameters, and none remain from an earlier launch', async () => {
	const y = backend.allocate(1, 'int32');
	const words = Array.from({ length: 124 }, (_, i) => i * 1000);
	const total = words.reduce((sum, word) => sum + word, 0);
	const work = { variant: {}, buffers: { y }, grid: [1], flops: 0, bytes: 0 } as const;
	const run = (list: number[]) => backend.gpu.launch({ kernel: sumOfWords, params: { n: 31, words: list }, ...work });
	for (let i = 0; i < 100; i++) run(words);
	assert.is((await backend.read(y))[0], total);
	for (let i = 0; i < 100; i++) run([]);
	assert.is((await backend.read(y))[0], 0);
	assert.throws(() => run(new Array<number>(125).fill(0)), /test\.words: words has 125 values, but room for 124/);
	const tooLong = () => backend.gpu.launch({ kernel: oversized, params: { n: 31, words: [] }, ...work });
	assert.throws(tooLong, /test\.oversized: 129 parameter words; a launch carries 128/);
	backend.release(y);
});

test('a training step reuses its buffers and bind groups', async () => {
	const weights = filled(1, 1000);
	const train = async () => {
		let hidden = step(filled(2, 3000), 1, 1);
		for (let i = 0; i < 20; i++) hidden = step(hidden, 0.5, 1);
		const update = backend.allocate(1000, 'float32');
		launch(weights, update, 0.1, 0);
		await first(hidden);
		backend.release(update);
	};
	for (let i = 0; i < 3; i++) await train();
	const before = backend.counters();
	for (let i = 0; i < 20; i++) await train();
	const after = backend.counters();
	assert.is(after.memory.buffersCreated, before.memory.buffersCreated);
	assert.is(after.bindGroupsCreated, before.bindGroupsCreated);
	assert.is(after.pipelinesCompiled, before.pipelinesCompiled);
	assert.is(after.memory.live, before.memory.live);
	backend.release(weights);
});

test('size classes waste at most a third, and at most a ninth from 1 MiB on', () => {
	for (let bytes = 257; bytes < 2 ** 28; bytes = Math.ceil(bytes * 1.013)) {
		const size = sizeClass(bytes);
		assert.ok(size >= bytes && size % 256 === 0, `${bytes} -> ${size}`);
		assert.ok(size - bytes <= size / (bytes < 2 ** 20 ? 3 : 9) + 256, `${bytes} -> ${size}`);
		assert.is(sizeClass(size), size);
	}
});

test('free buffers, pipelines and bind groups beyond their caps are dropped, and results stay right', async () => {
	const capped = await createWebGPUBackend({ poolBytes: 2 ** 20, pipelineCap: 4, bindGroupCap: 8, batchLaunches: 8 });
	await withBackend(capped, async () => {
		const kept: Storage[] = [];
		for (let i = 0; i < 40; i++) {
			kept.push(step(filled(i, 1000 * (i + 1)), 1, 0, i % 7));
			if (kept.length > 5) backend.release(kept.shift()!);
			if (i % 3 === 0) await backend.sync();
		}
		for (const [i, storage] of kept.entries()) assert.is(await first(storage), 35 + i + ((35 + i) % 7));
		assert.ok(backend.memory().pooled <= 2 ** 20, `${backend.memory().pooled} bytes in the pool`);
		assert.is(backend.memory().live, 0);
		assert.ok(backend.counters().pipelinesCompiled > 7);
	});
});

test('more bind groups than the driver can hold throw a clear error', async () => {
	await withBackend(await createWebGPUBackend({ bindGroupsAlive: 50, bindGroupCap: 10 }), async () => {
		const held: Storage[] = [filled(1)];
		const more = () => {
			const y = backend.allocate(16, 'float32');
			launch(held.at(-1)!, y, 1, 1);
			held.push(y);
		};
		const launches = () => {
			for (let i = 0; i < 60; i++) more();
		};
		assert.throws(launches, /test\.affine\{add=0\}: 50 bind groups wait for the garbage collector.* tidy\(\(\) => \.\.\.\)/);
		assert.is((await backend.read(held.at(-1)!))[0], 51);
	});
});

test('wrong launches throw in the call', () => {
	const x = filled(1);
	const y = filled(1);
	assert.throws(() => launch(x, x, 1, 0), /test\.affine\{add=0\}: a written buffer is bound twice/);
	const run = (grid: [number, number]) =>
		backend.gpu.launch({
			kernel: affine,
			variant: { add: 0 },
			buffers: { x, y },
			params: { n: 0, a: 1, b: 0 },
			grid,
			flops: 0,
			bytes: 0,
		});
	assert.throws(() => run([1, 65536]), /a grid of 1 x 65536 workgroups exceeds 65535/);
	const once = { kernel: optional, params: {}, grid: [1], flops: 0, bytes: 0 } as const;
	const missing = () => backend.gpu.launch({ ...once, variant: { bias: true }, buffers: { y } });
	assert.throws(missing, /test\.optional\{bias=true\}: this variant needs a buffer bias/);
	const surplus = () => backend.gpu.launch({ ...once, variant: { bias: false }, buffers: { bias: x, y } });
	assert.throws(surplus, /test\.optional\{bias=false\}: this variant has no buffer bias/);
	backend.release(y);
	assert.throws(() => launch(x, y, 1, 0), /test\.affine\{add=0\}: buffer y was released/);
	backend.release(x);
});

test('a parameter that is not a number throws in the call, also while its kernel compiles, and leaks nothing', async () => {
	const [x, y, z] = [filled(1), filled(0), filled(1)];
	const wrong = {
		[Symbol.toPrimitive]() {
			throw new ArgumentError('no number');
		},
	} as unknown as number;
	const refused = () => launch(x, z, 5, wrong, 91);
	assert.throws(refused, /no number/);
	launch(x, y, 2, 3, 91);
	assert.is(await first(y), 96);
	assert.throws(refused, /no number/);
	backend.gpu.launch({ kernel: sparse, variant: {}, buffers: { y: z }, params: {}, grid: [1], flops: 0, bytes: 0 });
	assert.is(await first(z), 0);
	backend.release(x);
});

test('the error of a tensor that is too large names its bytes and the limit', () => {
	assert.throws(
		() => runOperation('zeros', () => backend.allocate(2 ** 40, 'float32')),
		/zeros: a float32 tensor of 1099511627776 elements takes 4398046511104 bytes .* allows \d+ \(.*\)\. Split it/,
	);
});

test('a shader that does not compile throws at the read and at every later launch, with kernel, variant and line', async () => {
	const y = filled(0);
	const run = () =>
		backend.gpu.launch({ kernel: broken, variant: { version: 1 }, buffers: { y }, params: {}, grid: [1], flops: 0, bytes: 0 });
	run();
	for (const error of await Promise.all([rejection(backend.read(y)), rejection(backend.read(y))])) {
		assert.instance(error, DeviceError);
		assert.match(error.message, /the shader test\.broken\{version=1\} does not compile:\n {2}line \d+: .*nothing/);
		assert.match(error.message, 'y[0] = nothing + 1.0;');
	}
	assert.throws(run, /test\.broken\{version=1\} does not compile/);
	const warmed = await rejection(backend.warm([{ kernel: broken, variant: { version: 2 } }]));
	assert.match(warmed.message, 'test.broken{version=2}');
	assert.is(await first(y), 0, 'afterwards everything works again');
});

test('the next read throws what the GPU rejected, with the operation', async () => {
	const x = filled(1);
	const y = backend.allocate(16, 'float32');
	runOperation('sneaky', () => launch(x, y, 1, 0));
	(x as Storage & { block: { buffer: GPUBuffer } }).block.buffer.destroy();
	const error = await rejection(backend.read(y));
	assert.instance(error, DeviceError);
	assert.match(error.message, /for sneaky: .*destroyed/);
	launch(filled(3), y, 1, 0);
	assert.is(await first(y), 3);
});

test('warmed pipelines are compiled before the first launch', async () => {
	await backend.warm([60, 61, 62].map((add) => ({ kernel: affine, variant: { add } })));
	const before = backend.counters();
	assert.is(await first(step(step(filled(0), 1, 0, 60), 1, 0, 61)), 121);
	assert.is(backend.counters().pipelinesCompiled, before.pipelinesCompiled);
});

test('a profile detects timestamps rounded by a browser', () => {
	const fine = Array.from({ length: 40 }, (_, i) => BigInt(i * i * 7919 + i * 13));
	assert.is(coarseStep(fine.map((stamp) => 2n ** 60n + (stamp / 100n) * 100_000n)), 0.1);
	assert.is(coarseStep(fine), 0);
	assert.is(coarseStep(fine.map((stamp) => stamp * 1000n)), 0);
	assert.is(coarseStep([]), 0);
	assert.is(coarseStep(Array<bigint>(40).fill(9n)), 0);
});

test('a profile has a row for each kernel and operation', async () => {
	const timeline = new Timeline();
	const profile = await backend.profile(() => {
		let x = filled(1, 1000);
		for (let i = 0; i < 100; i++) {
			x = runOperation(i % 2 === 0 ? 'keep' : 'shift', () => step(x, 1, 0, i % 2));
		}
		return first(x);
	}, timeline);
	const { traceEvents } = timeline.trace(profile.launches);
	const cats = (cat: string) => traceEvents.filter((event) => event.cat === cat);
	assert.is(cats('operation').length, 100);
	assert.equal([cats('upload')[0]!.args.bytes, cats('kernel').length + cats('launch').length], [4000, 100]);
	assert.is(
		cats('submit').reduce((sum, { args }) => sum + Number(args.launches), 0),
		100,
	);
	assert.equal(
		cats('wait').flatMap(({ name, ph }) => (ph === 'e' && !name.startsWith('compile') ? [name] : [])),
		['read', 'sync'],
	);
	assert.is(profile.result, 51);
	const rows = [...profile.rows].sort((a, b) => a.operation.localeCompare(b.operation));
	assert.equal(
		rows.map(({ kernel, operation, launches, flops }) => ({ kernel, operation, launches, flops })),
		[
			{ kernel: 'test.affine{add=0}', operation: 'keep', launches: 50, flops: 100000 },
			{ kernel: 'test.affine{add=1}', operation: 'shift', launches: 50, flops: 100000 },
		],
	);
	assert.is(profile.source, backend.features.has('timestamp-query') ? 'timestamps' : 'estimate');
	assert.match(profile.toString(), 'test.affine{add=0}');
	assert.match(profile.toString(), /100 launches in \d+ submits/);
	assert.ok(profile.wallMs > 0 && profile.gpuMs >= 0);
	assert.is(/in steps of/.test(profile.toString()), profile.stepMs > 0);
});

test('the launch hook receives complete records; launching them again repeats the work', async () => {
	const records: Launch[] = [];
	const x = filled(1);
	const y = backend.allocate(16, 'float32');
	backend.onLaunch((record) => {
		assert.is(record.operation, 'there');
		records.push(record);
	});
	runOperation('there', () => {
		launch(x, y, 2, 1);
		launch(y, x, 2, 1);
	});
	backend.onLaunch(undefined);
	for (const record of records) backend.gpu.launch(record);
	assert.is(await first(x), 31);
	backend.release(y);
});

test("a caller's own device, without optional features, is used and not destroyed", async () => {
	const device = await plainDevice();
	await withBackend(await createWebGPUBackend({ device }), async () => {
		const profile = await backend.profile(() => first(step(filled(1), 2, 1)));
		assert.is(profile.result, 3);
		assert.is(profile.source, 'estimate');
		assert.is(profile.rows.length, 1);
	});
	await device.queue.onSubmittedWorkDone();
	const buffer = device.createBuffer({ size: 16, usage: 9 });
	await buffer.mapAsync(1);
	device.destroy();
});

test('a lost device rejects all pending and later work; a new backend works', async () => {
	const device = await plainDevice();
	await withBackend(await createWebGPUBackend({ device }), async () => {
		const x = step(filled(1), 2, 1);
		const pending = [rejection(backend.read(x)), rejection(backend.sync())];
		device.destroy();
		for (const error of await Promise.all(pending)) {
			assert.instance(error, DeviceError);
			assert.match(error.message, /call await init\(\) for a new/);
		}
		assert.match((await backend.lost).message, 'init()');
		assert.match((await rejection(backend.read(x))).message, 'init()');
		assert.throws(() => filled(1), /init\(\)/);
		backend.release(x);
	});
	const next = await createWebGPUBackend();
	let late: Promise<Error> | undefined;
	await withBackend(next, async () => {
		assert.is(await first(step(filled(1), 2, 1)), 3);
		late = rejection(backend.read(filled(1)));
	});
	assert.match((await late)!.message, 'was shut down');
});

test.run();
