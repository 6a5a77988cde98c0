/**
 * Imports point one way: a layer may import itself and what `below` lists for it, nothing else of the project.
 * Cycles are refused, those of types too.
 */

const core = '^src/core/';
const contract = '^src/backends/contract/';
const backends = '^src/backends/';
const tensor = '^src/(tensor|tensorChecks|tidy)\\.ts$';
const autograd = '^src/autograd/';
const ops = '^src/ops/';
const shaders = '^shaders/';
const built = '^src/(nn|optim|data|train|metrics|io|distributions)/';
const compile = '^src/compile/';
const formats = '^src/formats/';
const models = '^src/models/';
const interpret = '^src/interpret/';
const distributed = '^src/distributed/';
/** What is built for Node alone. */
const nodeOnly = '^src/((data|train|io|formats|models)/)?node(/|\\.ts$)|^src/distributed/';
const project = '^(src|shaders|test|bench|examples|adapters)/|^[^/]+\\.mjs$';

/** @param {string} name @param {string} from @param {string[]} below @param {string} comment */
function layer(name, from, below, comment) {
	return {
		name,
		comment,
		severity: /** @type {const} */ ('error'),
		from: { path: from },
		to: { path: project, pathNot: [from, ...below] },
	};
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
	forbidden: [
		layer('shaders', shaders, [], 'shaders know nothing of the engine'),
		layer('core', core, [], 'core is the bottom'),
		layer('contract', contract, [core], 'the contract speaks of kernels in terms of core'),
		layer('cpu', '^src/backends/cpu/', [contract, core], 'the reference shares no arithmetic with what it judges'),
		layer('meta', '^src/backends/meta/', [contract, core], 'the meta device knows only the contract'),
		layer('webgpu', '^src/backends/webgpu/', [contract, core, shaders], 'the GPU side knows only the contract'),
		{
			name: 'judge',
			comment: 'WebGPU does not compute with the functions that its kernels are tested against',
			severity: 'error',
			from: { path: '^src/backends/webgpu/' },
			to: { path: '^src/backends/contract/(elementwiseFunctions|special)\\.ts$' },
		},
		layer('backends', '^src/backends/[^/]+\\.ts$', [backends, core], 'the registry joins the backends'),
		layer('tensor', tensor, [backends, core, autograd], 'tensors know no operation; of the tape only what tidy() walks'),
		layer('tensor-file', '^src/tensor\\.ts$', [backends, core], 'tensor.ts knows neither tape nor operation'),
		layer('autograd', autograd, [tensor, backends, core], 'the tape knows no operation'),
		layer('ops', ops, [tensor, autograd, backends, core], 'operations stand on tensors and the tape'),
		layer(
			'built',
			built,
			['^src/init\\.ts$', compile, ops, '^src/methods\\.ts$', tensor, autograd, backends, core],
			'what is built on the engine',
		),
		layer(
			'formats',
			formats,
			[built, ops, '^src/methods\\.ts$', tensor, autograd, backends, core],
			'files of other libraries become what is built on the engine',
		),
		layer(
			'models',
			models,
			[built, formats, compile, ops, '^src/methods\\.ts$', tensor, autograd, backends, core],
			'architectures are built of layers',
		),
		layer(
			'interpret',
			interpret,
			[built, ops, '^src/methods\\.ts$', tensor, autograd, backends, core],
			'explanations stand on layers and gradients, and know no architecture',
		),
		layer(
			'distributed',
			distributed,
			['^src/init\\.ts$', built, compile, ops, '^src/methods\\.ts$', tensor, autograd, backends, core],
			'many ranks train what is built on the engine',
		),
		layer(
			'methods',
			'^src/(methods|operations|nameHints)\\.ts$',
			[ops, tensor, autograd, backends, core],
			'methods come from operations',
		),
		layer('init', '^src/init\\.ts$', [tensor, backends, core], 'starting and stopping needs devices and what lives on them'),
		layer('library', '^src/', [shaders], 'the library imports nothing of its tests, benchmarks and examples'),
		layer('compile', compile, [tensor, autograd, backends, core], 'a replay repeats launches, whatever operation made them'),
		{
			name: 'shaders-only-from-webgpu',
			comment: 'only the launchers see shaders',
			severity: 'error',
			from: { path: '^src/', pathNot: '^src/backends/webgpu/' },
			to: { path: shaders },
		},
		{
			name: 'no-cycle',
			comment: 'a cycle of values makes the order of loading matter, and a cycle of types hides what stands on what',
			severity: 'error',
			from: {},
			to: { circular: true },
		},
		{
			name: 'only-runtime-dependencies',
			comment: 'users of the library install only its dependencies',
			severity: 'error',
			from: { path: '^(src|shaders)/' },
			// An optional peer, which only this entry loads, and a devDependency for its tests.
			to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/koffi/' },
		},
		{
			name: 'node-only-in-node',
			comment: "Node's own modules are for what is built for Node alone",
			severity: 'error',
			from: { path: '^(src|shaders)/', pathNot: nodeOnly },
			to: { dependencyTypes: ['core'] },
		},
		{
			name: 'node-files-stay-in-node',
			comment: 'browsers must not load what is built for Node alone',
			severity: 'error',
			from: { path: '^(src|shaders)/', pathNot: nodeOnly },
			to: { path: nodeOnly },
		},
		{
			name: 'light-core',
			comment: 'what decodes, parses and draws must not weigh on the core',
			severity: 'error',
			from: { path: '^(src|shaders)/', pathNot: '^src/(data|train|formats|models|distributed|io/node)/' },
			to: { dependencyTypes: ['npm'], pathNot: 'wgsl-preprocessor|node_modules/webgpu|@webgpu' },
		},
		{
			name: 'resolvable',
			comment: 'an import that leads nowhere',
			severity: 'error',
			from: {},
			to: { couldNotResolve: true },
		},
	],
	options: {
		doNotFollow: { path: 'node_modules' },
		tsPreCompilationDeps: true,
		tsConfig: { fileName: 'tsconfig.json' },
		// wgsl-preprocessor's package.json names no main file.
		enhancedResolveOptions: {
			mainFiles: ['index', 'wgsl-preprocessor'],
			exportsFields: ['exports'],
			conditionNames: ['import', 'default'],
		},
	},
};
