/**
 * Single decisions of the launchers that a measurement may make otherwise: tiles, lanes, splits, sharing. Each has a name and a few
 * options. Launchers pass the option that their own rule chooses; an option that a call does not admit leaves it at that.
 */
import type { Kernels } from '../contract';

/** The options of each decision. */
const OPTIONS = {
	/** Rows and columns of an invocation, and how many invocations share rows; or tiles in workgroup memory. */
	'matmul.tile': ['4x4', '8x4', '4x8', '4x4 shared by 4', '4x8 shared by 4', '4x4 shared by 8', '4x8 shared by 8', 'workgroup'],
	/** Workgroups to split the depth for. */
	'matmul.splits': ['1', '8', '64', '256'],
	/** Of products with at most three rows or columns. */
	'matmul.vectorLanes': ['8', '16', '32', '64'],
	'matmul.vectorSlices': ['1', '4', '8'],
	'conv.tile': ['registers', 'workgroup'],
	'conv.sharing': ['subgroup', 'none'],
	'convWeightGrad.tile': ['single', 'taps', 'outputs', 'row3', 'tiled'],
	'convWeightGrad.splits': ['8', '32', '128', '512'],
	'reduce.lanes': ['1', '64'],
	/** Invocations to cut a reduction for. */
	'reduce.invocations': ['256', '1024', '8192', '65536'],
	'softmax.lanes': ['1', '64', '256'],
	'norm.lanes': ['1', '64', '256'],
	'norm.parameterLanes': ['1', '64'],
	'attention.sharing': ['small', 'subgroup', 'workgroup'],
} as const;

export type Decision = keyof typeof OPTIONS;
export type Decisions = Readonly<Partial<Record<Decision, string>>>;

/** The decisions in a launch of each kernel. */
const DECISIONS: Partial<Record<keyof Kernels, readonly Decision[]>> = {
	matmul: ['matmul.tile', 'matmul.splits', 'matmul.vectorLanes', 'matmul.vectorSlices'],
	conv: ['conv.tile', 'conv.sharing'],
	convInputGrad: ['conv.tile', 'conv.sharing'],
	convWeightGrad: ['convWeightGrad.tile', 'convWeightGrad.splits'],
	reduce: ['reduce.lanes', 'reduce.invocations'],
	variance: ['reduce.lanes', 'reduce.invocations'],
	channelStatistics: ['reduce.lanes', 'reduce.invocations'],
	softmax: ['softmax.lanes'],
	softmaxGrad: ['softmax.lanes'],
	groupNorm: ['norm.lanes'],
	groupNormGrad: ['norm.lanes'],
	normParametersGrad: ['norm.parameterLanes', 'reduce.lanes'],
	attention: ['attention.sharing'],
	attentionGradQuery: ['attention.sharing'],
	attentionGradKeyValue: ['attention.sharing'],
};

interface Deciding {
	readonly decisions?: Decisions | undefined;
}

/** What the decision says, if it is made for this adapter; else `own`. */
export function decided(gpu: Deciding, decision: Decision, own: string): string {
	return gpu.decisions?.[decision] ?? own;
}

/** As `decided`, for numbers. */
export function decidedNumber(gpu: Deciding, decision: Decision, own: number): number {
	const chosen = gpu.decisions?.[decision];
	return chosen === undefined ? own : Number(chosen);
}

/** Every single decision about calls of a kernel. */
export function decisionsAbout(kernel: keyof Kernels): Decisions[] {
	return (DECISIONS[kernel] ?? []).flatMap((decision) => OPTIONS[decision].map((option) => ({ [decision]: option })));
}

/** The text that stands for decisions in tables of tuning. */
export function textOf(decisions: Decisions): string {
	return Object.entries(decisions)
		.map(([decision, option]) => `${decision}=${option}`)
		.join(', ');
}

/** The decisions that a text stands for; null for any other text. */
export function decisionsIn(text: string): Decisions | null {
	const entries = text.split(', ').map((part) => part.split('='));
	const isValid = ([decision, option]: string[]) =>
		Object.hasOwn(OPTIONS, decision!) && (OPTIONS[decision as Decision] as readonly string[]).includes(option!);
	return entries.every(isValid) ? (Object.fromEntries(entries) as Decisions) : null;
}
