/** The output of WGRAD_DEBUG. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defineKernel, type NoVariant, read, readWrite } from '../shaders/shader';
import { createWebGPUBackend, type WebGPUBackend } from '../src/backends/webgpu/backend';
import { runOperation } from '../src/core/scope';

const scale = defineKernel({
	name: 'test.scale',
	params: { n: 'u32', factor: 'f32' },
	define: (_: NoVariant) => ({
		bindings: { x: read('f32'), y: readWrite('f32') },
		invocations: 'p.n',
		main: '	y[i] = x[i] * p.factor;',
	}),
});

/** Whether the adapter of the last call has timestamps. */
let isTimed = false;

/** The lines that `setting` prints while a kernel is launched twice and its result is read. */
async function printed(setting: string | undefined, inEnvironment = false): Promise<string[]> {
	const lines: string[] = [];
	const { log, warn } = console;
	const globals = globalThis as { WGRAD_DEBUG?: string | undefined };
	if (inEnvironment) process.env.WGRAD_DEBUG = setting;
	else globals.WGRAD_DEBUG = setting;
	console.log = console.warn = (line: string) => lines.push(line);
	let backend: WebGPUBackend;
	try {
		backend = await createWebGPUBackend();
		isTimed = backend.features.has('timestamp-query');
		delete globals.WGRAD_DEBUG;
		if (inEnvironment) delete process.env.WGRAD_DEBUG;
		const x = backend.upload(Float32Array.of(1, 2, 3), 'float32');
		const y = backend.allocate(3, 'float32');
		const variant = {};
		for (const factor of [0.5, 3]) {
			const launch = {
				kernel: scale,
				variant,
				buffers: { x, y },
				params: { n: 3, factor },
				grid: [1],
				flops: 3,
				bytes: 24,
			} as const;
			runOperation('scaled', () => backend.gpu.launch(launch));
		}
		assert.equal(Array.from(await backend.read(y)), [3, 6, 9]);
		const profile = await backend.profile(() => backend.sync());
		assert.is(profile.rows.length, 0);
		await backend.destroy();
	} finally {
		console.log = log;
		console.warn = warn;
	}
	return lines.filter((line) => line.startsWith('wgrad: '));
}

const LAUNCH =
	/^wgrad: scaled {2}test\.scale {2}grid 1 x 1 x 1 {2}buffers x float32 12 B, y float32 12 B {2}params n=3, factor=(0\.5|3)( {2}\d+\.\d us)?$/;

test('nothing is printed without it', async () => {
	assert.equal(await printed(undefined), []);
});

test('launches: operation, kernel, grid, buffers, parameters and time of each launch', async () => {
	const lines = await printed('launches');
	assert.is(lines.length, 2);
	assert.equal(
		lines.map((line) => LAUNCH.exec(line)?.[1]),
		['0.5', '3'],
	);
	assert.ok(lines.every((line) => line.endsWith(' us') === isTimed));
});

test('wgsl: the source of each kernel, once', async () => {
	const lines = await printed('wgsl');
	assert.is(lines.length, 1);
	assert.match(lines[0]!, /^wgrad: test\.scale\n[\s\S]*struct Params[\s\S]*y\[i\] = x\[i\] \* p\.factor;/);
});

test('both topics, by an environment variable in Node', async () => {
	if (typeof document !== 'undefined') return;
	const lines = await printed('launches,wgsl', true);
	assert.is(lines.length, 3);
});

test('unknown topics are named', async () => {
	const lines = await printed('launches,shaders');
	assert.match(lines[0]!, /WGRAD_DEBUG takes launches and wgsl, not 'shaders'/);
});

test.run();
