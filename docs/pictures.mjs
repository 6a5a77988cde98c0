#!/usr/bin/env node
/**
 * `npm run pictures`: draws the pictures of docs/how-it-works.md and docs/speed.md from a real run of the built library, and writes the
 * figures of docs/speed.md between its markers.
 *
 * tape.svg      the tape of a small loss, as the operations recorded it
 * launches.svg  the launches of a training step, by kernel, from `profile`
 * batches.svg   samples per second by batch size, without and with `compile`
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { compile, counters, crossEntropy, init, manualSeed, memory, nn, optim, profile, randint, randn, sync, tidy } from 'wgrad';

const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const escaped = (/** @type {unknown} */ text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A picture that is readable on light and on dark pages. */
function picture(
	/** @type {number} */ width,
	/** @type {number} */ height,
	/** @type {string} */ title,
	/** @type {string[]} */ parts,
) {
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`;
}

const label = (/** @type {number} */ x, /** @type {number} */ y, /** @type {unknown} */ text, more = '') =>
	`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="#222" ${more}>${escaped(text)}</text>`;

/** @typedef {{ isLeaf: boolean, operation?: string, edges?: ({ node: Node } | null)[], outputs?: ({ shape: readonly number[] } | undefined)[] }} Node */

/** Draws what `backward()` walks: a box for each recorded operation, with the shapes of its outputs. */
function drawTape(/** @type {import('wgrad').Tensor} */ loss, /** @type {Map<unknown, string>} */ names) {
	const root = /** @type {Node} */ (/** @type {any} */ (loss).edge.node);
	/** The longest way to each node. @type {Map<Node, number>} */
	const depths = new Map();
	const visit = (/** @type {Node} */ node, /** @type {number} */ depth) => {
		if ((depths.get(node) ?? -1) >= depth) return;
		depths.set(node, depth);
		for (const edge of node.edges ?? []) if (edge !== null) visit(edge.node, depth + 1);
	};
	visit(root, 0);
	const levels = Math.max(...depths.values()) + 1;
	/** @type {Map<Node, [x: number, y: number]>} */
	const places = new Map();
	for (let level = 0; level < levels; level++) {
		const nodes = [...depths].filter(([, depth]) => depth === level).map(([node]) => node);
		for (const [i, node] of nodes.entries()) places.set(node, [30 + i * 190, 30 + (levels - 1 - level) * 74]);
	}
	const parts = [];
	for (const [node, [x, y]] of places) {
		for (const edge of node.edges ?? []) {
			if (edge === null) continue;
			const [fromX, fromY] = places.get(edge.node) ?? [0, 0];
			parts.push(`<path d="M${fromX + 80} ${fromY + 42}L${x + 80} ${y}" stroke="#888" marker-end="url(#arrow)"/>`);
		}
	}
	for (const [node, [x, y]] of places) {
		parts.push(
			`<rect x="${x}" y="${y}" width="160" height="42" rx="6" fill="${node.isLeaf ? '#d3f9d8' : '#dbe4ff'}" stroke="#888"/>`,
		);
		const shape = node.isLeaf ? names.get(node) : `[${node.outputs?.[0]?.shape.join(', ') ?? ''}]`;
		parts.push(label(x + 80, y + 18, node.isLeaf ? 'leaf' : node.operation, 'text-anchor="middle" font-weight="bold"'));
		parts.push(label(x + 80, y + 35, shape, 'text-anchor="middle"'));
	}
	const width = Math.max(...[...places.values()].map(([x]) => x)) + 190;
	const arrow =
		'<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" fill="#888"/></marker></defs>';
	return picture(width, 40 + levels * 74, 'The tape of a small loss', [arrow, ...parts]);
}

/** A network with a step: an MLP, small enough that the host's work shows. */
function makeStep() {
	manualSeed(0);
	const model = new nn.Sequential(new nn.Linear(64, 128), new nn.ReLU(), new nn.Linear(128, 10));
	const optimizer = new optim.Adam(model.parameters());
	return (/** @type {import('wgrad').Tensor} */ x, /** @type {import('wgrad').Tensor} */ y) => {
		optimizer.zeroGrad();
		const loss = crossEntropy(model.forward(x), y);
		loss.backward();
		optimizer.step();
		return loss.detach();
	};
}

function drawLaunches(/** @type {Awaited<ReturnType<typeof profile>>} */ report) {
	const rows = report.rows;
	const longest = Math.max(...rows.map(({ ms }) => ms));
	const parts = rows.flatMap(({ operation, kernel, launches, ms }, i) => {
		const y = 16 + i * 26;
		return [
			`<rect x="330" y="${y}" width="${((250 * ms) / longest).toFixed(1)}" height="18" fill="#748ffc"/>`,
			label(10, y + 14, `${operation}: ${kernel.split('{')[0]}`),
			label(600, y + 14, `${launches} x, ${ms.toFixed(3)} ms`),
		];
	});
	return picture(750, 30 + rows.length * 26, 'The launches of a training step', parts);
}

/** The least milliseconds that each step takes, in groups of 20 that take turns, with the device idle before and after each. */
async function measure(/** @type {(() => void)[]} */ steps, groups = 9, each = 20) {
	const least = steps.map(() => Number.POSITIVE_INFINITY);
	for (let group = -1; group < groups; group++) {
		for (const [i, step] of steps.entries()) {
			const start = performance.now();
			for (let n = 0; n < each; n++) step();
			await sync();
			// The first group compiles and records.
			if (group >= 0) least[i] = Math.min(/** @type {number} */ (least[i]), (performance.now() - start) / each);
		}
	}
	return least;
}

const BATCHES = [1, 8, 64, 512, 2048];

function drawBatches(/** @type {{ plain: number, compiled: number }[]} */ rows) {
	const rates = rows.map(({ plain, compiled }, i) => [
		(1000 * /** @type {number} */ (BATCHES[i])) / plain,
		(1000 * /** @type {number} */ (BATCHES[i])) / compiled,
	]);
	const highest = Math.max(...rates.flat());
	const lowest = Math.min(...rates.flat());
	const x = (/** @type {number} */ i) => 80 + (i * 540) / (BATCHES.length - 1);
	const y = (/** @type {number} */ rate) => 280 - (240 * Math.log(rate / lowest)) / Math.log(highest / lowest);
	const line = (/** @type {number} */ which, /** @type {string} */ colour) =>
		`<polyline points="${rates.map((pair, i) => `${x(i).toFixed(1)},${y(/** @type {number} */ (pair[which])).toFixed(1)}`).join(' ')}" fill="none" stroke="${colour}" stroke-width="2.5"/>`;
	const parts = [
		'<path d="M60 20V290H640" fill="none" stroke="#888"/>',
		line(0, '#4263eb'),
		line(1, '#2b8a3e'),
		...BATCHES.map((batch, i) => label(x(i), 308, batch, 'text-anchor="middle"')),
		label(350, 328, 'samples in a batch', 'text-anchor="middle"'),
		label(70, 28, `samples per second, up to ${Math.round(highest).toLocaleString('en')} (logarithmic)`),
		label(460, 220, 'with compile', 'fill="#2b8a3e"').replace('fill="#222" ', ''),
		label(460, 240, 'without', 'fill="#4263eb"').replace('fill="#222" ', ''),
	];
	return picture(680, 340, 'Samples per second by batch size', parts);
}

/** Replaces what stands between the markers of a page. */
async function fill(/** @type {string} */ page, /** @type {string} */ name, /** @type {string} */ text) {
	const old = await readFile(here(page), 'utf8');
	const found = new RegExp(`(<!-- ${name} -->\n).*?(<!-- /${name} -->)`, 's');
	if (!found.test(old)) throw new Error(`${page} has no place for ${name}`);
	await writeFile(
		here(page),
		old.replace(found, (_, before, after) => `${before}${text}${after}`),
	);
}

const { adapter } = await init({ device: 'webgpu' });

const w = randn([3, 2], { requiresGrad: true });
const b = randn([2], { requiresGrad: true });
const loss = randn([4, 3]).matmul(w).add(b).tanh().square().mean();
const leaf = (/** @type {import('wgrad').Tensor} */ tensor) => /** @type {any} */ (tensor).edge.node;
await writeFile(
	here('tape.svg'),
	drawTape(
		loss,
		new Map([
			[leaf(w), 'w [3, 2]'],
			[leaf(b), 'b [2]'],
		]),
	),
);

const [x, y] = [randn([64, 64]), randint(0, 10, [64])];
const step = makeStep();
for (let i = 0; i < 5; i++) tidy(() => step(x, y));
await sync();
const before = counters().launches;
tidy(() => step(x, y));
const launches = counters().launches - before;
const reports = [];
for (let i = 0; i < 15; i++) reports.push(await profile(() => tidy(() => step(x, y))));
// The run that other programs disturbed least.
const [calm] = reports.sort((a, b) => a.gpuMs - b.gpuMs);
if (calm !== undefined) await writeFile(here('launches.svg'), drawLaunches(calm));

const rows = [];
for (const batch of BATCHES) {
	const [x, y] = [randn([batch, 64]), randint(0, 10, [batch])];
	const plain = makeStep();
	const compiled = compile(makeStep());
	const [ms = 0, compiledMs = 0] = await measure([() => tidy(() => plain(x, y)).dispose(), () => compiled(x, y).dispose()]);
	rows.push({ plain: ms, compiled: compiledMs });
}
await writeFile(here('batches.svg'), drawBatches(rows));

/** The peak of the memory in use over 20 steps. */
function peak(/** @type {(x: import('wgrad').Tensor, y: import('wgrad').Tensor) => unknown} */ run) {
	const [x, y] = [randn([512, 64]), randint(0, 10, [512])];
	let most = 0;
	for (let i = 0; i < 20; i++) {
		run(x, y);
		most = Math.max(most, memory().gpu?.live ?? 0);
	}
	return (most / 1e6).toFixed(1);
}
const forTidy = makeStep();
const withTidy = peak((x, y) => tidy(() => forTidy(x, y)).dispose());
const bare = makeStep();
const without = peak((x, y) => void bare(x, y));

const table = rows
	.map(({ plain, compiled }, i) => {
		const batch = /** @type {number} */ (BATCHES[i]);
		return `| ${batch} | ${plain.toFixed(2)} | ${compiled.toFixed(2)} | ${(plain / compiled).toFixed(1)} | ${Math.round((1000 * batch) / compiled).toLocaleString('en')} |\n`;
	})
	.join('');
await fill(
	'speed.md',
	'figures',
	`| batch | ms per step | with \`compile\` | times as fast | samples per second, compiled |\n| ---: | ---: | ---: | ---: | ---: |\n${table}\nA step has ${launches} launches. Memory in use over 20 steps of batch 512: at most ${withTidy} MB with \`tidy\`, ${without} MB without.\nMeasured on ${adapter?.description.split(/[:(]/)[0]?.trim()}, ${cpus().length} CPU cores, the least of nine groups of 20 steps, by \`npm run pictures\`.\n`,
);
