/** The kinds of adapters that the launchers of kernels know. On one adapter, all kinds together use all variants of the kernels. */
import { type Decisions, decisionsIn, textOf } from './decisions';
import type { Gpu } from './launch';

export interface Form {
	readonly name: string;
	/** What the launchers are told about the adapter. */
	readonly claims: Partial<Pick<Gpu, 'isSoftware' | 'subgroupSize' | 'decisions'>>;
}

/** The adapter as it is, with some decisions made otherwise. */
export function formWith(decisions: Decisions): Form {
	return { name: textOf(decisions), claims: { decisions } };
}

/** The form of a name in a table of tuning; undefined if there is none. */
export function formNamed(gpu: Gpu, name: string): Form | undefined {
	const decisions = decisionsIn(name);
	return decisions === null ? formsOf(gpu).find((form) => form.name === name) : formWith(decisions);
}

/** The adapter as it is, then the kinds for which launchers choose other variants. */
export function formsOf({ isSoftware, subgroupSize }: Gpu): readonly Form[] {
	const plain: Form = { name: 'as software adapters without subgroups choose', claims: { isSoftware: true, subgroupSize: 0 } };
	return [
		{ name: 'as this adapter chooses', claims: {} },
		isSoftware
			? { name: 'as GPUs choose', claims: { isSoftware: false } }
			: { name: 'as software adapters choose', claims: { isSoftware: true } },
		...(subgroupSize > 0 ? [plain] : []),
	];
}
