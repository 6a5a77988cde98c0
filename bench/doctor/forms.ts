/** The kinds of adapters that the launchers of kernels know. On one adapter, all kinds together use all variants of the kernels. */
import type { Gpu } from '../../src/backends/webgpu/launch';

export interface Form {
	readonly name: string;
	/** What the launchers are told about the adapter. */
	readonly claims: Partial<Pick<Gpu, 'isSoftware' | 'subgroupSize'>>;
}

/** The adapter as it is, then the kinds for which launchers choose other variants. */
export function formsOf({ isSoftware, subgroupSize }: Gpu): readonly Form[] {
	const software: Form[] = isSoftware ? [] : [{ name: 'as software adapters choose', claims: { isSoftware: true } }];
	const plain: Form = { name: 'as software adapters without subgroups choose', claims: { isSoftware: true, subgroupSize: 0 } };
	return [
		{ name: 'as this adapter chooses', claims: {} },
		...(isSoftware ? [{ name: 'as GPUs choose', claims: { isSoftware: false } }] : []),
		...software,
		...(subgroupSize > 0 ? [plain] : []),
	];
}

/**
 * A runtime that claims to be of another kind. `onChoice` is called whenever a launcher asks for the kind: an operation that never
 * asks has the same kernels in all forms.
 */
export function runtimeOf(gpu: Gpu, { claims }: Form, onChoice: () => void): Gpu {
	const told = { isSoftware: gpu.isSoftware, subgroupSize: gpu.subgroupSize, ...claims };
	return Object.defineProperties(
		{ ...gpu },
		Object.fromEntries(
			Object.entries(told).map(([name, value]) => [
				name,
				{
					get() {
						onChoice();
						return value;
					},
				},
			]),
		),
	);
}
