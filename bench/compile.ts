/**
 * Steps as usual, under `compile`, and with their launches fused: the launches, the JavaScript of a step on a device that does nothing, the time
 * on the adapter, and the memory of temporaries. The three alternate, so that other load on the machine disturbs all alike.
 */
import { type Compiled, type CompileReport, compile, counters, init, randn, shutdown, sync, type Tensor, tidy } from 'wgrad';
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

/** The three ways to run a program. */
const FORMS = ['usual', 'compiled', 'fused'] as const;
type Form = (typeof FORMS)[number];
type Times = Readonly<Record<Form, Measurement>>;
type Calls = Readonly<Record<Form, () => void>>;

/** Milliseconds of a call in each form. */
async function measureForms(calls: Calls, rounds: number, repeats: number): Promise<Times> {
	const times: Record<Form, number[]> = { usual: [], compiled: [], fused: [] };
	for (let round = -2; round < rounds; round++) {
		for (const form of FORMS) {
			const start = performance.now();
			for (let i = 0; i < repeats; i++) calls[form]();
			await sync();
			if (round >= 0) times[form].push((performance.now() - start) / repeats);
		}
	}
	return { usual: summarize(times.usual), compiled: summarize(times.compiled), fused: summarize(times.fused) };
}

interface Row {
	readonly name: string;
	readonly launches: Readonly<Record<Form, number>>;
	/** Bytes of temporaries. */
	readonly temporaries: Readonly<Record<Form, number>>;
	host?: Times;
	device?: Times;
}

async function ready(compiled: Compiled<[], unknown>, name: string): Promise<CompileReport['plans'][number]> {
	for (let i = 0; i < 3; i++) (compiled() as Tensor | undefined)?.dispose();
	do await sync();
	while (compiled.report().plans.some(({ isCompiling }) => isCompiling));
	const { reason, plans } = compiled.report();
	if (reason !== null || plans[0] === undefined) throw new Error(`${name}: ${reason}`);
	return plans[0];
}

function launchesOf(run: () => void): number {
	const before = counters().launches;
	run();
	return counters().launches - before;
}

async function measureOn(rows: Map<string, Row>, kind: 'host' | 'device', rounds: number): Promise<void> {
	for (const { name, prepare } of programs()) {
		const call = prepare();
		const single = compile(call);
		const fused = compile(call, { fuse: true });
		const [one, other] = [await ready(single, name), await ready(fused, name)];
		const replay = (compiled: Compiled<[], unknown>) => () => (compiled() as Tensor | undefined)?.dispose();
		const calls: Calls = { usual: () => void tidy(call), compiled: replay(single), fused: replay(fused) };
		const row = rows.get(name) ?? {
			name,
			launches: { usual: launchesOf(calls.usual), compiled: launchesOf(calls.compiled), fused: launchesOf(calls.fused) },
			temporaries: { usual: one.eagerBytes, compiled: one.temporaryBytes, fused: other.temporaryBytes },
		};
		row[kind] = await measureForms(calls, rounds, kind === 'host' ? 10 : 1);
		rows.set(name, row);
		single.dispose();
		fused.dispose();
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

/** One line for each program: as usual, compiled, and compiled and fused. */
export function compileLines(rows: readonly Row[]): string[] {
	const three = (textOf: (form: Form) => string) => FORMS.map(textOf).join(' -> ');
	return rows.map(({ name, launches, temporaries, host, device }) => {
		const perLaunch = host && `${((host.compiled.median * 1000) / launches.compiled).toFixed(2)} us a compiled launch`;
		return [
			`${name}: ${three((form) => `${launches[form]}`)} launches`,
			...(host ? [`JavaScript ${three((form) => (host[form].median * 1000).toFixed(1))} us, ${perLaunch}`] : []),
			...(device ? [`${three((form) => device[form].median.toFixed(1))} ms`] : []),
			`${three((form) => (temporaries[form] / 2 ** 20).toFixed(2))} MiB of temporaries`,
		].join('; ');
	});
}
