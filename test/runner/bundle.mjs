/** Finds the test files and bundles each for the environments that run it. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { forBrowser, forNode, root, withSources } from '../../build.mjs';

/**
 * Where a test file runs, by the suffix of its name:
 * - `.gpu.test.ts`: in Node on every adapter, and in Chromium;
 * - `.node.test.ts`: in Node on every adapter;
 * - `.fastest.test.ts`: in Node on the first and fastest adapter of findEnvironments(), for small trainings, because other tests
 *   check the kernels;
 * - `.browser.test.ts`: in Chromium;
 * - any other `.test.ts`: in Node once, without an adapter.
 *
 * Tests of the examples' programs and pages and of the documentation use the output of `npm run build`. Tests that take minutes
 * start early, so that none of them runs alone at the end.
 *
 * `.gpu.test.ts` files in `parity`, `random` and `golden` are proofs: they test kernels on many inputs. Those of attention are
 * slow if the adapter has no subgroups or hides that it is software, because lavapipe then compiles each kernel for half a
 * minute. Most `.gpu.test.ts` files, and those of `compile`, spend most of their time compiling kernels that compute little. The
 * exceptions train, or compute large grids. Kernels that `compile` composes are tested as users run them, with all optimizations.
 *
 * @param {string} file
 */
export function environmentsOf(file) {
	const onlyChromium = file.endsWith('.browser.test.ts');
	const everywhere = file.endsWith('.gpu.test.ts');
	const onlyFastest = file.endsWith('.fastest.test.ts');
	return {
		adapters: everywhere || onlyFastest || file.endsWith('.node.test.ts'),
		onlyFastest,
		chromium: everywhere || onlyChromium,
		node: !onlyChromium,
		proof: everywhere && /^(parity|random|golden)\//.test(file),
		random: file.startsWith('random/'),
		slowProof: /^((parity|random)\/attention|golden\/gpt2)/.test(file),
		mostlyCompiles:
			(everywhere && !/^(parity\/grids|golden\/training|memory|runtime|examples\/)/.test(file)) ||
			/^compile\/(?!fusion|programs)/.test(file),
		built: /^(docs|terminal)\.|^examples\/(programs|pages|\w+-pages?)\./.test(file),
		takesMinutes: /^(package|exit|parity\/(grids|attentionForms)|examples\/\w+-pages?)\./.test(file),
	};
}

/**
 * Groups files that share a process or page. These groups come first, because they take long.
 *
 * @param {readonly string[]} files
 */
export function inSessions(files) {
	/** @type {Map<string, string[]>} */
	const sessions = new Map();
	for (const file of files) sessions.set(session(file), [...(sessions.get(session(file)) ?? []), file]);
	return [...sessions.values()].sort((a, b) => b.length - a.length);
}

/**
 * The key that files of one process or page share; a file without a key runs alone. The tests of a family's
 * samples and random cases need the same pipelines, and on a software adapter compilation takes most of their time.
 *
 * @param {string} file
 */
function session(file) {
	const [, family] = /^(?:parity|random)\/(\w+)\.gpu\.test\.ts$/.exec(file) ?? [];
	if (family === undefined) return file;
	const fellows = SESSIONS.find((families) => families.includes(family));
	return fellows === undefined ? file : `proofs of ${fellows.join(', ')}`;
}

/**
 * Families with many common pipelines, such as sums and products. All pipelines of a session must fit the cache, which has a cap.
 */
const SESSIONS = [
	['elementwise', 'indexing'],
	['reduce', 'softmax', 'norm', 'loss', 'sample'],
	['matmul', 'conv', 'pool', 'attention', 'rnn', 'embedding', 'layout', 'quantized', 'random'],
];

/** Tests that differ only in their family: each folder's family.ts becomes one test file per family, with this suffix. */
const FAMILY_PROOFS = { parity: '.gpu.test.ts', gradients: '.test.ts' };

/** The code of the test files generated from a folder's family.ts, by their paths under test/. @type {Map<string, string>} */
const generated = new Map();
for (const [folder, end] of Object.entries(FAMILY_PROOFS)) {
	for (const family of SESSIONS.flat()) {
		const imports = `import('./test/${folder}/family'), import('./test/ops/index')`;
		generated.set(
			`${folder}/${family}${end}`,
			`Promise.all([${imports}]).then(([{ prove }, { families }]) => prove(families.${family}))`,
		);
	}
}

/** All test files by their path under test/, sorted: existing and generated ones. */
export async function findTests() {
	const files = await readdir(join(root, 'test'), { recursive: true });
	return [...files.filter((file) => file.endsWith('.test.ts')), ...generated.keys()].sort();
}

/** @param {string} file a path under test/ */
export function bundleName(file) {
	return file.replace(/\.ts$/, '.js');
}

/** Each test file gets an entry that imports it only when it runs, because uvu must find the runner's settings in place. */
const entries = {
	name: 'test-entries',
	/** @param {esbuild.PluginBuild} build */
	setup(build) {
		build.onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice('entry:'.length), namespace: 'entry' }));
		build.onLoad({ filter: /.*/, namespace: 'entry' }, ({ path }) => ({
			contents: `import { runTests } from './test/runner/outcome';\nexport const run = () => runTests(() => ${generated.get(path) ?? `import('./test/${path}')`});\n`,
			resolveDir: root,
		}));
		const observed = join(root, 'test/runner/uvu.ts');
		build.onResolve({ filter: /^uvu$/ }, ({ importer }) => (importer === observed ? undefined : { path: observed }));
	},
};

/**
 * @param {'node' | 'browser'} platform
 * @param {readonly string[]} files
 * @param {string} outdir
 * @returns {Promise<{ broken: Map<string, string>, metafile: esbuild.Metafile }>} the files that could not be bundled, with the
 * reason; and the sources of all others
 */
export async function bundleTests(platform, files, outdir) {
	const options = platform === 'node' ? forNode : forBrowser;
	const build = (/** @type {readonly string[]} */ some, /** @type {boolean} */ write) =>
		esbuild.build({
			...options,
			alias: withSources(platform),
			plugins: [...options.plugins, entries],
			entryPoints: some.map((file) => ({ in: `entry:${file}`, out: bundleName(file).replace(/\.js$/, '') })),
			splitting: true,
			outdir,
			write,
			logLevel: 'silent',
			metafile: true,
		});
	/** @type {Map<string, string>} */
	const broken = new Map();
	try {
		const { metafile } = await build(files, true);
		return { broken, metafile };
	} catch {
		for (const file of files) {
			await build([file], false).catch((error) => broken.set(file, error.message));
		}
		const whole = files.filter((file) => !broken.has(file));
		if (whole.length === 0) return { broken, metafile: { inputs: {}, outputs: {} } };
		const { metafile } = await build(whole, true);
		return { broken, metafile };
	}
}
