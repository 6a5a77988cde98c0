/**
 * Hyper-parameter search and cross-validation over the ranks of a job. Each rank works on trials of its own, and the ranks meet in a folder: a
 * trial is taken by creating its claim, which the file system grants to one, and done when its result is there. So no rank waits for another,
 * a killed search goes on where it was, and more ranks may come.
 */
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireCounts, requireFunction, requireInteger, requireOneOf, requireString, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { forEachWord } from '../core/philox';
import { allGatherObject, barrier } from './collectives';
import { communicatorOf } from './group';
import { alone } from './order';
import { ofRoot } from './sharedStore';

/** The values of one hyper-parameter: a list, or a range to draw from. */
export type Choice =
	| readonly (number | string | boolean)[]
	| { readonly uniform: readonly [number, number] }
	| { readonly logUniform: readonly [number, number] }
	| { readonly integer: readonly [number, number] };

export type Config = Readonly<Record<string, number | string | boolean>>;

/** One run of the objective. */
export interface Trial {
	/** The number of the configuration. */
	readonly id: number;
	readonly config: Config;
	/** How long to train, in units of the caller's such as epochs. */
	readonly budget: number;
	/** The budget of this configuration's last run, from whose checkpoint the objective may go on; 0 for the first. */
	readonly previousBudget: number;
}

export interface TrialResult extends Trial {
	readonly score: number;
	readonly rank: number;
	readonly seconds: number;
}

export interface SearchOptions {
	readonly space: Readonly<Record<string, Choice>>;
	/** 'grid' tries all combinations of lists; 'random' and 'asha' draw. Default 'random'. */
	readonly strategy?: 'grid' | 'random' | 'asha';
	/** The number of configurations of 'random' and 'asha'. Default 16. */
	readonly trials?: number;
	/** Where claims and results are, on a file system that all ranks see. */
	readonly folder: string;
	/** Whether small or large scores are good. Default 'min'. */
	readonly mode?: 'min' | 'max';
	/** Default 0. */
	readonly seed?: number;
	/** The budget of each trial, and of the last rung of 'asha'. Default 1. */
	readonly maxBudget?: number;
	/** The budget of the first rung of 'asha'. Default 1. */
	readonly minBudget?: number;
	/** 'asha' promotes one of so many configurations, to a budget so many times as large. Default 3. */
	readonly reductionFactor?: number;
}

/**
 * Runs `objective`, which resolves to a score, for the configurations of a search, and resolves to the table of results on every rank: the largest
 * budgets first, and the best scores first among them. Collective. A search that was killed resumes: call it again with the same options and folder.
 *
 * 'asha' is asynchronous successive halving (Li et al. 2020): a configuration in the best 1 / reductionFactor of its rung goes to the next, as
 * soon as a rank is free.
 */
export async function search(
	objective: (trial: Trial) => Promise<number> | number,
	options: SearchOptions,
): Promise<TrialResult[]> {
	const settings = checked(objective, options);
	const { folder, mode } = settings;
	const communicator = communicatorOf('search');
	const { rank } = communicator;
	const configs = configurations(settings);
	const rungs = budgets(settings);
	await alone(() => ofRoot(communicator, () => prepare(folder, JSON.stringify({ ...settings, folder: undefined }))));
	for (;;) {
		const results = await readResults(folder);
		const trial = await claimNext(folder, configs, rungs, results, settings);
		if (trial === null) break;
		const start = performance.now();
		const score = await objective(trial);
		if (typeof score !== 'number') throw wrongArgument('search', 'the score of the objective', 'a number', score);
		const seconds = (performance.now() - start) / 1000;
		// JSON has no NaN and infinity; both are the worst.
		const result = { ...trial, score: Number.isFinite(score) ? score : null, rank, seconds };
		await writeWhole(join(folder, `${nameOf(trial)}.result.json`), JSON.stringify(result));
	}
	await barrier();
	return (await readResults(folder)).sort((a, b) => b.budget - a.budget || order(mode, a.score, b.score) || a.id - b.id);
}

type Settings = Required<SearchOptions>;

function checked(objective: unknown, options: SearchOptions): Settings {
	requireFunction('search', 'objective', objective, 'a function of a trial');
	const names = ['space', 'strategy', 'trials', 'folder', 'mode', 'seed', 'maxBudget', 'minBudget', 'reductionFactor'] as const;
	checkOptions('search', options, names);
	const { space, folder, strategy = 'random', trials = 16, mode = 'min', seed = 0, maxBudget = 1, minBudget = 1 } = options;
	const { reductionFactor = 3 } = options;
	requireString('search', 'folder as a path', folder);
	requireOneOf('search', 'strategy', strategy, ['grid', 'random', 'asha']);
	requireOneOf('search', 'mode', mode, ['min', 'max']);
	requireCounts('search', { trials, maxBudget, minBudget }, 1);
	requireInteger('search', 'reductionFactor', reductionFactor, 2);
	requireInteger('search', 'seed', seed);
	if (minBudget > maxBudget) throw new ArgumentError(`search: minBudget ${minBudget} is above maxBudget ${maxBudget}`);
	for (const [name, choice] of Object.entries(space)) requireChoice(name, choice, strategy);
	return { space, folder, strategy, trials, mode, seed, maxBudget, minBudget, reductionFactor };
}

function requireChoice(name: string, choice: Choice, strategy: string): void {
	if (Array.isArray(choice) && choice.length > 0) return;
	const range = Array.isArray(choice) ? undefined : Object.values(choice as Record<string, unknown>)[0];
	if (strategy === 'grid' || !Array.isArray(range) || range.length !== 2 || !(range[0] <= range[1]))
		throw new ArgumentError(
			`search: '${name}' must be a list of values${strategy === 'grid' ? ' for a grid' : ', or { uniform | logUniform | integer: [least, most] }'}`,
		);
	if ('logUniform' in choice && !(choice.logUniform[0] > 0))
		throw new ArgumentError(`search: logUniform of '${name}' must be above 0`);
}

/** All configurations of a search, the same on every rank. */
function configurations({ space, strategy, trials, seed }: Settings): Config[] {
	const entries = Object.entries(space);
	if (strategy === 'grid')
		return entries.reduce<Config[]>(
			(configs, [name, values]) =>
				configs.flatMap((config) =>
					(values as readonly (number | string | boolean)[]).map((value) => ({ ...config, [name]: value })),
				),
			[{}],
		);
	const generator = new Generator(seed);
	return Array.from({ length: trials }, () => {
		const drawn: number[] = [];
		forEachWord(generator.next(), entries.length, (word) => {
			drawn.push(word * 2 ** -32);
		});
		return Object.fromEntries(entries.map(([name, choice], i) => [name, valueAt(choice, drawn[i]!)]));
	});
}

/** The value of a choice at `u` of [0, 1). */
function valueAt(choice: Choice, u: number): number | string | boolean {
	if ('uniform' in choice) return choice.uniform[0] + u * (choice.uniform[1] - choice.uniform[0]);
	if ('logUniform' in choice) {
		const [least, most] = choice.logUniform;
		return least * (most / least) ** u;
	}
	if ('integer' in choice) return choice.integer[0] + Math.floor(u * (choice.integer[1] - choice.integer[0] + 1));
	return choice[Math.floor(u * choice.length)]!;
}

function budgets({ strategy, minBudget, maxBudget, reductionFactor }: Settings): number[] {
	if (strategy !== 'asha') return [maxBudget];
	const rungs = [];
	for (let budget = minBudget; budget < maxBudget; budget *= reductionFactor) rungs.push(budget);
	return [...rungs, maxBudget];
}

const SETTINGS_FILE = 'search.json';

/** Makes the folder, or forgets the trials that a killed search had claimed in it. */
async function prepare(folder: string, settings: string): Promise<void> {
	await mkdir(folder, { recursive: true });
	const file = join(folder, SETTINGS_FILE);
	const before = await readFile(file, 'utf8').catch(() => null);
	if (before !== null && before !== settings)
		throw new ArgumentError(`search: ${folder} holds a search with other options. Give it the same ones, or another folder`);
	await writeWhole(file, settings);
	for (const name of await readdir(folder)) if (name.endsWith('.claim')) await rm(join(folder, name));
}

/** Writes a file that readers see whole or not at all. */
async function writeWhole(path: string, text: string): Promise<void> {
	const temporary = `${path}.${process.pid}.tmp`;
	await writeFile(temporary, text);
	await rename(temporary, path);
}

function nameOf({ id, budget }: Pick<Trial, 'id' | 'budget'>): string {
	return `trial-${id}-${budget}`;
}

async function readResults(folder: string): Promise<TrialResult[]> {
	const names = (await readdir(folder)).filter((name) => name.endsWith('.result.json')).sort();
	const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
	return texts.map((text) => {
		const result = JSON.parse(text) as TrialResult & { score: number | null };
		return { ...result, score: result.score ?? Number.NaN };
	});
}

/** The next trial that no rank has taken; null if there is none for this rank now. */
async function claimNext(
	folder: string,
	configs: readonly Config[],
	rungs: readonly number[],
	results: readonly TrialResult[],
	{ mode, reductionFactor }: Settings,
): Promise<Trial | null> {
	const candidates: Trial[] = [];
	// Promotions first, from the highest rung.
	for (let rung = rungs.length - 2; rung >= 0; rung--) {
		const done = results
			.filter(({ budget }) => budget === rungs[rung])
			.sort((a, b) => order(mode, a.score, b.score) || a.id - b.id);
		for (const { id, config } of done.slice(0, Math.floor(done.length / reductionFactor)))
			candidates.push({ id, config, budget: rungs[rung + 1]!, previousBudget: rungs[rung]! });
	}
	for (const [id, config] of configs.entries()) candidates.push({ id, config, budget: rungs[0]!, previousBudget: 0 });
	const finished = new Set(results.map(nameOf));
	for (const trial of candidates) {
		if (finished.has(nameOf(trial))) continue;
		const claim = await open(join(folder, `${nameOf(trial)}.claim`), 'wx').catch((error: NodeJS.ErrnoException) => {
			if (error.code === 'EEXIST') return null;
			throw error;
		});
		if (claim === null) continue;
		await claim.close();
		return trial;
	}
	return null;
}

/** The order of two scores, the better first; NaN is the worst. */
function order(mode: 'min' | 'max', a: number, b: number): number {
	if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
	return mode === 'min' ? a - b : b - a;
}

/**
 * Runs `fn` for each fold, the folds divided among the ranks, and resolves to all results in the order of the folds on every rank. `folds` is such
 * as `kFold` of `wgrad/data` gives. Results must survive JSON. Collective.
 */
export async function crossValidate<F, T>(folds: Iterable<F>, fn: (fold: F, index: number) => Promise<T> | T): Promise<T[]> {
	requireFunction('crossValidate', 'fn', fn, 'a function of a fold');
	const { rank, size } = communicatorOf('crossValidate');
	const all = [...folds];
	const own: [index: number, result: T][] = [];
	for (let i = rank; i < all.length; i += size) own.push([i, await fn(all[i]!, i)]);
	const results = (await allGatherObject(own)).flat();
	return results.sort(([a], [b]) => a - b).map(([, result]) => result);
}
