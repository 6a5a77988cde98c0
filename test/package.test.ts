/** The published package: the tarball that `npm pack` makes of a fresh clone, as users' programs import it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CREATION, MEMBERS, NO_METHOD, OPERATIONS } from './completeness/names';
import { type Installed, installPacked } from './package/install';
import { anyTypes, type Check, checker, completions } from './package/types';

const root = process.cwd();
const ENTRIES = [
	'wgrad',
	'wgrad/core',
	'wgrad/nn',
	'wgrad/optim',
	'wgrad/metrics',
	'wgrad/data',
	'wgrad/train',
	'wgrad/formats',
	'wgrad/models',
	'wgrad/interpret',
];

let installed: Installed;
test.before(async () => {
	installed = await installPacked(root);
});
test.after(() => {
	if (installed !== undefined) rmSync(installed.folder, { recursive: true, force: true });
});

/** Writes a program and runs it with Node. */
function run(name: string, code: string): string {
	writeFileSync(join(installed.folder, name), code);
	return execFileSync(process.execPath, [name], { cwd: installed.folder, encoding: 'utf8', timeout: 180_000 }).trim();
}

test('the tarball holds code, types, license and README, and nothing else', () => {
	const others = installed.files.filter(
		(file) => !/^dist\/(browser|node)\/[\w-]+\.js(\.map)?$|^dist\/cli\/wgrad\.mjs$|^dist\/types\/.*\.d\.ts$/.test(file),
	);
	assert.equal(others, ['LICENSE', 'README.md', 'package.json']);
	for (const entry of ENTRIES) {
		const name = entry.split('/')[1] ?? 'index';
		for (const platform of ['browser', 'node']) assert.ok(installed.files.includes(`dist/${platform}/${name}.js`));
	}
	assert.ok(installed.files.includes('dist/types/src/main.d.ts'));
});

test('the program wgrad is installed', () => {
	const folder = join(installed.folder, 'node_modules/wgrad');
	const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { bin: Record<string, string> };
	const program = join(folder, bin.wgrad!);
	const { status, stdout } = spawnSync(process.execPath, [program, '--help'], { cwd: installed.folder, encoding: 'utf8' });
	assert.is(status, 0);
	assert.match(stdout, /^wgrad doctor \[options\]/);
});

const PROGRAM = `
const info = await init({ device: 'cpu' });
const weights = tensor([1, 2, 3], { requiresGrad: true });
const loss = weights.mul(weights).sum();
loss.backward();
console.log(info.device, await loss.item(), await weights.grad.data());
`;
const PRINTED = 'cpu 14 Float32Array(3) [ 2, 4, 6 ]';

test('a Node program imports the package, runs and exits by itself', () => {
	assert.is(run('program.mjs', `import { init, tensor } from 'wgrad';\n${PROGRAM}`), PRINTED);
	assert.is(
		run('read.mjs', `import { readText } from 'wgrad/data';\nconsole.log(await readText('package.json'));`),
		'{ "type": "module" }',
	);
});

test('classes and functions of the package keep their names, which errors and reports show', () => {
	const program = `
const wrong = [];
function compare(names, path) {
	for (const [name, value] of Object.entries(names)) {
		if (typeof value === 'function' && value.name !== name) wrong.push(path + name + ' is named ' + value.name);
		if (value?.[Symbol.toStringTag] === 'Module' || value?.constructor === Object) compare(value, path + name + '.');
	}
}
for (const entry of ${JSON.stringify(ENTRIES)}) compare(await import(entry), entry + ':');
console.log(wrong.join());
`;
	// A bundle holds two functions of this name, which shows nowhere.
	assert.is(run('names.mjs', program), 'wgrad/data:readImageFolder is named readImageFolder2');
});

test('a CommonJS program imports the package, and requires it where Node can', () => {
	const inCommonJs = (load: string) => `(async () => {\nconst { init, tensor } = ${load};\n${PROGRAM}})();\n`;
	assert.is(run('imports.cjs', inCommonJs(`await import('wgrad')`)), PRINTED);
	const canRequire = (process.features as { require_module?: boolean }).require_module === true;
	if (canRequire) assert.is(run('requires.cjs', inCommonJs(`require('wgrad')`)), PRINTED);
});

/** Runs a program and returns its stderr. */
function complaints(code: string): string {
	writeFileSync(join(installed.folder, 'complains.mjs'), code);
	return spawnSync(process.execPath, ['complains.mjs'], {
		cwd: installed.folder,
		encoding: 'utf8',
		timeout: 180_000,
	}).stderr.trim();
}

test('a tensor made before init() warns once that it is on the CPU', () => {
	const make = `tensor([1]); ones([2]); new nn.Linear(1, 1);`;
	const before = complaints(`import { nn, ones, tensor } from 'wgrad'; ${make}`);
	assert.match(
		before,
		/^wgrad: a tensor was created before init\(\) and is on the CPU, which is slow\. Call await init\(\) first;[^\n]*$/,
	);
	assert.is(complaints(`import { init, nn, ones, tensor } from 'wgrad'; await init({ device: 'cpu' }); ${make}`), '');
	assert.is(complaints(`import { ones } from 'wgrad'; ones([1], { device: 'cpu' });`), '');
});

test('init() without an adapter warns users in one sentence and developers in another', () => {
	const text = complaints(`
		const gpu = { requestAdapter: async () => null };
		Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
		const { init } = await import('wgrad');
		await init();`);
	const [users, developers, ...more] = text.split('\n');
	assert.is(users, 'wgrad: computing on the CPU, which is slow, because WebGPU is not available.');
	assert.match(developers!, /^For developers: init: WebGPU found no adapter: .*\.$/);
	assert.equal(more, []);
});

/** Correct and wrong calls of all entries, for every program of the matrix below. */
const TYPED = `
import { init, nn, optim, type Tensor, tensor } from 'wgrad';
import { type CsvTable, DataLoader, filesFromDrop, parseCsv, readCsv, TensorDataset } from 'wgrad/data';
import { loadOnnx, loadPyTorch, type OnnxModule } from 'wgrad/formats';
import { fromPretrained, GPT2LMHeadModel, type Pretrained } from 'wgrad/models';
import { Accuracy } from 'wgrad/metrics';
import { fit, type History, saveCheckpoint } from 'wgrad/train';

export async function main(): Promise<Tensor> {
	await init({ device: 'webgpu', powerPreference: 'low-power' });
	const x: Tensor = tensor([[1, 2], [3, 4]], { requiresGrad: true });
	const model: nn.Module = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU());
	const table: CsvTable = await readCsv('houses.csv', { header: true });
	const loader = new DataLoader(new TensorDataset(x, x), { batchSize: 1 });
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.1 });
	const history: History = await fit(model, loader, { loss: (y, t) => y.sub(t).sum(), optimizer, metrics: { accuracy: new Accuracy() } });
	const { epoch, state } = await loadPyTorch<{ epoch: number; state: nn.StateDict }>('model.pt');
	model.loadStateDict(epoch > 3 ? state : await loadPyTorch('model.pt'));
	const onnx: OnnxModule = await loadOnnx('model.onnx', { device: 'cpu' });
	const { y }: Record<string, Tensor> = onnx.forward({ x });
	console.log(y?.shape, onnx.forward(x).shape, (await onnx.run(x)).shape, onnx.inputs[0]?.shape);
	const pretrained: Pretrained<GPT2LMHeadModel> = await fromPretrained('gpt2', { device: 'cpu' });
	for await (const token of pretrained.model.generate([1], { topK: 3 })) console.log(token.toFixed(), GPT2LMHeadModel);
	// @ts-expect-error shapes are lists
	tensor([1], { shape: 'one' });
	// @ts-expect-error numbers are no sources
	readCsv(12);
	// @ts-expect-error a table is no tensor
	const wrong: Tensor = await readCsv('houses.csv');
	// @ts-expect-error a layer takes numbers
	new nn.Linear('2', 2);
	// @ts-expect-error an adapter is an object
	await init({ adapter: 1 });
	console.log(table, history, wrong, parseCsv, filesFromDrop, saveCheckpoint);
	return x;
}
declare const console: { log(...values: unknown[]): void };
`;

interface Environment {
	readonly lib: readonly string[];
	readonly types: readonly string[];
}

const BARE: Environment = { lib: ['es2022'], types: [] };
const DOM: Environment = { lib: ['es2022', 'dom'], types: [] };
const NODE: Environment = { lib: ['es2022'], types: ['node'] };
const WEBGPU: Environment = { lib: ['es2022', 'dom'], types: ['node', '@webgpu/types'] };
/** From TypeScript 6 on, the DOM library declares WebGPU. */
const ALL: Environment = { lib: ['es2022', 'dom'], types: ['node'] };
/** Module resolutions and environments. Each pair is tested with one TypeScript version. */
const MATRIX: Readonly<Record<string, Readonly<Record<string, Environment>>>> = {
	'5.4': { node16: BARE, nodenext: DOM, bundler: NODE, preserve: WEBGPU },
	'5.9': { node16: WEBGPU, nodenext: BARE, bundler: DOM, preserve: NODE },
	6: { node16: NODE, nodenext: ALL, bundler: BARE, preserve: DOM },
	7: { node16: DOM, nodenext: NODE, bundler: ALL, preserve: BARE },
};

/** Options for a pair of the matrix, with all declarations checked. */
function settings(module: string, { lib, types }: Environment): object {
	const moduleResolution = module === 'bundler' || module === 'preserve' ? 'bundler' : module;
	return {
		...{ module: module === 'bundler' ? 'esnext' : module, moduleResolution, lib, types },
		// TypeScript's own libraries are skipped, because checking them takes most of the time.
		...{ target: 'es2022', strict: true, noEmit: true, skipLibCheck: false, skipDefaultLibCheck: true },
	};
}

const checkers = new Map<string, Check>();
function check(version: string, code: string, options: object): string {
	const check = checkers.get(version) ?? checker(root, version, installed.folder);
	checkers.set(version, check);
	return check(code, options);
}

for (const [version, pairs] of Object.entries(MATRIX)) {
	test(`programs type-check with TypeScript ${version}, with any modules and libraries`, () => {
		for (const [module, environment] of Object.entries(pairs)) {
			// A program with the DOM or Node already declares the console.
			const own = environment === BARE ? TYPED : TYPED.replace(/^declare const console.*$/m, '');
			assert.is(check(version, own, settings(module, environment)), '', `${module}, ${JSON.stringify(environment)}`);
		}
	});
}

test('the browser condition hides the names for Node', () => {
	const code = `
		// @ts-expect-error
		import { FileStore, ProgressBar, writeReport } from 'wgrad/train';
		// @ts-expect-error
		import { writePng } from 'wgrad/data';
		import { BrowserStore } from 'wgrad/train';
		export { BrowserStore, FileStore, ProgressBar, writePng, writeReport };`;
	const options = settings('bundler', DOM);
	assert.match(check('5.9', code, options), /Unused '@ts-expect-error'/);
	assert.is(check('5.9', code, { ...options, customConditions: ['browser'] }), '');
});

test('tensors of wgrad/core have no methods', () => {
	const code = `
		import { mul, tensor } from 'wgrad/core';
		import { Linear } from 'wgrad/nn';
		export const y = mul(new Linear(1, 1).forward(tensor([1])), 2).data();
		// @ts-expect-error
		export const z = tensor([1]).mul(2);`;
	assert.is(check('5.9', code, settings('bundler', DOM)), '');
});

test('no public type is any', () => {
	assert.equal(anyTypes(installed.folder, ENTRIES), []);
});

test('editors show what methods do, and no internals', () => {
	const members = completions(installed.folder, `import { tensor } from 'wgrad';\ntensor([1]).`);
	const methods = [...OPERATIONS, ...MEMBERS].filter((name) => !Object.hasOwn(NO_METHOD, name));
	assert.equal(
		methods.filter((name) => !members.get(name)),
		[],
		'members without documentation',
	);
	const others = [...members.keys()].filter((name) => !methods.includes(name) && !CREATION.includes(name));
	assert.equal(others, [], 'members that are not public');
});

function bundle(code: string): { bytes: number; zipped: number; inputs: string[] } {
	const { outputFiles, metafile } = esbuild.buildSync({
		stdin: { contents: code, resolveDir: installed.folder },
		absWorkingDir: installed.folder,
		bundle: true,
		format: 'esm',
		platform: 'browser',
		minify: true,
		write: false,
		metafile: true,
		logLevel: 'silent',
		tsconfigRaw: {},
	});
	const { contents } = outputFiles[0]!;
	return { bytes: contents.length, zipped: gzipSync(contents).length / 1000, inputs: Object.keys(metafile.inputs) };
}

test('a bundler for browsers uses the browser build of every entry, and nothing for Node', () => {
	const whole = bundle(ENTRIES.map((entry, i) => `import * as part${i} from '${entry}'; console.log(part${i});`).join('\n'));
	const others = whole.inputs.filter((name) => !name.startsWith('node_modules/wgrad/dist/browser/') && name !== '<stdin>');
	assert.equal(others, []);
	const core = bundle(`import * as wgrad from 'wgrad'; console.log(wgrad);`);
	const part = bundle(`import { tensor } from 'wgrad'; console.log(tensor([1]));`);
	assert.ok(part.bytes < 0.9 * core.bytes, `${part.bytes} bytes for one function, ${core.bytes} for everything`);

	// In kB, gzipped: a little over today's sizes, so that growth is noticed.
	const layers = `const model = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU()); await init(); model.forward(tensor([[1, 2]]))`;
	const inference = bundle(`import { init, nn, tensor } from 'wgrad'; ${layers};`);
	const training = bundle(
		`import { init, nn, optim, tensor } from 'wgrad'; ${layers}.sum().backward(); new optim.Adam(model.parameters()).step();`,
	);
	// Without the methods of tensors, only what the program calls.
	const small = bundle(
		`import { init, noGrad, tensor } from 'wgrad/core'; import * as nn from 'wgrad/nn'; ${layers.replace('model.forward(tensor([[1, 2]]))', 'noGrad(() => model.forward(tensor([[1, 2]])))')};`,
	);
	const sizes = { core: core.zipped, training: training.zipped, inference: inference.zipped, small: small.zipped };
	for (const [name, most] of Object.entries({ core: 304, training: 255, inference: 230, small: 84 })) {
		assert.ok(sizes[name as keyof typeof sizes] < most, `${JSON.stringify(sizes)} kB, but ${name} may take ${most} kB`);
	}
});

test('the lock file holds no download addresses', () => {
	const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
		packages: Record<string, { resolved?: string; link?: boolean }>;
	};
	// Links lead to folders of this repository.
	const resolved = Object.values(packages).filter(({ resolved, link }) => resolved !== undefined && link !== true);
	assert.equal(resolved, []);
});

test.run();
