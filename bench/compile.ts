/**
 * Steps as usual and under `compile`: the JavaScript of a step on a device that does nothing, the time on the adapter, and the memory of
 * temporaries. The two alternate, so that other load on the machine disturbs both alike.
 */
import { type Compiled, compile, counters, init, randn, shutdown, sync, type Tensor, tidy } from 'wgrad';
import { ensureAdapter } from '../adapters/driver.mjs';
import { type Case, cases } from './cases';
import { type Measurement, summarize } from './measure';
import { stubAdapter } from './stubAdapter';

const STEPS = ['MLP', 'two-convolution CNN', 'GPT 2x128', 'LSTM'];
const OPERATIONS = 1000;

interface Program {
	readonly name: string;
	prepare(): () => unknown;
}

/** A chain of tiny operations, each of which needs the one before. */
const CHAIN: Program = {
	name: `${OPERATIONS} dependent tiny operations`,
	prepare() {
		const x = randn([16]);
		return () => {
			let y: Tensor = x;
			for (let i = 0; i < OPERATIONS; i++) y = y.add(1);
			return y;
		};
	},
};

function programs(): Program[] {
	const isStep = ({ name }: Case) => STEPS.some((step) => name.startsWith(`training step, ${step}`));
	const chosen = cases.filter(isStep).map(({ name, prepare }) => ({ name, prepare: () => prepare('webgpu') }));
	return [...chosen, CHAIN];
}

interface Pair {
	readonly usual: Measurement;
	readonly compiled: Measurement;
}

/** Milliseconds of a call, as usual and compiled. */
async function measurePair(call: () => unknown, compiled: Compiled<[], unknown>, rounds: number, repeats: number): Promise<Pair> {
	const usual = () => void tidy(call);
	const replay = () => {
		const result = compiled() as Tensor | undefined;
		result?.dispose();
	};
	const times: Record<'usual' | 'compiled', number[]> = { usual: [], compiled: [] };
	for (let round = -2; round < rounds; round++) {
		for (const [name, run] of [
			['usual', usual],
			['compiled', replay],
		] as const) {
			const start = performance.now();
			for (let i = 0; i < repeats; i++) run();
			await sync();
			if (round >= 0) times[name].push((performance.now() - start) / repeats);
		}
	}
	return { usual: summarize(times.usual), compiled: summarize(times.compiled) };
}

interface Row {
	readonly name: string;
	launches: number;
	host?: Pair;
	device?: Pair;
	temporaryBytes: number;
	eagerBytes: number;
}

async function measureOn(rows: Map<string, Row>, kind: 'host' | 'device', rounds: number): Promise<void> {
	for (const { name, prepare } of programs()) {
		const call = prepare();
		const compiled = compile(call);
		for (let i = 0; i < 3; i++) (compiled() as Tensor | undefined)?.dispose();
		await sync();
		const { reason, plans } = compiled.report();
		if (reason !== null || plans[0] === undefined) throw new Error(`${name}: ${reason}`);
		const before = counters().launches;
		(compiled() as Tensor | undefined)?.dispose();
		const row = rows.get(name) ?? { name, launches: 0, temporaryBytes: plans[0].temporaryBytes, eagerBytes: plans[0].eagerBytes };
		row.launches = counters().launches - before;
		row[kind] = await measurePair(call, compiled, rounds, kind === 'host' ? 10 : 1);
		rows.set(name, row);
		compiled.dispose();
	}
}

export async function measureCompile(rounds: number, onlyHost: boolean): Promise<Row[]> {
	const rows = new Map<string, Row>();
	await init({ device: 'webgpu', adapter: stubAdapter as never });
	await measureOn(rows, 'host', 5 * rounds);
	await shutdown();
	if (!onlyHost) {
		await ensureAdapter();
		await init({ device: 'webgpu' });
		await measureOn(rows, 'device', rounds);
	}
	return [...rows.values()];
}

/** One line for each program. */
export function compileLines(rows: readonly Row[]): string[] {
	const both = ({ usual, compiled }: Pair, scale: number, unit: string) =>
		`${(usual.median * scale).toFixed(1)} -> ${(compiled.median * scale).toFixed(1)} ${unit}`;
	return rows.map(({ name, launches, host, device, temporaryBytes, eagerBytes }) => {
		const perLaunch = host === undefined ? '' : `, ${((host.compiled.median * 1000) / launches).toFixed(2)} us a launch`;
		const memory = `${(eagerBytes / 2 ** 20).toFixed(2)} -> ${(temporaryBytes / 2 ** 20).toFixed(2)} MiB of temporaries`;
		return [
			`${name}: ${launches} launches`,
			...(host === undefined ? [] : [`JavaScript ${both(host, 1000, 'us')}${perLaunch}`]),
			...(device === undefined ? [] : [both(device, 1, 'ms')]),
			memory,
		].join('; ');
	});
}
