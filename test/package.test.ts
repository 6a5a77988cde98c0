/** What is published: the bundles of `npm run build` and their types, as a user's program finds them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import ts from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = process.cwd();

/** A folder inside the repository, where 'wgrad' means this package by the rules of its own package.json. */
let folder: string;
test.before(() => {
	if (!existsSync('dist/node/index.js')) throw new Error('there is no build to test: npm run build');
	folder = mkdtempSync(join(root, 'dist/consumer-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = `
import { init, type Tensor, tensor } from 'wgrad';
const info = await init({ device: 'cpu' });
const weights: Tensor = tensor([1, 2, 3], { requiresGrad: true });
const loss: Tensor = weights.mul(weights).sum();
loss.backward();
console.log(info.device, await loss.item(), await weights.grad!.data());
`;

test('a Node program imports the package, runs and exits by itself', () => {
	const file = join(folder, 'program.ts');
	writeFileSync(file, PROGRAM);
	const out = join(folder, 'program.mjs');
	esbuild.buildSync({ entryPoints: [file], outfile: out, format: 'esm', target: 'node20', tsconfigRaw: {} });
	const output = execFileSync(process.execPath, [out], { encoding: 'utf8', timeout: 30_000 });
	assert.is(output.trim(), 'cpu 14 Float32Array(3) [ 2, 4, 6 ]');
});

/** Parsed once for both programs below: TypeScript's own declarations, which are most of what they read. */
const standardLibraries = new Map<string, ts.SourceFile | undefined>();

function compilerHost(options: ts.CompilerOptions): ts.CompilerHost {
	const host = ts.createCompilerHost(options);
	const folder = host.getDefaultLibLocation!();
	const read = host.getSourceFile;
	host.getSourceFile = (name, ...rest) => {
		if (!name.startsWith(folder)) return read(name, ...rest);
		if (!standardLibraries.has(name)) standardLibraries.set(name, read(name, ...rest));
		return standardLibraries.get(name);
	};
	return host;
}

for (const resolution of ['NodeNext', 'Bundler'] as const) {
	test(`a program type-checks against the declarations with module resolution ${resolution}`, () => {
		const file = join(folder, `types-${resolution}.ts`);
		writeFileSync(file, `${PROGRAM}\n// @ts-expect-error shapes are no strings\ntensor([1], { shape: 'one' });\n`);
		const options: ts.CompilerOptions = {
			module: resolution === 'NodeNext' ? ts.ModuleKind.NodeNext : ts.ModuleKind.ESNext,
			moduleResolution: ts.ModuleResolutionKind[resolution],
			target: ts.ScriptTarget.ES2022,
			lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
			types: ['@webgpu/types'],
			strict: true,
			noEmit: true,
			// The declarations of wgrad are checked, not TypeScript's own.
			skipDefaultLibCheck: true,
		};
		const program = ts.createProgram([file], options, compilerHost(options));
		const problems = ts.getPreEmitDiagnostics(program);
		assert.is(
			ts.formatDiagnostics(problems, { getCanonicalFileName: String, getCurrentDirectory: () => root, getNewLine: () => '\n' }),
			'',
		);
		const sources = program.getSourceFiles().map((source) => source.fileName);
		assert.ok(
			sources.some((name) => name.endsWith('dist/types/src/index.d.ts')),
			'the declarations were read',
		);
	});
}

function bundle(code: string): { bytes: number; inputs: string[] } {
	const { outputFiles, metafile } = esbuild.buildSync({
		stdin: { contents: code, resolveDir: folder },
		bundle: true,
		format: 'esm',
		platform: 'browser',
		minify: true,
		write: false,
		metafile: true,
		logLevel: 'silent',
		tsconfigRaw: {},
	});
	return { bytes: outputFiles[0]!.contents.length, inputs: Object.keys(metafile.inputs) };
}

test('a bundler for browsers takes the browser build, whole or in part, and nothing of Node', () => {
	const whole = bundle(`export * from 'wgrad';`);
	assert.equal(
		whole.inputs.filter((name) => !name.startsWith('dist/browser/') && name !== '<stdin>'),
		[],
	);
	const part = bundle(`import { tensor } from 'wgrad'; console.log(tensor([1]));`);
	assert.ok(part.bytes < 0.9 * whole.bytes, `${part.bytes} bytes for one function, ${whole.bytes} for everything`);
});

test('the lock file says nothing of where packages come from', () => {
	assert.not.match(readFileSync('package-lock.json', 'utf8'), /"resolved"/);
});

test.run();
